//! The state that a limiter, its permits and its waiting calls share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use super::{aimd::Aimd, concurrency_limit::ConcurrencyLimit};
use crate::time::{self, Instant};

/// Clones are the same state.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    pub(super) aimd: Aimd,
    pub(super) in_flight: usize,
    pub(super) waiting: BTreeMap<Ticket, Option<Waker>>,
    /// Granted permits whose paced start is pending, and when they may start.
    pub(super) granted: BTreeMap<Ticket, Instant>,
    pub(super) next_ticket: u64,
    /// When the next call out of the queue may start: starts are spread over a round trip, since a burst is refused where
    /// the same number in a row is not.
    pub(super) next_start: Instant,
    /// No permit is granted before then.
    pub(super) paused_until: Option<Instant>,
    pub(super) began: Instant,
}

/// Writes go before reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Write,
    Read,
}

/// A position in the queue: writes before reads, then first come, first served.
pub(super) type Ticket = (Priority, u64);

/// What can be seen of a limiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) waiting: usize,
}

/// A pause that some calls in the queue may not outlast: they check at once whether they can.
const LONG_PAUSE: Duration = Duration::from_secs(5);

impl Shared {
    pub(super) fn new(limit: &ConcurrencyLimit) -> Self {
        let began = time::now();
        Self(Arc::new(Mutex::new(State {
            aimd: Aimd::new(limit),
            in_flight: 0,
            waiting: BTreeMap::new(),
            granted: BTreeMap::new(),
            next_ticket: 0,
            next_start: began,
            paused_until: None,
            began,
        })))
    }

    /// Never held across an await. A panic elsewhere leaves numbers that are still numbers.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.aimd.limit() && !self.is_paused()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| until > time::now())
    }

    /// After a refusal at a limit of one, where every call would only be refused again: no permit is granted for a while,
    /// or for as long as the service asks for.
    pub(super) fn pause(&mut self, hint: Duration) {
        let now = time::now();
        if let Some(wait) = self.aimd.pause(hint, now - self.began) {
            self.paused_until = self.paused_until.max(now.checked_add(wait));
            if wait > LONG_PAUSE { self.wake_all() } else { self.wake_first() }
        }
    }

    /// Grants as many permits as there is room for.
    pub(super) fn grant(&mut self) {
        while self.has_room() {
            let Some((ticket, waker)) = self.waiting.pop_first() else { return };
            self.in_flight += 1;
            let start = self.next_start.max(time::now());
            self.next_start = start + self.aimd.spacing();
            self.granted.insert(ticket, start);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn wake_all(&mut self) {
        for waker in self.waiting.values_mut().filter_map(Option::take) {
            waker.wake();
        }
    }

    /// The first in the queue has the timer for the end of a pause: it must check again when that, or who is first, has
    /// changed.
    pub(super) fn wake_first(&mut self) {
        if let Some(waker) = self.waiting.first_entry().and_then(|mut first| first.get_mut().take()) {
            waker.wake();
        }
    }

    pub(super) fn reading(&self) -> Reading {
        Reading { limit: self.aimd.limit(), in_flight: self.in_flight, waiting: self.waiting.len() }
    }
}
