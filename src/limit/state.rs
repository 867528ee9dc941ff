//! The state that a limiter, its permits and its waiting calls share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    concurrency_limit::ConcurrencyLimit,
    control::{Change, Control, Feedback, Start},
};
use crate::time::{self, Instant};

/// Clones are the same state.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    control: Control,
    queue: BTreeMap<Ticket, Arc<Notify>>,
    next_number: u64,
    began: Instant,
    /// When a call was last turned away for its deadline.
    turned_away: Option<Duration>,
    /// How often the queue was sent away because of a hint, and the last hint.
    sent_away: (u64, Duration),
}

/// Writes go before reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Write,
    Read,
}

/// A position in the queue: writes before reads, then by when the call began.
pub(super) type Ticket = (Priority, Duration, u64);

/// A call that asks for a permit.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) priority: Priority,
    /// When the call began: a call that was refused keeps its place.
    pub(crate) began: Instant,
    /// None if it is too far away to be expressed.
    pub(crate) deadline: Option<Instant>,
    pub(crate) is_repeat: bool,
}

/// What can be seen of a limiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) waiting: usize,
    /// How long no attempt starts, if the limit is closed.
    pub(crate) paused: Option<Duration>,
}

/// Why a call gets no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It could not end in time.
    Deadline,
    /// The service asks for a longer wait than the policy of another call allows.
    RetryAfter(Duration),
}

/// What kind of permit is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// The limit is closed: the attempt finds out if the service is back.
    pub(super) probe: bool,
    /// Another call may have to wait until it is released.
    pub(super) scarce: bool,
}

/// What a waiting call does next.
pub(super) enum Next {
    Start(Granted),
    Refuse(Refusal),
    /// It asks again then, or when it is notified.
    Wait(Option<Instant>),
}

/// So long after a call was turned away, the limit may be too low.
const TURNED_AWAY: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) fn new(limit: &ConcurrencyLimit) -> Self {
        Self(Arc::new(Mutex::new(State {
            control: Control::new(limit),
            queue: BTreeMap::new(),
            next_number: 0,
            began: time::now(),
            turned_away: None,
            sent_away: (0, Duration::ZERO),
        })))
    }

    /// Never held across an await. A panic elsewhere leaves numbers that are still numbers.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn since_began(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// Starts an attempt at once, if nobody waits and the limit is open, or the call's deadline leaves the time.
    pub(super) fn try_start(&mut self, now: Instant, deadline: Option<Instant>) -> Option<Granted> {
        let is_limited = self.control.is_limited();
        if !self.queue.is_empty() || (is_limited && !self.is_in_time(now, deadline)) {
            return None;
        }
        let elapsed = self.since_began(now);
        let turned_away = is_limited && self.has_turned_away(elapsed);
        match self.control.start(elapsed, 0, turned_away) {
            Start::Now => Some(self.granted(false)),
            Start::Probe => Some(self.granted(true)),
            Start::At(_) | Start::WhenReleased => {
                self.control.queue_is_empty(elapsed);
                None
            }
        }
    }

    fn granted(&self, probe: bool) -> Granted {
        Granted { probe, scarce: self.control.is_scarce() }
    }

    fn is_in_time(&self, now: Instant, deadline: Option<Instant>) -> bool {
        deadline.is_none_or(|deadline| now + self.control.needed() <= deadline)
    }

    fn has_turned_away(&self, now: Duration) -> bool {
        self.turned_away.is_some_and(|at| now.saturating_sub(at) < TURNED_AWAY)
    }

    /// Joins the queue, unless the wait is known to be too long.
    pub(super) fn join(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        wake: &Arc<Notify>,
    ) -> Result<(Ticket, u64), Refusal> {
        let began = self.since_began(arrival.began);
        let ticket = (arrival.priority, began, self.next_number);
        let is_last = self.queue.keys().next_back().is_none_or(|last| *last < ticket);
        let ahead = if is_last { self.queue.len() } else { self.queue.range(..ticket).count() };
        let wait = self.control.expected_wait(ahead);
        let too_late = arrival
            .deadline
            .is_some_and(|deadline| now.checked_add(wait + self.control.needed()).is_none_or(|ends| ends > deadline));
        if too_late && !arrival.is_repeat && !self.control.is_closed() {
            self.turned_away = Some(self.since_began(now));
            return Err(Refusal::Deadline);
        }
        self.next_number += 1;
        self.queue.insert(ticket, Arc::clone(wake));
        Ok((ticket, self.sent_away.0))
    }

    pub(super) fn next(&mut self, now: Instant, ticket: Ticket, joined: u64, deadline: Option<Instant>) -> Next {
        let (times, hint) = self.sent_away;
        if times > joined {
            return Next::Refuse(Refusal::RetryAfter(hint));
        }
        let elapsed = self.since_began(now);
        let last_start = deadline.map(|deadline| deadline.checked_sub(self.control.needed()).unwrap_or(now));
        let opens = self.control.closed_until().and_then(|until| self.began.checked_add(until));
        if last_start.is_some_and(|last| last <= now || opens.is_some_and(|opens| last < opens)) {
            self.turned_away = Some(elapsed);
            return Next::Refuse(Refusal::Deadline);
        }
        if self.queue.keys().next() != Some(&ticket) {
            return Next::Wait(last_start);
        }
        match self.control.start(elapsed, self.queue.len(), self.has_turned_away(elapsed)) {
            Start::Now => Next::Start(self.granted(false)),
            Start::Probe => Next::Start(self.granted(true)),
            Start::WhenReleased => Next::Wait(last_start),
            Start::At(at) => {
                let at = self.began.checked_add(at);
                Next::Wait(last_start.into_iter().chain(at).min())
            }
        }
    }

    /// Leaves the queue; who is first then looks anew.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let was_first = self.queue.keys().next() == Some(&ticket);
        self.queue.remove(&ticket);
        if self.queue.is_empty() {
            let now = self.since_began(time::now());
            self.control.queue_is_empty(now);
        } else if was_first {
            self.notify_first();
        }
    }

    /// An attempt has ended.
    pub(super) fn end(&mut self, now: Instant, sent: Instant, probe: bool, feedback: Feedback) -> Option<Change> {
        let (now, sent) = (self.since_began(now), self.since_began(sent));
        let change = self.control.end(now, sent, probe, feedback);
        self.notify_first();
        change
    }

    /// The service asks for a wait. One that is longer than a call may wait is told to all that wait.
    pub(super) fn hint(&mut self, hint: Duration, longest: Duration) {
        let now = self.since_began(time::now());
        let is_told = if hint > longest {
            self.sent_away = (self.sent_away.0 + 1, hint);
            true
        } else {
            self.control.hint(now, hint)
        };
        // Some may not have the time: they leave at once.
        if is_told {
            self.queue.values().for_each(|waiting| waiting.notify_one());
        }
    }

    fn notify_first(&self) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(first) = self.queue.values().next() {
            first.notify_one();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.control.is_idle() && self.queue.is_empty()
    }

    pub(super) fn reading(&self) -> Reading {
        let now = self.since_began(time::now());
        Reading {
            limit: self.control.limit(now),
            in_flight: self.control.in_flight(),
            waiting: self.queue.len(),
            paused: self.control.closed_until().map(|until| until.saturating_sub(now)),
        }
    }
}
