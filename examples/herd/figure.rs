//! The figures: what reaches the service in each second, with the layer and with `reqwest-retry`.

use std::path::Path;

use plotters::{
    chart::{ChartContext, SeriesLabelPosition},
    coord::{combinators::LogCoord, types::RangedCoordf64},
    prelude::*,
};

use crate::{
    error::BoxError,
    model::LIMIT,
    policies::Policy,
    report::{share, thousands},
    run::Run,
    scenario::Scenario,
};

const SIZE: (u32, u32) = (1000, 560);
const FONT: &str = "Helvetica, Arial, sans-serif";
/// Colours that everyone can tell apart.
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const BLUE: RGBColor = RGBColor(0, 95, 160);
const GREEN: RGBColor = RGBColor(0, 138, 100);
const OF_ONE_PROCESS: [(Policy, RGBColor); 2] = [(Policy::REQWEST_RETRY_UNLIMITED, ORANGE), (Policy::SAFE_RETRY, BLUE)];
const OF_A_FLEET: [(Policy, RGBColor); 3] =
    [(Policy::REQWEST_RETRY_SEMAPHORE, ORANGE), (Policy::SAFE_RETRY, GREEN), (Policy::SAFE_RETRY_SHARED, BLUE)];
const INK: RGBColor = RGBColor(50, 50, 50);
/// The lower end of the logarithmic axis: a second without any request is drawn here.
const BOTTOM: f64 = 0.5;

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, LogCoord<f64>>>;

/// One policy's line.
struct Curve {
    colour: RGBColor,
    label: String,
    per_second: Vec<usize>,
    finished: f64,
}

/// Runs the scenario with each policy and writes the figure as SVG.
pub(crate) fn draw(path: &Path, scenario: Scenario) -> Result<(), BoxError> {
    let curves = if scenario.is_fleet() { &OF_A_FLEET[..] } else { &OF_ONE_PROCESS };
    let curves: Vec<Curve> =
        curves.iter().map(|(policy, colour)| Curve::new(scenario, *policy, *colour)).collect::<Result<_, _>>()?;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let processes = if scenario.is_fleet() { format!(" from {} processes", scenario.processes) } else { String::new() };
    let (calls, limit) = (thousands(scenario.calls), thousands(LIMIT));
    let title = format!("{calls} calls at once{processes}, {limit} a second are admitted");
    root.draw_text(&title, &TextStyle::from((FONT, 28).into_font()).color(&INK), (96, 16))?;

    let seconds = curves.iter().map(|curve| curve.finished).fold(0.0, f64::max);
    let most = curves.iter().flat_map(|curve| &curve.per_second).max().map_or(BOTTOM, |most| *most as f64);
    // For the legend.
    let room = if scenario.is_fleet() { 9.0 } else { 4.5 };
    let mut chart = ChartBuilder::on(&root)
        .margin(14)
        .margin_top(52)
        .margin_right(30)
        .x_label_area_size(52)
        .y_label_area_size(82)
        .build_cartesian_2d(0.0..(seconds / 5.0).ceil() * 5.0, (BOTTOM..most * room).log_scale())?;
    draw_axes(&mut chart)?;
    for curve in &curves {
        curve.draw(&mut chart)?;
    }
    draw_limit(&mut chart, (seconds / 5.0).ceil() * 5.0)?;
    draw_legend(&mut chart)?;
    drop(chart);
    root.present()?;
    Ok(())
}

impl Curve {
    fn new(scenario: Scenario, policy: Policy, colour: RGBColor) -> Result<Self, BoxError> {
        let run = scenario.run(policy)?;
        let figures = scenario.figures(&run);
        let name = match policy {
            Policy::SAFE_RETRY_SHARED => "reqwest-safe-retry, shared limit",
            Policy::SafeRetry(..) if scenario.is_fleet() => "reqwest-safe-retry, own limits",
            Policy::SafeRetry(..) => "reqwest-safe-retry",
            Policy::REQWEST_RETRY_SEMAPHORE => "reqwest-retry, 32 at once each",
            _ => "reqwest-retry, 20 attempts",
        };
        let mut label = format!("{name}: done after {:.1} s", run.finished().as_secs_f64());
        if let Some(requests) = figures.requests_per_success {
            label.push_str(&format!(", {requests:.2} requests for each success"));
        }
        if figures.failed_pct > 0.0 {
            label.push_str(&format!(", {} failed", share(figures.failed_pct)));
        }
        let (per_second, finished) = (per_second(&run), run.finished().as_secs_f64());
        Ok(Self { colour, label, per_second, finished })
    }

    fn draw(&self, chart: &mut Chart<'_>) -> Result<(), BoxError> {
        let line = self.colour.stroke_width(3);
        chart
            .draw_series(LineSeries::new(self.steps(), line))?
            .label(self.label.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 28, y)], line));
        Ok(())
    }

    /// A level for each second, until the last call has ended.
    fn steps(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let levels = self.per_second.iter().enumerate().flat_map(|(second, requests)| {
            let level = (*requests as f64).max(BOTTOM);
            [(second as f64, level), ((second as f64 + 1.0).min(self.finished), level)]
        });
        levels.chain([(self.finished, BOTTOM)])
    }
}

fn draw_axes(chart: &mut Chart<'_>) -> Result<(), BoxError> {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.1))
        .axis_style(INK)
        .x_desc("seconds since the calls came")
        .y_desc("requests in each second (logarithmic)")
        .x_label_formatter(&|second| format!("{second:.0}"))
        .y_label_formatter(&|requests| thousands(*requests as u64))
        .axis_desc_style((FONT, 19).into_font().color(&INK))
        .label_style((FONT, 17).into_font().color(&INK))
        .draw()?;
    Ok(())
}

fn draw_legend(chart: &mut Chart<'_>) -> Result<(), BoxError> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .margin(2)
        .legend_area_size(34)
        .label_font((FONT, 18).into_font().color(&INK))
        .draw()?;
    Ok(())
}

fn draw_limit(chart: &mut Chart<'_>, end: f64) -> Result<(), BoxError> {
    let line = INK.stroke_width(2);
    let limit = LIMIT as f64;
    chart.draw_series(DashedLineSeries::new([(0.0, limit), (end, limit)], 7, 5, line))?.label("the limit").legend(
        move |(x, y)| {
            let dash = |from: i32, to: i32| PathElement::new([(x + from, y), (x + to, y)], line);
            EmptyElement::at((0, 0)) + dash(0, 7) + dash(11, 18) + dash(21, 28)
        },
    );
    Ok(())
}

/// How many requests reached the service in each second, to the end of the last call.
fn per_second(run: &Run) -> Vec<usize> {
    let mut seconds = vec![0; run.finished().as_secs() as usize + 1];
    for arrival in &run.arrivals {
        seconds[arrival.as_secs() as usize] += 1;
    }
    seconds
}
