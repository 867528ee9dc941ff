//! The window: how many attempts may be in flight at once, for every call of the process.
//!
//! A service that says "too many requests" to one call says it to all of them. The window finds out how many attempts
//! in flight the service bears, as TCP does for packets. The rules are in `size.rs`; [`Gate`] is the queue in front.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    size::{At, Ended, Size},
    time::{self, Instant},
};

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

/// Writes go before reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Write,
    Read,
}

/// A window with the queue in front of it; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    size: Size,
    in_flight: usize,
    waiting: BTreeMap<Ticket, Option<Waker>>,
    /// Who was let in out of the queue and has not set out yet, and when it may.
    granted: BTreeMap<Ticket, Instant>,
    next_ticket: u64,
    /// When the next out of the queue may set out: they are spread over a round trip, since a burst is refused where
    /// the same number in a row is not.
    next_start: Instant,
    /// Nobody is let in before then.
    held_until: Option<Instant>,
    began: Instant,
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
        let began = time::now();
        Self(Arc::new(Mutex::new(State {
            size: Size::new(window),
            in_flight: 0,
            waiting: BTreeMap::new(),
            granted: BTreeMap::new(),
            next_ticket: 0,
            next_start: began,
            held_until: None,
            began,
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
            if let Some(permit) = self.take(&mut state, time::now()) {
                return Some(permit);
            }
            if state.held_until.is_some_and(|until| until.saturating_duration_since(time::now()) > patience) {
                return None;
            }
            let ticket = (priority, state.next_ticket);
            state.next_ticket += 1;
            state.waiting.insert(ticket, None);
            Waiting { gate: self.clone(), ticket, until: time::now().checked_add(patience), timer: None }
        };
        time::within(patience, waiting).await.flatten()
    }

    /// A place in flight, where there is one at `now`.
    pub(crate) fn try_enter(&self, now: Instant) -> Option<Permit> {
        self.take(&mut self.state(), now)
    }

    fn take(&self, state: &mut State, now: Instant) -> Option<Permit> {
        if !state.waiting.is_empty() || !state.has_room() {
            return None;
        }
        state.in_flight += 1;
        Some(self.permit(state, now))
    }

    fn permit(&self, state: &State, now: Instant) -> Permit {
        Permit { gate: self.clone(), sent: now, sent_after: state.size.halvings(), given_back: false }
    }

    /// After a refusal at a window of one, where every call would only be told the same: nobody is let in for a while,
    /// or for as long as the service asks for.
    pub(crate) fn hold(&self, hint: Duration) {
        let mut state = self.state();
        let now = time::now();
        if let Some(wait) = state.size.hold(hint, now - state.began) {
            state.held_until = state.held_until.max(now.checked_add(wait));
            if wait > LONG_HOLD { state.wake_all() } else { state.wake_first() }
        }
    }

    pub(crate) fn read(&self) -> Reading {
        let state = self.state();
        Reading { limit: state.size.limit(), in_flight: state.in_flight, waiting: state.waiting.len() }
    }

    /// Nobody is in flight or waiting, and nothing is known that a new gate would not know.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.waiting.is_empty() && !state.is_held()
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.in_flight < self.size.limit() && !self.is_held()
    }

    fn is_held(&self) -> bool {
        self.held_until.is_some_and(|until| until > time::now())
    }

    /// Lets in as many as there is room for.
    fn pump(&mut self) {
        while self.has_room() {
            let Some((ticket, waker)) = self.waiting.pop_first() else { return };
            self.in_flight += 1;
            let start = self.next_start.max(time::now());
            self.next_start = start + self.size.spacing();
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

    /// The first in the queue has the timer for the end of a hold: it must look again when that, or who is first, has
    /// changed.
    fn wake_first(&mut self) {
        if let Some(waker) = self.waiting.first_entry().and_then(|mut first| first.get_mut().take()) {
            waker.wake();
        }
    }
}

/// A hold that some in the queue may not outlast: they look at once whether they can.
const LONG_HOLD: Duration = Duration::from_secs(5);

/// A place in flight; given back when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    gate: Gate,
    sent: Instant,
    sent_after: u64,
    given_back: bool,
}

impl Permit {
    /// Gives the place back and tells the window how the attempt ended.
    pub(crate) fn give_back(mut self, ended: Ended, now: Instant) {
        self.given_back = true;
        self.tell(ended, now);
    }

    fn tell(&self, ended: Ended, now: Instant) {
        let mut state = self.gate.state();
        let busy = !state.waiting.is_empty() || 2 * state.in_flight > state.size.limit();
        let at = At { sent_after: self.sent_after, round_trip: now - self.sent, now: now - state.began, busy };
        state.size.learn(ended, at);
        state.in_flight -= 1;
        state.pump();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.given_back {
            self.tell(Ended::Unanswered, time::now());
        }
    }
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A place in the queue, given up when dropped.
struct Waiting {
    gate: Gate,
    ticket: Ticket,
    /// Its own deadline, where there is one.
    until: Option<Instant>,
    /// For the end of a hold, which only the first in the queue waits for, or for its own start.
    timer: Option<(Instant, Timer)>,
}

impl Future for Waiting {
    /// `None` where a hold lasts longer than it can wait.
    type Output = Option<Permit>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Permit>> {
        let this = &mut *self;
        loop {
            let until = {
                let mut state = this.gate.state();
                state.pump();
                match state.granted.get(&this.ticket) {
                    Some(start) if *start <= time::now() => {
                        state.granted.remove(&this.ticket);
                        return Poll::Ready(Some(this.gate.permit(&state, time::now())));
                    }
                    Some(start) => Some(*start),
                    None if this.until.is_some() && state.held_until > this.until => return Poll::Ready(None),
                    None => {
                        state.waiting.insert(this.ticket, Some(context.waker().clone()));
                        let first = state.waiting.keys().next() == Some(&this.ticket);
                        state.held_until.filter(|until| first && *until > time::now())
                    }
                }
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
            } else {
                // The hold may just have ended, with its only timer.
                state.pump();
            }
        } else if state.granted.remove(&self.ticket).is_some() {
            state.in_flight -= 1;
            state.pump();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

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
                permit.give_back(Ended::Answered, time::now());
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
            gate.enter(Priority::Write, MS(1)).await.unwrap().give_back(Ended::Throttled, time::now());
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
        gate.hold(MS(2000));
        let started = time::now();
        assert!(gate.enter(Priority::Write, MS(1999)).await.is_none());
        assert_eq!(started.elapsed(), Duration::ZERO, "known at once");
        assert!(gate.enter(Priority::Write, MS(5000)).await.is_some());
        assert_eq!(started.elapsed(), MS(2000));
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
        permit.give_back(Ended::Unanswered, time::now());
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        drop(first);
        let started = time::now();
        assert!(second.await.is_some());
        assert_eq!(started.elapsed(), MS(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_in_the_queue_is_told_of_a_hold_that_comes_later() {
        let gate = closed().await;
        let permit = gate.enter(Priority::Write, MS(1)).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(Priority::Write, MS(60_000)).await.is_some() }
        });
        tokio::task::yield_now().await;
        let started = time::now();
        gate.hold(MS(2000));
        permit.give_back(Ended::Unanswered, time::now());
        assert!(waiting.await.unwrap());
        assert_eq!(started.elapsed(), MS(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_let_in_out_of_the_queue_sets_out_spread_over_a_round_trip() {
        let gate = Gate::new(Window::Adaptive);
        let known = gate.try_enter(time::now()).unwrap();
        time::sleep(MS(2000)).await;
        known.give_back(Ended::Answered, time::now());
        let mut inside: Vec<_> = (0..32).map(|_| gate.try_enter(time::now()).unwrap()).collect();
        let started = time::now();
        let mut queue = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let gate = gate.clone();
            queue.spawn(async move {
                let permit = gate.enter(Priority::Write, MS(60_000)).await;
                (started.elapsed().as_millis(), permit)
            });
        }
        tokio::task::yield_now().await;
        for permit in inside.drain(..3) {
            permit.give_back(Ended::Unanswered, time::now());
        }
        let mut set_out: Vec<_> = queue.join_all().await.into_iter().map(|(at, _)| at).collect();
        set_out.sort_unstable();
        // 1,600 ms for 32 places.
        assert_eq!(set_out, [0, 50, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_counts_as_used_when_more_than_half_of_it_is_or_somebody_waits() {
        let grown_by_one_of = |in_flight: usize, waiting: bool| async move {
            let gate = Gate::new(Window::Adaptive);
            let mut inside: Vec<_> = (0..in_flight).map(|_| gate.try_enter(time::now()).unwrap()).collect();
            if waiting {
                gate.state().waiting.insert((Priority::Write, 0), None);
            }
            inside.remove(0).give_back(Ended::Answered, time::now());
            gate.read().limit
        };
        assert_eq!(grown_by_one_of(16, false).await, 32);
        assert_eq!(grown_by_one_of(17, false).await, 33);
        assert_eq!(grown_by_one_of(1, true).await, 33);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_is_idle_when_nobody_is_there_and_nothing_holds() {
        let gate = closed().await;
        assert!(gate.is_idle());
        let permit = gate.enter(Priority::Write, MS(1)).await.unwrap();
        assert!(!gate.is_idle(), "somebody is in flight");
        drop(permit);
        assert!(gate.is_idle());
        gate.hold(MS(2000));
        assert!(!gate.is_idle(), "it is held");
        let mut waiting = Box::pin(gate.enter(Priority::Write, MS(60_000)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert!(!gate.is_idle(), "somebody waits");
        drop(waiting);
        time::sleep(MS(2000)).await;
        assert!(gate.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_outlast_a_hold_leaves_the_queue_at_once() {
        let gate = closed().await;
        let permit = gate.enter(Priority::Write, MS(1)).await.unwrap();
        let mut patient = Box::pin(gate.enter(Priority::Write, MS(60_000)));
        assert!(futures_util::poll!(patient.as_mut()).is_pending());
        // In a task of its own, which looks again only when it is woken.
        let hurried = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(Priority::Write, MS(20_000)).await.is_none() }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.read().waiting, 2);
        let started = time::now();
        gate.hold(MS(30_000));
        permit.give_back(Ended::Unanswered, time::now());
        assert!(hurried.await.unwrap());
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(patient.await.is_some());
        assert_eq!(started.elapsed(), MS(30_000));
        assert_eq!(gate.read().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_waiter_that_leaves_as_a_hold_ends_takes_nobody_with_it() {
        let gate = closed().await;
        gate.hold(MS(2000));
        let mut first = Box::pin(gate.enter(Priority::Write, MS(60_000)));
        let mut second = Box::pin(gate.enter(Priority::Read, MS(60_000)));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        tokio::time::advance(MS(2000)).await;
        let started = time::now();
        drop(first);
        assert!(second.await.is_some());
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_holds_do_not_overflow() {
        let gate = closed().await;
        gate.hold(Duration::MAX);
        assert!(gate.enter(Priority::Write, MS(10)).await.is_some(), "a time that cannot be told holds nobody");
    }
}
