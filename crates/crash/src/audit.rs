//! The audit: what was reported and what the journal says, against what truly took effect.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use metronome_simulator::{Entry, Ledger};
use reqwest_safe_retry::durable::JournalEntry;
use serde_json::{Value, json};

use crate::{
    jobs::{Operation, Progress, Run},
    messages::{Answer, Reported},
    mode::Mode,
    writes::number_of,
};

/// What became of the operations of a mode.
pub(crate) struct Report {
    pub(crate) mode: Mode,
    pub(crate) operations: usize,
    pub(crate) kills: usize,
    pub(crate) twice: usize,
    /// Reported as applied and not in the ledger, or reported as not applied and in it.
    pub(crate) lost: usize,
    pub(crate) in_doubt: usize,
    pub(crate) runs: usize,
    pub(crate) killed: Killed,
    pub(crate) took: Duration,
    /// What is wrong, a line each.
    pub(crate) broken: Vec<String>,
}

/// In how many runs of an operation the worker was killed at which moment.
#[derive(Default)]
pub(crate) struct Killed {
    pub(crate) before_the_first_request: usize,
    pub(crate) request_unanswered: usize,
    pub(crate) between_requests: usize,
    pub(crate) after_a_question: usize,
    pub(crate) second_key_sent: usize,
    /// After the journal had the second key, and before it was sent.
    pub(crate) second_key_unsent: usize,
}

impl Report {
    /// `listed` is what the journal lists as in doubt, if there is one.
    pub(crate) fn new(mode: Mode, operations: &[Operation], ledger: &Ledger, listed: Option<&[JournalEntry]>) -> Self {
        let mut effects = HashMap::<usize, Vec<&Entry>>::new();
        for entry in ledger.entries() {
            if let Some(number) = number_of(&entry.path, &entry.body) {
                effects.entry(number).or_default().push(entry);
            }
        }
        let mut report = Self {
            mode,
            operations: operations.len(),
            kills: 0,
            twice: 0,
            lost: 0,
            in_doubt: 0,
            runs: operations.iter().map(|operation| operation.runs.len()).sum(),
            killed: Killed::default(),
            took: Duration::ZERO,
            broken: Vec::new(),
        };
        for (number, operation) in operations.iter().enumerate() {
            let effects = effects.get(&number).map(Vec::as_slice).unwrap_or_default();
            report.add(number, operation, effects);
            if let Some(listed) = listed {
                let entry = listed.iter().find(|entry| entry.operation() == number.to_string());
                report.compare(number, operation, effects, entry);
            }
        }
        report
    }

    fn add(&mut self, number: usize, operation: &Operation, effects: &[&Entry]) {
        operation.runs.iter().for_each(|run| self.killed.add(run));
        self.in_doubt += usize::from(answer(self.mode, operation) == Answer::Unknown);
        if effects.len() > 1 {
            self.twice += 1;
            self.complain(number, operation, &format!("applied {} times", effects.len()));
        }
        if operation.runs.iter().any(|run| self.is_untrue(operation, run, effects)) {
            self.lost += 1;
            self.complain(number, operation, if effects.is_empty() { "not applied" } else { "applied" });
        }
    }

    /// Whether the ledger says the opposite of what was reported at the end of a run.
    fn is_untrue(&self, operation: &Operation, run: &Run, effects: &[&Entry]) -> bool {
        let Some((at, reported)) = reported(run) else { return false };
        match reported.applied {
            Answer::Unknown => false,
            Answer::Yes => !effects.iter().any(|effect| effect.time <= at),
            Answer::No => {
                // What a later run applies was not applied when this one said so.
                let later = operation.runs.iter().map(|run| run.began).filter(|began| *began > at).min();
                let is_applied = effects.iter().any(|effect| later.is_none_or(|later| effect.time < later));
                is_applied && self.speaks_for_the_operation(operation, run, at)
            }
        }
    }

    /// Whether "not applied" is about the operation and not about one call of several.
    fn speaks_for_the_operation(&self, operation: &Operation, run: &Run, at: SystemTime) -> bool {
        let mut others = operation.runs.iter().filter(|other| !std::ptr::eq(*other, run));
        others.all(|other| {
            let is_open = other.began <= at && other.end.as_ref().is_none_or(|end| end.at > at);
            let is_done = self.mode.has_journal() || other.began > at || is_reported_no(other);
            !is_open && is_done
        })
    }

    /// With what the journal says.
    fn compare(&mut self, number: usize, operation: &Operation, effects: &[&Entry], listed: Option<&JournalEntry>) {
        let answer = answer(self.mode, operation);
        match listed {
            None if answer == Answer::Unknown => self.complain(number, operation, "in doubt, but not listed"),
            Some(_) if answer != Answer::Unknown => self.complain(number, operation, "listed as in doubt"),
            Some(entry) => {
                let key = entry.key();
                let is_other =
                    |effect: &&Entry| effect.idempotency_key.as_deref() != key.as_ref().map(|key| key.as_str());
                if effects.iter().any(is_other) {
                    self.complain(number, operation, "applied with another key than the journal says");
                }
            }
            None => {}
        }
    }

    fn complain(&mut self, number: usize, operation: &Operation, what: &str) {
        let runs = operation.runs.iter().map(|run| match reported(run) {
            Some((_, reported)) => format!("reported {:?} ({})", reported.applied, reported.text),
            None => format!("killed ({:?}{})", run.progress, if run.second_key { ", second key" } else { "" }),
        });
        let runs: Vec<_> = runs.collect();
        self.broken.push(format!("operation {number} {what}: {}", runs.join("; ")));
    }

    /// The fields that a program reads.
    pub(crate) fn json(&self) -> Value {
        json!({
            "mode": self.mode.name(),
            "operations": self.operations,
            "kills": self.kills,
            "applied_twice": self.twice,
            "lost": self.lost,
            "in_doubt": self.in_doubt,
        })
    }
}

/// What was reported at the end of a run, and when.
fn reported(run: &Run) -> Option<(SystemTime, &Reported)> {
    let end = run.end.as_ref()?;
    Some((end.at, end.reported.as_ref()?))
}

fn is_reported_no(run: &Run) -> bool {
    reported(run).is_some_and(|(_, reported)| reported.applied == Answer::No)
}

/// Whether the write took effect, by what all runs of its job have reported.
fn answer(mode: Mode, operation: &Operation) -> Answer {
    let reports: Vec<_> = operation.runs.iter().filter_map(reported).collect();
    if reports.iter().any(|(_, reported)| reported.applied == Answer::Yes) {
        return Answer::Yes;
    }
    if !mode.has_journal() {
        // Each speaks of its own call.
        return if operation.runs.iter().all(is_reported_no) { Answer::No } else { Answer::Unknown };
    }
    let last = reports.iter().filter(|(_, reported)| !reported.running_elsewhere).max_by_key(|(at, _)| *at);
    last.map_or(Answer::Unknown, |(_, reported)| reported.applied)
}

impl Killed {
    fn add(&mut self, run: &Run) {
        self.second_key_unsent += usize::from(run.took_over_unsent_key);
        if reported(run).is_some() {
            return;
        }
        self.second_key_sent += usize::from(run.second_key);
        *match run.progress {
            Progress::Nothing => &mut self.before_the_first_request,
            Progress::Sent => &mut self.request_unanswered,
            Progress::Answered => &mut self.between_requests,
            Progress::Asked => &mut self.after_a_question,
        } += 1;
    }

    pub(crate) fn runs(&self) -> usize {
        self.before_the_first_request + self.request_unanswered + self.between_requests + self.after_a_question
    }
}
