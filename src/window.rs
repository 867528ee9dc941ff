//! The window: how many attempts may be in flight to a service at once, for every call of the process.
//!
//! A service that says "too many requests" to one call says it to all of them. The window finds out how many attempts
//! in flight the service bears, as TCP does for packets: it doubles each round trip while nothing is refused, halves at
//! most once a round trip when something is, and then grows by one a round trip. [`Size`] is those rules, without a
//! clock; [`Gate`] is the queue in front of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::time::{self, Instant};

/// How many attempts may be in flight to a service at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// As many as the service bears, found out by what it refuses. Starts at 32, which a caller with fewer calls at once
    /// never notices. While it is on, a repeat after a 429 costs nothing of the budget.
    #[default]
    Adaptive,
    /// This many, whatever happens.
    Fixed(u32),
    /// Any number.
    Off,
}

/// How an attempt ended, as far as the window is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was answered, and not refused.
    Answered,
    /// 429 or 503.
    Refused,
    /// There was no answer: that says nothing about the service's limit.
    Unanswered,
}

/// Writes go before reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Write,
    Read,
}

/// The rules by which the window grows and shrinks: numbers only.
#[derive(Clone, Debug, PartialEq)]
struct Size {
    limit: usize,
    /// Below it the window doubles each round trip, above it grows by one.
    threshold: usize,
    /// Answers since it grew last: as many as the window has places make a round trip.
    answers: usize,
    /// How often it was halved. An attempt that was sent before the last time does not halve it again: its refusal
    /// belongs to the same round trip.
    halvings: u64,
    /// Nothing was answered since the last refusal.
    refusing: bool,
    adaptive: bool,
}

const START: usize = 32;
/// Far above what one process can have in flight.
const MOST: usize = 1_000_000;

impl Size {
    fn new(window: Window) -> Self {
        let limit = match window {
            Window::Adaptive => START,
            Window::Fixed(limit) => limit as usize,
            Window::Off => MOST,
        };
        let adaptive = window == Window::Adaptive;
        Self { limit, threshold: MOST, answers: 0, halvings: 0, refusing: false, adaptive }
    }

    /// `sent_after` is the number of halvings when the attempt was sent; `busy` whether the window was in use.
    fn learn(&mut self, ended: Ended, sent_after: u64, busy: bool) {
        match ended {
            _ if !self.adaptive => {}
            Ended::Unanswered => {}
            Ended::Answered => {
                self.refusing = false;
                self.answers += usize::from(busy);
                let round_trip = if self.limit < self.threshold { 1 } else { self.limit };
                if self.answers >= round_trip {
                    self.answers = 0;
                    self.limit = (self.limit + 1).min(MOST);
                }
            }
            Ended::Refused if sent_after == self.halvings => {
                if !self.refusing {
                    // The last good size: where it doubles up to when the service is back.
                    self.threshold = (self.limit / 2).max(1);
                }
                self.refusing = true;
                self.limit = (self.limit / 2).max(1);
                self.answers = 0;
                self.halvings += 1;
            }
            Ended::Refused => {}
        }
    }
}

/// A window with the queue in front of it; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    size: Size,
    in_flight: usize,
    waiting: BTreeMap<Ticket, Option<Waker>>,
    granted: BTreeSet<Ticket>,
    next_ticket: u64,
    /// Nobody is let in before then.
    held_until: Option<Instant>,
}

/// A place in the queue: writes before reads, then first come, first served.
type Ticket = (Priority, u64);

/// What a gate lets be seen of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) waiting: usize,
}

impl Gate {
    pub(crate) fn new(window: Window) -> Self {
        Self(Arc::new(Mutex::new(State {
            size: Size::new(window),
            in_flight: 0,
            waiting: BTreeMap::new(),
            granted: BTreeSet::new(),
            next_ticket: 0,
            held_until: None,
        })))
    }

    /// Never held across an await. A panic elsewhere leaves numbers that are still numbers.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in flight, within `patience`; `None` where the wait is longer, at once where that is known beforehand.
    pub(crate) async fn enter(&self, priority: Priority, patience: Duration) -> Option<Permit> {
        let waiting = {
            let mut state = self.state();
            if let Some(permit) = self.try_enter(&mut state) {
                return Some(permit);
            }
            if state.held_until.is_some_and(|until| until.saturating_duration_since(time::now()) > patience) {
                return None;
            }
            let ticket = (priority, state.next_ticket);
            state.next_ticket += 1;
            state.waiting.insert(ticket, None);
            Waiting { gate: self.clone(), ticket, timer: None }
        };
        time::within(patience, waiting).await
    }

    fn try_enter(&self, state: &mut State) -> Option<Permit> {
        if !state.waiting.is_empty() || !state.has_room() {
            return None;
        }
        state.in_flight += 1;
        Some(Permit { gate: self.clone(), sent_after: state.size.halvings, ended: Ended::Unanswered })
    }

