//! Boxes, arrows and text as SVG.

use std::fmt::Write as _;

/// The head of a figure: colours that everyone can tell apart, on white.
const STYLE: &str = "<style>\
text{font-family:Helvetica,Arial,sans-serif;font-size:15px;fill:#323232}\
.title{font-size:20px}.note{font-size:13px}.on{fill:#fff;font-size:13px}\
rect{stroke:#323232;stroke-width:1;fill:#fff}\
.page{stroke:none}.same{fill:#dcebf5;stroke:#005fa0}.new{fill:#fbe3d3;stroke:#d55e00;stroke-width:2}\
.done{fill:#d9efe8;stroke:#008a64}.end{fill:#ececec}.attempt{fill:#005fa0;stroke:none}.failed{fill:#d55e00;stroke:none}\
line,path{stroke:#323232;stroke-width:1.5;fill:none}.wait{stroke-dasharray:5 4}.grid{stroke:#ddd;stroke-width:1}\
.deadline{stroke:#d55e00;stroke-width:2}marker path{fill:#323232;stroke:none}\
</style>\
<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
<path d=\"M0 0L8 4L0 8z\"/></marker></defs>";

pub(super) struct Svg(String);

/// Where a box is, in pixels: left, top, width, height.
pub(super) type Area = (f64, f64, f64, f64);

impl Svg {
    pub(super) fn new(width: u32, height: u32, title: &str) -> Self {
        let mut svg = Self(format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n<title>{title}</title>\n{STYLE}\n"
        ));
        svg.rect((0.0, 0.0, width.into(), height.into()), "page");
        svg.text((20.0, 30.0), "title", "start", title);
        svg
    }

    pub(super) fn rect(&mut self, (x, y, width, height): Area, class: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"4\" class=\"{class}\"/>"
        );
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), class: &str, anchor: &str, text: &str) {
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// A box with a line of text, and a smaller one below it.
    pub(super) fn boxed(&mut self, area: Area, class: &str, [text, note]: [&str; 2]) {
        let (x, y, width, height) = area;
        let (middle, centre) = (x + width / 2.0, y + height / 2.0);
        self.rect(area, class);
        self.text((middle, centre - 3.0), "", "middle", text);
        self.text((middle, centre + 15.0), "note", "middle", note);
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ =
            writeln!(self.0, "<line x1=\"{x1:.0}\" y1=\"{y1:.0}\" x2=\"{x2:.0}\" y2=\"{y2:.0}\" class=\"{class}\"/>");
    }

    /// From the right side of one box to the left side of another, with a step halfway.
    pub(super) fn arrow(&mut self, from: Area, to: Area) {
        let ((x1, y1), (x2, y2)) = ((from.0 + from.2, from.1 + from.3 / 2.0), (to.0, to.1 + to.3 / 2.0));
        let halfway = f64::midpoint(x1, x2);
        let _ =
            writeln!(self.0, "<path d=\"M{x1:.0} {y1:.0}H{halfway:.0}V{y2:.0}H{x2:.0}\" marker-end=\"url(#tip)\"/>");
    }

    /// A straight arrow.
    pub(super) fn pointer(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(self.0, "<path d=\"M{x1:.0} {y1:.0}L{x2:.0} {y2:.0}\" marker-end=\"url(#tip)\"/>");
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}
