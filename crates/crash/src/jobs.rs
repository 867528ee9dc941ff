//! The job queue: it runs each job at least once, and again until its worker has reported an end.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use fastrand::Rng;
use metronome_simulator::Stage;

use crate::{
    clock,
    faults::DEADLINE,
    host::Request,
    killer::Moment,
    messages::{Answer, Reported},
    mode::Mode,
};

/// How often a job is run again that has ended in doubt, or without an effect.
const RERUNS: usize = 6;
/// How often a job is run again because another process works on its operation.
const RERUNS_ELSEWHERE: usize = 40;
const WAIT_ELSEWHERE: Duration = Duration::from_millis(300);
/// The first wait before a job in doubt is run again, which doubles, and the longest one.
const WAITS: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));
/// One of so many jobs is delivered twice at once.
const DELIVERED_TWICE: usize = 40;

/// What is known of an operation.
#[derive(Default)]
pub(crate) struct Operation {
    pub(crate) runs: Vec<Run>,
    /// The keys that the service has seen, in the order of their first use.
    keys: Vec<String>,
    /// How many copies of its job are in the queue or run.
    copies: usize,
    is_over: bool,
}

/// A run of a job by a worker.
pub(crate) struct Run {
    pub(crate) worker: usize,
    pub(crate) began: SystemTime,
    pub(crate) progress: Progress,
    /// Whether a key other than the operation's first was sent.
    pub(crate) second_key: bool,
    /// Whether its first request had a key that a process before had chosen, and not sent.
    pub(crate) took_over_unsent_key: bool,
    pub(crate) end: Option<End>,
}

/// What the service has last seen of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Nothing,
    Sent,
    Answered,
    Asked,
}

pub(crate) struct End {
    pub(crate) at: SystemTime,
    /// None if its worker was killed.
    pub(crate) reported: Option<Reported>,
}

pub(crate) struct Jobs {
    mode: Mode,
    rng: Rng,
    operations: Vec<Operation>,
    /// How many have begun.
    begun: usize,
    over: usize,
    open: usize,
    /// Jobs that are run again, and when.
    again: BTreeSet<(Instant, usize)>,
}

impl Jobs {
    pub(crate) fn new(mode: Mode, seed: u64, operations: usize) -> Self {
        let operations = std::iter::repeat_with(Operation::default).take(operations).collect();
        let rng = Rng::with_seed(seed);
        Self { mode, rng, operations, begun: 0, over: 0, open: 0, again: BTreeSet::new() }
    }

    /// How many operations are over.
    pub(crate) fn over(&self) -> usize {
        self.over
    }

    pub(crate) fn are_over(&self) -> bool {
        self.over == self.operations.len() && self.open == 0
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// When the next job is to be run again.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.again.first().map(|(at, _)| *at)
    }

    /// A job to be run now.
    pub(crate) fn take(&mut self, now: Instant, new_ones_too: bool) -> Option<usize> {
        while let Some((_, number)) = self.again.first().copied().filter(|(at, _)| *at <= now) {
            self.again.pop_first();
            let operation = &mut self.operations[number];
            if !operation.is_over {
                return Some(number);
            }
            operation.copies -= 1;
        }
        if !new_ones_too || self.begun == self.operations.len() {
            return None;
        }
        let number = self.begun;
        self.begun += 1;
        self.operations[number].copies = 1;
        if self.mode.has_operations() && self.rng.usize(0..DELIVERED_TWICE) == 0 {
            self.run_again(number, now);
        }
        Some(number)
    }

    fn run_again(&mut self, number: usize, at: Instant) {
        self.operations[number].copies += 1;
        // Two copies of a job are not run in the same instant.
        let mut at = at;
        while !self.again.insert((at, number)) {
            at += Duration::from_millis(1);
        }
    }

    pub(crate) fn begin(&mut self, number: usize, worker: usize) {
        self.open += 1;
        self.operations[number].runs.push(Run {
            worker,
            began: clock::wall(),
            progress: Progress::Nothing,
            second_key: false,
            took_over_unsent_key: false,
            end: None,
        });
    }