    /// At a window of one, where every call would only be told the same, nobody is let in before `wait` is over.
    pub(crate) fn hold(&self, wait: Duration) {
        let mut state = self.state();
        if state.size.adaptive && state.size.limit == 1 {
            let until = time::now().checked_add(wait);
            state.held_until = state.held_until.max(until);
            state.wake_first();
        }
    }

    pub(crate) fn read(&self) -> Reading {
        let state = self.state();
        Reading { limit: state.size.limit, in_flight: state.in_flight, waiting: state.waiting.len() }
    }

    /// Nobody is in flight or waiting, and nothing is known that a new gate would not know.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.waiting.is_empty() && !state.is_held()
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.in_flight < self.size.limit && !self.is_held()
    }

    fn is_held(&self) -> bool {
        self.held_until.is_some_and(|until| until > time::now())
    }

    /// Lets in as many as there is room for.
    fn pump(&mut self) {
        while self.has_room() {
            let Some((ticket, waker)) = self.waiting.pop_first() else { return };
            self.in_flight += 1;
            self.granted.insert(ticket);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// The first in the queue has the timer for the end of a hold: it must look again when that, or who is first, has
    /// changed.
    fn wake_first(&mut self) {
        if let Some(waker) = self.waiting.first_entry().and_then(|mut first| first.get_mut().take()) {
            waker.wake();
        }
    }
}

/// A place in flight; given back when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    gate: Gate,
    sent_after: u64,
    ended: Ended,
}

impl Permit {
    /// Gives the place back and tells the window how the attempt ended.
    pub(crate) fn give_back(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        let busy = !state.waiting.is_empty() || 2 * state.in_flight > state.size.limit;
        state.size.learn(self.ended, self.sent_after, busy);
        state.in_flight -= 1;
        state.pump();
    }
}

