//! What is printed: tables for people, lines for programs.

use std::time::Duration;

use console::style;
use serde::Serialize;

use crate::{
    error::BoxError,
    measure::{Figures, Scenario},
    policies::Policy,
    service::Model,
};

pub(crate) const INTRODUCTION: &str = "\
Many callers of one process share one account, and the service refuses them or falls over. It admits 1,000 requests a
second; a refusal is a 429 with Retry-After: 1, an outage is a 503 without a hint. Up to 20 attempts for everyone but
reqwest-retry, which comes with 3 retries; no deadline comes near.

  requests  sent, for each call that succeeded: 1.00 is the best possible
  time      until the last call has ended, over the earliest moment at which as many could have succeeded
  failed    calls that ended without a success
  burst     the most requests within 100 ms
  spread    how long successful calls took, p99 over median: 1.98 where a crowd is served one by one

safe-retry has a budget of 500 tokens for its repeats, aws-adaptive a quota of 500. Where most answers are failures the
tokens run out, and calls fail early; the lines with no-budget and no-quota show what the rest does alone. reqwest-retry
does not read Retry-After. The oracle knows the limit, but nothing of outages.";

const HEADINGS: [&str; 5] = ["requests", "time", "failed", "burst", "spread"];

/// The heading of a scenario's table.
pub(crate) fn print_heading(scenario: &Scenario) {
    let Scenario { model, round_trip, calls, .. } = *scenario;
    let calls = thousands(model.calls(calls));
    let story = match model {
        Model::Window => format!("{calls} calls at once, 1,000 admitted in each second of the service's clock"),
        Model::Bucket => format!("{calls} calls at once, a token bucket of 100, refilled 1,000 times a second"),
        Model::Outage(seconds) => format!("{calls} calls at once, down for {seconds} s, then as window"),
        Model::Overload => format!("{calls} calls, arriving evenly at 2,000 a second, 1,000 admitted in each second"),
    };
    println!("\n{}: {story}", style(format!("{model}, round trip {} ms", round_trip.as_millis())).bold());
    let headings: String = HEADINGS.iter().map(|heading| format!("{heading:>10}")).collect();
    println!("{}", style(format!("  {:<31}{headings}", "")).dim());
}

/// A line of the table.
pub(crate) fn print_row(policy: Policy, figures: &Figures) {
    let cells = [
        ratio(figures.requests_per_success),
        ratio(figures.time_ratio),
        share(figures.failed_pct),
        thousands(figures.peak_100ms as u64),
        ratio(figures.fairness),
    ];
    let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
    println!("  {}{cells}", style(format!("{:<31}", policy.name())).cyan());
}

/// The same for programs: a line of JSON.
pub(crate) fn print_json(scenario: &Scenario, policy: Policy, figures: &Figures) -> Result<(), BoxError> {
    #[derive(Serialize)]
    struct Line {
        model: String,
        rtt_ms: u64,
        policy: &'static str,
        requests_per_success: Option<f64>,
        time_ratio: Option<f64>,
        failed_pct: f64,
        peak_100ms: usize,
        fairness: Option<f64>,
    }
    let line = Line {
        model: scenario.model.to_string(),
        rtt_ms: milliseconds(scenario.round_trip),
        policy: policy.name(),
        requests_per_success: figures.requests_per_success.map(rounded),
        time_ratio: figures.time_ratio.map(rounded),
        failed_pct: rounded(figures.failed_pct),
        peak_100ms: figures.peak_100ms,
        fairness: figures.fairness.map(rounded),
    };
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
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