    /// Adds what the service has seen, and says whether it is a moment to kill the worker.
    pub(crate) fn see(&mut self, request: &Request) -> Option<Moment> {
        let operation = self.operations.get_mut(request.operation)?;
        let is_new = request.key.as_ref().is_some_and(|key| !operation.keys.contains(key));
        if is_new {
            operation.keys.extend(request.key.clone());
        }
        let is_second = request.key.is_some() && request.key.as_ref() != operation.keys.first();
        let run = operation.runs.iter_mut().rev().find(|run| run.worker == request.worker && run.end.is_none())?;
        run.took_over_unsent_key |= is_new && is_second && run.progress == Progress::Nothing;
        run.second_key |= is_second;
        run.progress = match (&request.key, request.stage) {
            (None, _) => Progress::Asked,
            (Some(_), Stage::Received) => Progress::Sent,
            (Some(_), _) => Progress::Answered,
        };
        match (run.progress, request.stage) {
            (Progress::Sent, _) if is_second => Some(Moment::SecondKey),
            (Progress::Sent, _) => Some(Moment::Received),
            (Progress::Asked, Stage::Received) => Some(Moment::Asked),
            _ => None,
        }
    }

    /// A worker has reported an end.
    pub(crate) fn reported(&mut self, worker: usize, reported: Reported, now: Instant) {
        let number = reported.number;
        let (answer, running_elsewhere) = (reported.applied, reported.running_elsewhere);
        let Some(ended) = self.end(number, worker, Some(reported)) else { return };
        let (elsewhere, others) = ended;
        let wait = if running_elsewhere {
            (elsewhere <= RERUNS_ELSEWHERE).then_some(WAIT_ELSEWHERE)
        } else if answer == Answer::Yes {
            self.finish(number);
            None
        } else {
            (others <= RERUNS).then(|| (WAITS.0 * (1 << others.min(8))).min(WAITS.1))
        };
        let spread = 0.8 + 0.4 * self.rng.f64();
        self.go_on(number, wait.map(|wait| now + wait.mul_f64(spread)));
    }

    /// A worker was killed: its jobs are run again, some of them before its leases have passed.
    pub(crate) fn killed(&mut self, worker: usize, now: Instant) {
        let is_open =
            |operation: &Operation| operation.runs.iter().any(|run| run.worker == worker && run.end.is_none());
        let numbers: Vec<_> = (0..self.begun).filter(|number| is_open(&self.operations[*number])).collect();
        for number in numbers {
            while self.end(number, worker, None).is_some() {
                let wait = DEADLINE.mul_f64([0.0, 0.5, 1.02][self.rng.usize(0..3)]);
                self.go_on(number, Some(now + wait));
            }
        }
    }

    /// Ends a run. Returns how many runs of the operation have ended because of another process, and how many others.
    fn end(&mut self, number: usize, worker: usize, reported: Option<Reported>) -> Option<(usize, usize)> {
        let operation = self.operations.get_mut(number)?;
        let run = operation.runs.iter_mut().find(|run| run.worker == worker && run.end.is_none())?;
        run.end = Some(End { at: clock::wall(), reported });
        operation.copies -= 1;
        self.open -= 1;
        let reported = operation.runs.iter().filter_map(|run| run.end.as_ref()?.reported.as_ref());
        let (elsewhere, others): (Vec<_>, Vec<_>) = reported.partition(|reported| reported.running_elsewhere);
        Some((elsewhere.len(), others.len()))
    }

    /// Runs a job again then, or leaves it as it is.
    fn go_on(&mut self, number: usize, again: Option<Instant>) {
        let operation = &self.operations[number];
        match again {
            Some(at) if !operation.is_over => self.run_again(number, at),
            None if operation.copies == 0 => self.finish(number),
            _ => {}
        }
    }

    fn finish(&mut self, number: usize) {
        let operation = &mut self.operations[number];
        self.over += usize::from(!operation.is_over);
        operation.is_over = true;
    }
}
