//! When workers are killed: evenly over a run, and often at the moments that matter.

use std::time::{Duration, Instant};

use fastrand::Rng;

/// How long to wait for a moment to come.
const LONGEST_WAIT: Duration = Duration::from_millis(60);

/// A moment at which a worker may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Any.
    Now,
    /// The service has received a request.
    Received,
    /// The service has received a key that is not the operation's first.
    SecondKey,
    /// The verifier has asked, perhaps before a rotation.
    Asked,
}

pub(crate) struct Killer {
    rng: Rng,
    operations: usize,
    total: usize,
    done: usize,
    /// What is waited for, and until when.
    waiting: Option<(Moment, Instant)>,
    next: Option<(Instant, usize)>,
}

impl Killer {
    pub(crate) fn new(seed: u64, operations: usize, total: usize) -> Self {
        Self { rng: Rng::with_seed(seed), operations, total, done: 0, waiting: None, next: None }
    }

    pub(crate) fn done(&self) -> usize {
        self.done
    }

    pub(crate) fn has_killed(&mut self) {
        self.done += 1;
    }

    /// Whether new operations may begin once so many are over: not if there would be too few left for the other kills.
    pub(crate) fn allows_more(&self, over: usize) -> bool {
        self.done >= self.total || over < self.due_from(self.done + 4)
    }

    /// After how many operations this kill is due: all before the last tenth, so that there is something left to kill.
    fn due_from(&self, kill: usize) -> usize {
        self.operations * 9 * kill / (self.total.max(1) * 10)
    }

    /// A moment has come for a worker.
    pub(crate) fn has_come(&mut self, moment: Moment, worker: usize, now: Instant) {
        if self.next.is_some() || self.done >= self.total {
            return;
        }
        let longest = match moment {
            // They are rare: due or not, every other one is used.
            Moment::SecondKey if self.rng.bool() => 2_000,
            Moment::Received if self.is_waiting_for(moment) => 1_000,
            Moment::Asked if self.is_waiting_for(moment) => 8_000,
            _ => return,
        };
        let wait = Duration::from_micros(self.rng.u64(0..longest));
        self.next = Some((now + wait, worker));
    }

    fn is_waiting_for(&self, moment: Moment) -> bool {
        self.waiting.is_some_and(|(waiting, _)| waiting == moment)
    }

    /// The worker to be killed now.
    pub(crate) fn victim(&mut self, over: usize, workers: &[usize], now: Instant) -> Option<usize> {
        if let Some((_, worker)) = self.next.take_if(|(at, _)| *at <= now) {
            self.waiting = None;
            return Some(worker);
        }
        if self.next.is_some() || self.done >= self.total || over < self.due_from(self.done) {
            return None;
        }
        match self.waiting {
            None => {
                let moment = [Moment::Now, Moment::Received, Moment::Asked, Moment::Asked][self.rng.usize(0..4)];
                self.waiting = Some((moment, now + LONGEST_WAIT));
                None
            }
            Some((moment, until)) if moment == Moment::Now || until <= now => {
                self.waiting = None;
                self.rng.choice(workers).copied()
            }
            Some(_) => None,
        }
    }

    /// When [`victim`](Self::victim) has to be asked again.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at).or(self.waiting.map(|(_, until)| until))
    }
}
