//! What is printed for people: tables.

use console::style;

use crate::{
    measure::Figures,
    model::{Model, heavy_seconds, light_seconds},
    policies::Policy,
    scenario::Scenario,
    seeds::OverSeeds,
};

pub(crate) const INTRODUCTION: &str = "\
Many callers share one account, and the service refuses them or falls over. It admits 1,000 requests a second; a refusal
is a 429 with Retry-After: 1, an outage is a 503 without a hint. Up to 20 attempts for everyone but reqwest-retry, which
comes with 3 retries; no deadline comes near, except in deadline. The callers are one process, except in fleet.

  requests    sent, for each call that succeeded: 1.00 is the best possible
  time        until the last call has ended, over the earliest moment at which as many could have succeeded
  failed      calls that ended without a success
  burst       the most requests within 100 ms
  spread      how long successful calls took, p99 over median: 1.98 where a crowd is served one by one
  in doubt    writes that failed, and may have taken effect
  lowest      calls that succeeded in time in a second, over those that could have: the lowest second of too many calls
  after       the same from one second after there were too many
  p50         how long successful calls took: the median, in milliseconds
  last start  when the last request reached the service, in seconds

safe-retry has a budget of 500 tokens for its repeats, aws-adaptive a quota of 500. Where most answers are failures the
tokens run out, and calls fail early; the lines with no-budget and no-quota show what the rest does alone. reqwest-retry
does not read Retry-After; the lines with semaphore make 32 calls at once. The oracle knows the limit, but nothing of
outages.";

/// A figure of the tables.
struct Column {
    heading: &'static str,
    cell: fn(&Figures) -> String,
}

const REQUESTS: Column = Column { heading: "requests", cell: |figures| ratio(figures.requests_per_success) };
const TIME: Column = Column { heading: "time", cell: |figures| ratio(figures.time_ratio) };
const FAILED: Column = Column { heading: "failed", cell: |figures| share(figures.failed_pct) };
const BURST: Column = Column { heading: "burst", cell: |figures| thousands(figures.peak_100ms) };
const SPREAD: Column = Column { heading: "spread", cell: |figures| ratio(figures.fairness) };
const IN_DOUBT: Column = Column { heading: "in doubt", cell: |figures| thousands(figures.in_doubt) };
const LOWEST: Column = Column { heading: "lowest", cell: |figures| ratio(figures.goodput_min) };
const AFTER: Column = Column { heading: "after", cell: |figures| ratio(figures.goodput_after) };
const P50: Column = Column { heading: "p50", cell: |figures| optional(figures.p50_ms, thousands) };
const LAST_START: Column = Column { heading: "last start", cell: |figures| optional(figures.last_start_ms, seconds) };

fn columns(model: Model) -> &'static [Column] {
    match model {
        Model::Deadline => &[REQUESTS, FAILED, BURST, LOWEST, AFTER, IN_DOUBT],
        Model::Slow => &[REQUESTS, TIME, FAILED, LAST_START],
        Model::Noise => &[REQUESTS, TIME, FAILED, BURST, SPREAD, P50],
        _ => &[REQUESTS, TIME, FAILED, BURST, SPREAD],
    }
}

/// The heading of a scenario's table.
pub(crate) fn print_heading(scenario: &Scenario, seeds: usize) {
    let Scenario { model, round_trip, processes, .. } = *scenario;
    let from = if scenario.is_fleet() { format!("{processes} processes, ") } else { String::new() };
    let title = format!("{scenario}, {from}round trip {} ms", round_trip.as_millis());
    println!("\n{}: {}", style(title).bold(), story(scenario));
    let width = width(seeds > 1);
    let headings: String = columns(model).iter().map(|column| format!("{:>width$}", column.heading)).collect();
    let figures = if seeds > 1 { format!("median and worst of {seeds} seeds") } else { String::new() };
    println!("{}", style(format!("  {figures:<35}{headings}")).dim());
}

fn story(scenario: &Scenario) -> String {
    let Scenario { model, calls: asked, .. } = *scenario;
    let calls = thousands(scenario.crowd());
    match model {
        Model::Window => format!("{calls} calls at once, 1,000 admitted in each second of the service's clock"),
        Model::Bucket => format!("{calls} calls at once, a token bucket of 100, refilled 1,000 times a second"),
        Model::Outage(seconds) => format!("{calls} calls at once, down for {seconds} s, then as window"),
        Model::Overload => format!("{calls} calls, arriving evenly at 2,000 a second, 1,000 admitted in each second"),
        Model::Deadline => {
            let (heavy, light) = (heavy_seconds(asked), light_seconds(asked));
            format!(
                "writes with 2 s each, 1,600 a second for {heavy} s, then 500 for {light} s; 1,000 admitted in each"
            )
        }
        Model::Slow => format!("{calls} calls at once, each executed for 20 s, none refused"),
        Model::Noise => format!(
            "{calls} calls, arriving evenly at 500 a second, 30 % of all requests fail at random, a tenth of those with 429"
        ),
    }
}

/// A line of the table.
pub(crate) fn print_row(scenario: &Scenario, policy: Policy, figures: &OverSeeds) {
    let OverSeeds { median, worst } = figures;
    let width = width(worst.is_some());
    let cell = |column: &Column| match worst {
        Some(worst) => format!("{} / {}", (column.cell)(median), (column.cell)(worst)),
        None => (column.cell)(median),
    };
    let cells: String = columns(scenario.model).iter().map(|column| format!("{:>width$}", cell(column))).collect();
    println!("  {}{cells}", style(format!("{:<35}", policy.name())).cyan());
    if !median.goodput.is_empty() {
        let goodput: Vec<_> = median.goodput.iter().map(|second| format!("{second:.2}")).collect();
        println!("    {}", style(format!("second by second: {}", goodput.join(" "))).dim());
    }
}

/// Of a column.
fn width(seeds: bool) -> usize {
    if seeds { 19 } else { 12 }
}

fn optional<T>(value: Option<T>, shown: fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), shown)
}

fn ratio(ratio: Option<f64>) -> String {
    optional(ratio, |ratio| format!("{ratio:.2}"))
}

fn seconds(milliseconds: u64) -> String {
    format!("{:.2}", milliseconds as f64 / 1000.0)
}

/// Nothing is shown as 0 % or 100 % that is not.
pub(crate) fn share(percent: f64) -> String {
    match percent {
        0.0 => "0 %".to_owned(),
        100.0 => "100 %".to_owned(),
        percent => format!("{:.1} %", percent.clamp(0.1, 99.9)),
    }
}

pub(crate) fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}
