//! The figures of a run, and whether they are good enough.

use std::time::Duration;

use crate::{client::Ending, run::Run, scenario::Stream};

/// The least part of what was possible that is good enough.
const ENOUGH: f64 = 0.95;
/// Full speed is measured over this time, from moments that are so far apart.
const WINDOW: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(100);
const FULL_WITHIN: Duration = Duration::from_secs(1);
/// A machine that keeps a call waiting for so long measures itself.
const TOO_LATE: Duration = Duration::from_millis(25);

#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Successes in each second in which calls came, over those that were possible. Empty if all came at once.
    pub(crate) goodput: Vec<f64>,
    /// The lowest second without the first.
    pub(crate) lowest: Option<f64>,
    pub(crate) possible: f64,
    pub(crate) succeeded: usize,
    pub(crate) in_doubt: usize,
    /// All that did not succeed; for a stream there are always some.
    pub(crate) failed: usize,
    /// Of those, unsent.
    pub(crate) turned_away: usize,
    /// The time since the load fell.
    pub(crate) full_after: Option<Duration>,
    pub(crate) requests_per_success: f64,
    /// By how much the latest call came late.
    pub(crate) latest: Duration,
    /// The first failure that needs an explanation.
    pub(crate) error: Option<String>,
    is_stream: bool,
}

pub(crate) fn figures(run: &Run) -> Figures {
    let count = |ending| run.calls.iter().filter(|call| call.ending == ending).count();
    let succeeded = count(Ending::Success);
    let goodput = run.stream.map(|stream| goodput(run, stream)).unwrap_or_default();
    Figures {
        lowest: goodput.iter().skip(1).copied().reduce(f64::min),
        goodput,
        possible: run.possible,
        succeeded,
        in_doubt: count(Ending::InDoubt),
        failed: run.calls.len() - succeeded,
        turned_away: count(Ending::TurnedAway),
        full_after: run.stream.and_then(|stream| full_after(run, stream)),
        requests_per_success: run.requests as f64 / succeeded.max(1) as f64,
        latest: run.latest,
        error: run.calls.iter().find_map(|call| call.error.clone()),
        is_stream: run.stream.is_some(),
    }
}

impl Run {
    /// Calls that ended with a success from then on, for so long.
    pub(crate) fn successes(&self, from: Duration, length: Duration) -> usize {
        let is_counted = |ended| ended >= from && ended < from + length;
        self.calls.iter().filter(|call| call.ending == Ending::Success && is_counted(call.ended)).count()
    }
}

fn goodput(run: &Run, stream: Stream) -> Vec<f64> {
    let second = Duration::from_secs(1);
    let successes = |number| run.successes(Duration::from_secs(number), second) as f64;
    (0..stream.seconds()).map(|number| successes(number) / stream.possible(number, run.possible)).collect()
}

/// When enough calls succeed for the first time after the load has fallen.
fn full_after(run: &Run, stream: Stream) -> Option<Duration> {
    let (falls, ends) = (stream.falls(), Duration::from_secs(stream.seconds()));
    let enough = ENOUGH * stream.possible(stream.heavy.seconds, run.possible) * WINDOW.as_secs_f64();
    (0..)
        .map(|step| STEP * step)
        .take_while(|after| falls + *after + WINDOW <= ends)
        .find(|after| run.successes(falls + *after, WINDOW) as f64 >= enough)
}

impl Figures {
    /// The targets that were missed, and what may explain it.
    pub(crate) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        if self.in_doubt > 0 {
            missed.push(format!("{} writes in doubt, not 0", self.in_doubt));
        }
        if !self.is_stream && self.failed > 0 {
            missed.push(format!("{} calls failed, not 0", self.failed));
        }
        if self.lowest.is_some_and(|lowest| lowest < ENOUGH) {
            missed.push(format!("lowest second {:.3}, not {ENOUGH}", self.lowest.unwrap_or_default()));
        }
        if self.is_stream && self.full_after.is_none_or(|after| after > FULL_WITHIN) {
            missed.push("not at full speed 1 s after the load fell".to_owned());
        }
        if !missed.is_empty() && self.latest > TOO_LATE {
            missed.push(format!("the machine was too busy: a call came {} ms late", self.latest.as_millis()));
        }
        match &self.error {
            Some(error) if !missed.is_empty() => missed.push(format!("the first failure: {error}")),
            _ => {}
        }
        missed
    }
}
