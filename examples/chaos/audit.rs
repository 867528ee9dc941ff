//! The audit: what the callers were told, against what truly took effect.

use std::{collections::HashMap, time::Duration};

use metronome_simulator::Ledger;
use reqwest_safe_retry::{Applied, StopReason};
use serde_json::{Value, json};

use crate::{
    client::{Ending, Kind},
    load::{INGEST, Load, Number, effect, effects},
};

/// What became of one call.
pub(crate) struct Record {
    pub(crate) number: Number,
    /// None if the caller has dropped it.
    pub(crate) ending: Option<Ending>,
    pub(crate) took: Duration,
}

/// What became of a client's calls.
pub(crate) struct Report {
    pub(crate) kind: Kind,
    load: Load,
    pub(crate) cancelled: usize,
    pub(crate) succeeded: usize,
    pub(crate) twice: usize,
    pub(crate) lost: usize,
    pub(crate) in_doubt: usize,
    pub(crate) attempts: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// The writes that make the audit fail, each in a line.
    pub(crate) failures: Vec<String>,
    /// The writes left in doubt for want of time or budget, each in a line. The other reasons are in the nature of
    /// things: a 500 that asks for a verdict, the last attempt, a refusal whose text was cut off on the way.
    pub(crate) unexplained: Vec<String>,
}

/// What the ledger says about one effect.
#[derive(Clone, Copy, Default)]
struct Times {
    all: usize,
    /// Those that are no mere part; an event of half a batch is an event.
    whole: usize,
}

/// What the ledger says about a write.
struct Truth {
    is_twice: bool,
    /// Something of it took effect.
    is_begun: bool,
    /// All of it took effect.
    is_whole: bool,
}

impl Report {
    pub(crate) fn new(kind: Kind, load: Load, records: &[Record], attempts: u64, ledger: &Ledger) -> Self {
        let times = times(ledger);
        let ended = records.iter().filter(|record| record.ending.is_some());
        let mut took: Vec<Duration> = ended.clone().map(|record| record.took).collect();
        took.sort_unstable();
        let percentile = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
        let mut report = Self {
            kind,
            load,
            cancelled: records.len() - took.len(),
            succeeded: ended.filter_map(|record| record.ending.as_ref()).filter(|ending| ending.succeeded).count(),
            twice: 0,
            lost: 0,
            in_doubt: 0,
            attempts,
            p50: percentile(50),
            p99: percentile(99),
            failures: Vec::new(),
            unexplained: Vec::new(),
        };
        for record in records {
            if let Number::Write(number) = record.number {
                report.add(number, record.ending.as_ref(), &Truth::of(number, &times));
            }
        }
        report
    }

    fn add(&mut self, number: usize, ending: Option<&Ending>, truth: &Truth) {
        self.twice += usize::from(truth.is_twice);
        // The caller has dropped the call, and so has no result that could be wrong.
        let Some(ending) = ending else {
            if truth.is_twice {
                self.failures.push(format!("write {number} applied twice, cancelled by its caller"));
            }
            return;
        };
        let is_lost = match ending.told {
            Applied::Yes => !truth.is_whole,
            Applied::No => truth.is_begun,
            Applied::Unknown => false,
        };
        self.lost += usize::from(is_lost);
        self.in_doubt += usize::from(ending.told == Applied::Unknown);
        if truth.is_twice || is_lost {
            let what = if truth.is_twice { "applied twice" } else { "lost" };
            let line = format!("write {number} {what}, its caller was told {:?}: {}", ending.told, ending.account);
            self.failures.push(line);
        }
        let is_explained =
            matches!(ending.stop, Some(StopReason::Unverified | StopReason::AttemptsExhausted | StopReason::Permanent));
        if ending.told == Applied::Unknown && !is_explained {
            self.unexplained.push(format!("write {number} left in doubt: {}", ending.account));
        }
    }

    /// Of all that were not cancelled.
    pub(crate) fn succeeded_pct(&self) -> f64 {
        percent(self.succeeded, self.load.writes + self.load.reads - self.cancelled)
    }

    pub(crate) fn in_doubt_pct(&self) -> f64 {
        percent(self.in_doubt, self.load.writes)
    }

    pub(crate) fn attempts_per_call(&self) -> f64 {
        self.attempts as f64 / (self.load.writes + self.load.reads).max(1) as f64
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "client": self.kind.name(),
            "writes": self.load.writes,
            "reads": self.load.reads,
            "cancelled": self.cancelled,
            "succeeded_pct": rounded(self.succeeded_pct()),
            "applied_twice": self.twice,
            "lost": self.lost,
            "in_doubt_pct": rounded(self.in_doubt_pct()),
            "attempts_per_call": rounded(self.attempts_per_call()),
            "p50_ms": rounded(milliseconds(self.p50)),
            "p99_ms": rounded(milliseconds(self.p99)),
        })
    }
}

impl Truth {
    fn of(number: usize, times: &HashMap<&str, Times>) -> Self {
        let all: Vec<Times> =
            effects(number).iter().map(|effect| times.get(effect.as_str()).copied().unwrap_or_default()).collect();
        Self {
            is_twice: all.iter().any(|times| times.all > 1),
            is_begun: all.iter().any(|times| times.all > 0),
            is_whole: all.iter().all(|times| times.whole > 0),
        }
    }
}

fn times(ledger: &Ledger) -> HashMap<&str, Times> {
    let mut times = HashMap::<&str, Times>::new();
    for entry in ledger.entries() {
        if let Some(effect) = effect(&entry.path, &entry.body) {
            let times = times.entry(effect).or_default();
            times.all += 1;
            times.whole += usize::from(!entry.partial || entry.path == INGEST);
        }
    }
    times
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