/// A place in the queue, given up when dropped.
struct Waiting {
    gate: Gate,
    ticket: Ticket,
    /// For the end of a hold; only the first in the queue has one.
    timer: Option<(Instant, Pin<Box<dyn Future<Output = ()> + Send>>)>,
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let this = &mut *self;
        loop {
            let until = {
                let mut state = this.gate.state();
                state.pump();
                if state.granted.remove(&this.ticket) {
                    let sent_after = state.size.halvings;
                    return Poll::Ready(Permit { gate: this.gate.clone(), sent_after, ended: Ended::Unanswered });
                }
                state.waiting.insert(this.ticket, Some(context.waker().clone()));
                let first = state.waiting.keys().next() == Some(&this.ticket);
                state.held_until.filter(|until| first && *until > time::now())
            };
            let Some(until) = until else { return Poll::Pending };
            if this.timer.as_ref().is_none_or(|(set_for, _)| *set_for != until) {
                this.timer = Some((until, Box::pin(time::sleep_until(until))));
            }
            if let Some((_, timer)) = &mut this.timer {
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.timer = None;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if state.waiting.remove(&self.ticket).is_some() {
            if state.is_held() {
                state.wake_first();
            }
        } else if state.granted.remove(&self.ticket) {
            state.in_flight -= 1;
            state.pump();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// One round trip: as many attempts as the window has places, which all end like this.
    fn round(size: &mut Size, ended: Ended) -> usize {
        let (attempts, sent_after) = (size.limit, size.halvings);
        for _ in 0..attempts {
            size.learn(ended, sent_after, true);
        }
        size.limit
    }

    fn rounds(size: &mut Size, ended: Ended, count: usize) -> Vec<usize> {
        (0..count).map(|_| round(size, ended)).collect()
    }

    #[test]
    fn it_doubles_while_nothing_is_refused_and_halves_once_a_round_trip() {
        let mut size = Size::new(Window::Adaptive);
        assert_eq!(size.limit, 32);
        assert_eq!(rounds(&mut size, Ended::Answered, 3), [64, 128, 256]);
        assert_eq!(rounds(&mut size, Ended::Refused, 3), [128, 64, 32]);
        // Up to half its last good size it doubles again, then it grows by one.
        assert_eq!(rounds(&mut size, Ended::Answered, 2), [64, 128]);
        assert_eq!(rounds(&mut size, Ended::Answered, 1), [129]);
    }

    #[test]
    fn after_an_outage_it_doubles_up_to_half_its_last_good_size() {
        let mut size = Size::new(Window::Adaptive);
        rounds(&mut size, Ended::Answered, 2);
        assert_eq!(rounds(&mut size, Ended::Refused, 9).last(), Some(&1));
        assert_eq!(rounds(&mut size, Ended::Answered, 8), [2, 4, 8, 16, 32, 64, 65, 66]);
    }

    #[test]
    fn it_grows_only_while_it_is_in_use() {
        let mut size = Size::new(Window::Adaptive);
        size.learn(Ended::Answered, 0, false);
        size.learn(Ended::Unanswered, 0, true);
        assert_eq!(size, Size::new(Window::Adaptive));
    }

    #[test]
    fn a_fixed_window_stays_as_it_is() {
        let mut size = Size::new(Window::Fixed(3));
        assert_eq!(rounds(&mut size, Ended::Refused, 2), [3, 3]);
        assert_eq!(rounds(&mut size, Ended::Answered, 2), [3, 3]);
    }

    #[test]
    fn it_has_bounds() {
        let mut size = Size { limit: MOST, ..Size::new(Window::Adaptive) };
        size.learn(Ended::Answered, 0, true);
        assert_eq!(size.limit, MOST);
        for halvings in 0..200 {
            size.learn(Ended::Refused, halvings, true);
        }
        assert_eq!(size.limit, 1);
    }

    /// Fills the gate and joins the queue as told; the answer is the order in which the queue was let in.
    async fn order(joins: &[Priority]) -> Vec<usize> {
        let gate = Gate::new(Window::Fixed(1));
        let first = gate.enter(Priority::Write, MS(1)).await.unwrap();
        let entered = Arc::new(Mutex::new(Vec::new()));
        let mut calls = tokio::task::JoinSet::new();
        for (number, priority) in joins.iter().copied().enumerate() {
            let (gate, entered) = (gate.clone(), entered.clone());
            calls.spawn(async move {
                let permit = gate.enter(priority, MS(1000)).await.unwrap();
                entered.lock().unwrap().push(number);
                tokio::task::yield_now().await;
                permit.give_back(Ended::Answered);
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.read(), Reading { limit: 1, in_flight: 1, waiting: joins.len() });
        drop(first);
        calls.join_all().await;
        assert_eq!(gate.read(), Reading { limit: 1, in_flight: 0, waiting: 0 });
        Arc::into_inner(entered).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served_and_reads_yield_to_writes() {
        use Priority::{Read, Write};
        assert_eq!(order(&[Write, Write, Write]).await, [0, 1, 2]);
        assert_eq!(order(&[Read, Read, Read]).await, [0, 1, 2]);
        assert_eq!(order(&[Read, Write, Read, Write]).await, [1, 3, 0, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_queue() {
        let gate = Gate::new(Window::Fixed(1));
        let permit = gate.enter(Priority::Write, MS(1)).await.unwrap();
        assert!(gate.enter(Priority::Write, MS(10)).await.is_none());
        assert_eq!(gate.read(), Reading { limit: 1, in_flight: 1, waiting: 0 });
        // Who was let in but never learned of it gives the place on.
        let mut waiting = Box::pin(gate.enter(Priority::Write, MS(1000)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(permit);
        assert_eq!(gate.read().in_flight, 1);
        drop(waiting);
        assert_eq!(gate.read(), Reading { limit: 1, in_flight: 0, waiting: 0 });
    }

    /// A gate at a window of one.
    async fn closed() -> Gate {
        let gate = Gate::new(Window::Adaptive);
        for _ in 0..10 {
            gate.enter(Priority::Write, MS(1)).await.unwrap().give_back(Ended::Refused);
        }
        assert_eq!(gate.read().limit, 1);
        gate
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_window_of_one_a_hint_holds_for_all() {
        let open = Gate::new(Window::Adaptive);
        open.hold(MS(1000));
        assert!(open.enter(Priority::Read, Duration::ZERO).await.is_some(), "not at a larger window");

        let gate = closed().await;
        gate.hold(MS(1000));
        let started = time::now();
        assert!(gate.enter(Priority::Write, MS(999)).await.is_none());
        assert_eq!(started.elapsed(), Duration::ZERO, "known at once");
        assert!(gate.enter(Priority::Write, MS(5000)).await.is_some());
        assert_eq!(started.elapsed(), MS(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_that_comes_later_or_loses_its_first_waiter_still_ends() {
        let gate = closed().await;
        let permit = gate.enter(Priority::Write, MS(1)).await.unwrap();
        let mut first = Box::pin(gate.enter(Priority::Write, MS(60_000)));
        let mut second = Box::pin(gate.enter(Priority::Read, MS(60_000)));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        gate.hold(MS(2000));
        permit.give_back(Ended::Refused);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        drop(first);
        let started = time::now();
        assert!(second.await.is_some());
        assert_eq!(started.elapsed(), MS(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_holds_do_not_overflow() {
        let gate = closed().await;
        gate.hold(Duration::MAX);
        assert!(gate.enter(Priority::Write, MS(10)).await.is_some(), "a time that cannot be told holds nobody");
    }
}
