//! What is printed: a table, lines of JSON, or all that was seen of the limit.

use std::time::Duration;

use serde_json::json;

use crate::{error::BoxError, measure::Figures, run::Run, scenario::Scenario};

pub(crate) fn heading() -> String {
    let lines = "\
  possible  calls that could succeed in a second, however many come
  lowest    successes in a second over those that were possible: the lowest second, without the first
  in doubt  writes that failed, and may have taken effect
  failed    calls that did not succeed: of too many calls, some always fail
  unsent    how many of those were turned away before anything was sent
  full      the time after the load falls until as many succeed as come, in seconds
  requests  sent for each success
  late      by how much this program sent a call later than it should have: above some ms, the machine is too busy
";
    let columns = ["possible", "lowest", "in doubt", "failed", "unsent", "full", "requests", "late"];
    let columns: String = columns.iter().map(|column| format!("{column:>10}")).collect();
    format!("{lines}\n{:<8}{columns}", "")
}

pub(crate) fn row(scenario: Scenario, figures: &Figures) -> String {
    let optional = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
    let cells = [
        if figures.possible.is_finite() { format!("{:.0}", figures.possible) } else { "-".to_owned() },
        optional(figures.lowest),
        figures.in_doubt.to_string(),
        figures.failed.to_string(),
        figures.turned_away.to_string(),
        optional(figures.full_after.map(|after| after.as_secs_f64())),
        format!("{:.2}", figures.requests_per_success),
        format!("{} ms", figures.latest.as_millis()),
    ];
    let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
    let seconds: Vec<_> = figures.goodput.iter().map(|second| format!("{second:.2}")).collect();
    let seconds = if seconds.is_empty() { String::new() } else { format!("\n  by second: {}", seconds.join(" ")) };
    format!("{:<8}{cells}{seconds}", scenario.name())
}

pub(crate) fn json(scenario: Scenario, figures: &Figures) -> Result<String, BoxError> {
    let rounded = |figure: f64| (figure * 10_000.0).round() / 10_000.0;
    let line = json!({
        "scenario": scenario.name(),
        "possible": figures.possible.is_finite().then(|| rounded(figures.possible)),
        "goodput": figures.goodput.iter().copied().map(rounded).collect::<Vec<_>>(),
        "goodput_min": figures.lowest.map(rounded),
        "succeeded": figures.succeeded,
        "in_doubt": figures.in_doubt,
        "failed": figures.failed,
        "turned_away": figures.turned_away,
        "full_after_ms": figures.full_after.map(|after| after.as_millis() as u64),
        "requests_per_success": rounded(figures.requests_per_success),
        "late_ms": figures.latest.as_millis() as u64,
        "missed": figures.missed(),
    });
    Ok(serde_json::to_string(&line)?)
}

/// What was seen of the limit, a line for each look; counts are of the time since the last one.
pub(crate) fn trace(run: &Run) -> impl Iterator<Item = String> {
    run.samples.iter().scan((Duration::ZERO, 0), |(last, sent_before), sample| {
        let (succeeded, sent) = (run.successes(*last, sample.at - *last), sample.sent - *sent_before);
        (*last, *sent_before) = (sample.at, sample.sent);
        let paused = sample.health.paused.map_or_else(|| "-".to_owned(), |paused| format!("{} ms", paused.as_millis()));
        let (at, limit) = (sample.at.as_millis(), sample.health.concurrency_limit.unwrap_or_default());
        let (in_flight, waiting) = (sample.health.in_flight, sample.health.waiting);
        let seen = format!("limit {limit:>4}, in flight {in_flight:>4}, waiting {waiting:>4}, paused {paused}");
        Some(format!("{at:>6} ms: sent {sent:>4}, succeeded {succeeded:>4}, {seen}"))
    })
}
