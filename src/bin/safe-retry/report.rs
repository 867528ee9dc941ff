//! The answer, as text and as JSON.

use std::{
    env,
    io::{self, IsTerminal as _, Write},
};

use reqwest_safe_retry::{Explanation, Service, decide::Decision};
use serde_json::{Value, json};

/// The answer, as text and as JSON.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) json: Value,
    lines: Vec<Line>,
}

/// What is wrong with a file; without a path if its format is broken.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) path: Option<String>,
    pub(crate) message: String,
}

/// The parts of a line, each in its colour.
type Line = Vec<(Colour, String)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Plain,
    Bold,
    Red,
    Green,
    Dim,
}

/// Whether the text has colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colours: bool,
}

impl Report {
    pub(crate) fn plain(text: &str) -> Self {
        Self { json: Value::Null, lines: vec![vec![(Colour::Plain, text.to_owned())]] }
    }

    /// The schema is JSON in either form.
    pub(crate) fn schema(schema: Value) -> Self {
        Self { lines: vec![vec![(Colour::Plain, format!("{schema:#}"))]], json: schema }
    }

    pub(crate) fn checked(file: &str, services: &[Service]) -> Self {
        let names: Vec<_> = services.iter().map(Service::name).collect();
        let unit = if names.len() == 1 { "service" } else { "services" };
        let found = format!(": {} {unit}, no mistakes", names.len());
        Self {
            json: json!({ "file": file, "services": names, "mistakes": [] }),
            lines: vec![vec![(Colour::Bold, file.to_owned()), (Colour::Green, found)]],
        }
    }

    pub(crate) fn mistakes(file: &str, mistakes: &[Mistake]) -> Self {
        let as_json = |mistake: &Mistake| json!({ "path": mistake.path, "message": mistake.message });
        let as_line = |mistake: &Mistake| {
            let path = mistake.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
            let file = (Colour::Bold, format!("{file}: "));
            vec![file, (Colour::Red, path), (Colour::Plain, mistake.message.clone())]
        };
        Self {
            json: json!({ "file": file, "mistakes": mistakes.iter().map(as_json).collect::<Vec<_>>() }),
            lines: mistakes.iter().map(as_line).collect(),
        }
    }

    pub(crate) fn explained(service: &Service, explanation: &Explanation) -> Self {
        let route = match explanation.route() {
            Some(route) => format!(", route {route}"),
            None => ", no route".to_owned(),
        };
        let place = format!(" {}{route}", service.base_url().trim_end_matches('/'));
        let head = vec![(Colour::Bold, service.name().to_owned()), (Colour::Dim, place)];
        let json = json!({
            "service": service.name(),
            "base_url": service.base_url(),
            "route": explanation.route(),
            "attempt": explanation.attempt(),
            "decision": decided(explanation.decision()),
            "explanation": explanation.to_string(),
            "sources": explanation.sources(),
        });
        Self { json, lines: vec![head, vec![(Colour::Plain, explanation.to_string())]] }
    }

    pub(crate) fn write_text(&self, to: &mut impl Write, style: Style) -> io::Result<()> {
        for line in &self.lines {
            line.iter().try_for_each(|(colour, text)| style.write(to, *colour, text))?;
            writeln!(to)?;
        }
        Ok(())
    }
}

fn decided(decision: Option<&Decision>) -> Value {
    match decision {
        Some(Decision::Retry { delay, key, .. }) => {
            json!({ "kind": "retry", "key": key, "longest_wait_ms": u64::try_from(delay.as_millis()).ok() })
        }
        Some(Decision::Fail(stop)) => json!({ "kind": "fail", "stop_reason": stop }),
        _ => json!({ "kind": "return" }),
    }
}

impl Style {
    /// Colours on a terminal; by the conventions of no-color.org and bixense.com/clicolors elsewhere.
    pub(crate) fn of_stdout() -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let is_capable = || io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { colours: !is_set("NO_COLOR") && (is_set("CLICOLOR_FORCE") || is_capable()) }
    }

    fn write(self, to: &mut impl Write, colour: Colour, text: &str) -> io::Result<()> {
        let code = match colour {
            Colour::Bold => "1",
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Dim => "2",
            Colour::Plain => "",
        };
        match self.colours && !code.is_empty() && !text.is_empty() {
            true => write!(to, "\x1b[{code}m{text}\x1b[0m"),
            false => to.write_all(text.as_bytes()),
        }
    }
}
