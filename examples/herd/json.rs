//! What is printed for programs: a line of JSON for each scenario and policy.

use serde::Serialize;

use crate::{error::BoxError, measure::Figures, policies::Policy, scenario::Scenario, seeds::OverSeeds};

#[derive(Serialize)]
struct Line {
    model: String,
    rtt_ms: u64,
    policy: &'static str,
    #[serde(flatten)]
    figures: Values,
    calls: u64,
    processes: u64,
    /// Over several seeds, where the figures above are the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<Values>,
}

#[derive(Serialize)]
struct Values {
    requests_per_success: Option<f64>,
    time_ratio: Option<f64>,
    failed_pct: f64,
    peak_100ms: u64,
    fairness: Option<f64>,
    goodput_min: Option<f64>,
    goodput_after: Option<f64>,
    in_doubt: u64,
    p50_ms: Option<u64>,
    last_start_ms: Option<u64>,
}

impl Values {
    fn new(figures: &Figures) -> Self {
        Self {
            requests_per_success: figures.requests_per_success.map(rounded),
            time_ratio: figures.time_ratio.map(rounded),
            failed_pct: rounded(figures.failed_pct),
            peak_100ms: figures.peak_100ms,
            fairness: figures.fairness.map(rounded),
            goodput_min: figures.goodput_min.map(rounded),
            goodput_after: figures.goodput_after.map(rounded),
            in_doubt: figures.in_doubt,
            p50_ms: figures.p50_ms,
            last_start_ms: figures.last_start_ms,
        }
    }
}

pub(crate) fn print_line(scenario: &Scenario, policy: Policy, figures: &OverSeeds) -> Result<(), BoxError> {
    let line = Line {
        model: scenario.to_string(),
        rtt_ms: u64::try_from(scenario.round_trip.as_millis())?,
        policy: policy.name(),
        figures: Values::new(&figures.median),
        calls: scenario.crowd(),
        processes: scenario.processes,
        worst: figures.worst.as_ref().map(Values::new),
    };
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}
