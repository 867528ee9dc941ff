//! How many attempts may be in flight at once, with a queue for the rest.
//!
//! A service that refuses one call with 429 would refuse the others too. The limiter finds out how many attempts in flight
//! the service can take, as TCP does for packets; `aimd.rs` has the rules.

use std::time::Duration;

use super::{
    concurrency_limit::ConcurrencyLimit,
    permit::Permit,
    state::{Priority, Reading, Shared, State},
    waiter::Waiter,
};
use crate::time::{self, Instant};

/// A limit with its queue; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Limiter(Shared);

impl Limiter {
    pub(crate) fn new(limit: &ConcurrencyLimit) -> Self {
        Self(Shared::new(limit))
    }

    /// A permit within `timeout`; `None` if the wait is longer, at once if that is known beforehand.
    pub(crate) async fn acquire(&self, priority: Priority, timeout: Duration) -> Option<Permit> {
        let waiter = {
            let mut state = self.0.lock();
            if let Some(permit) = self.take(&mut state, time::now()) {
                return Some(permit);
            }
            if state.paused_until.is_some_and(|until| until.saturating_duration_since(time::now()) > timeout) {
                return None;
            }
            let ticket = (priority, state.next_ticket);
            state.next_ticket += 1;
            Waiter::join(&self.0, &mut state, ticket, time::now().checked_add(timeout))
        };
        time::within(timeout, waiter).await.flatten()
    }

    /// A permit, if there is one at `now`.
    pub(crate) fn try_acquire(&self, now: Instant) -> Option<Permit> {
        self.take(&mut self.0.lock(), now)
    }

    fn take(&self, state: &mut State, now: Instant) -> Option<Permit> {
        if !state.waiting.is_empty() || !state.has_room() {
            return None;
        }
        state.in_flight += 1;
        Some(Permit::new(&self.0, state, now))
    }

    /// After a refusal; see [`State::pause`].
    pub(crate) fn pause(&self, hint: Duration) {
        self.0.lock().pause(hint);
    }

    pub(crate) fn read(&self) -> Reading {
        self.0.lock().reading()
    }

    /// Nothing is in flight or waiting, and nothing is known that a new limiter would not know.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.0.lock();
        state.in_flight == 0 && state.waiting.is_empty() && !state.is_paused()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::limit::aimd::Feedback;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Fills the limiter and joins the queue; returns the order in which permits were granted.
    async fn order(joins: &[Priority]) -> Vec<usize> {
        let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
        let first = limiter.acquire(Priority::Write, MS(1)).await.unwrap();
        let entered = Arc::new(Mutex::new(Vec::new()));
        let mut calls = tokio::task::JoinSet::new();
        for (number, priority) in joins.iter().copied().enumerate() {
            let (limiter, entered) = (limiter.clone(), entered.clone());
            calls.spawn(async move {
                let permit = limiter.acquire(priority, MS(1000)).await.unwrap();
                entered.lock().unwrap().push(number);
                tokio::task::yield_now().await;
                permit.release(Feedback::Response, time::now());
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(limiter.read(), Reading { limit: 1, in_flight: 1, waiting: joins.len() });
        drop(first);
        calls.join_all().await;
        assert_eq!(limiter.read(), Reading { limit: 1, in_flight: 0, waiting: 0 });
        Arc::into_inner(entered).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn queue_is_fair_and_writes_go_first() {
        use Priority::{Read, Write};
        assert_eq!(order(&[Write, Write, Write]).await, [0, 1, 2]);
        assert_eq!(order(&[Read, Read, Read]).await, [0, 1, 2]);
        assert_eq!(order(&[Read, Write, Read, Write]).await, [1, 3, 0, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_waiter_leaves_queue() {
        let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
        let permit = limiter.acquire(Priority::Write, MS(1)).await.unwrap();
        assert!(limiter.acquire(Priority::Write, MS(10)).await.is_none());
        assert_eq!(limiter.read(), Reading { limit: 1, in_flight: 1, waiting: 0 });
        // A granted permit that was never polled is passed on.
        let mut waiting = Box::pin(limiter.acquire(Priority::Write, MS(1000)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(permit);
        assert_eq!(limiter.read().in_flight, 1);
        drop(waiting);
        assert_eq!(limiter.read(), Reading { limit: 1, in_flight: 0, waiting: 0 });
    }

    /// A limiter at a limit of one.
    async fn closed() -> Limiter {
        let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
        for _ in 0..10 {
            limiter.acquire(Priority::Write, MS(1)).await.unwrap().release(Feedback::Throttled, time::now());
        }
        assert_eq!(limiter.read().limit, 1);
        limiter
    }

    #[tokio::test(start_paused = true)]
    async fn hint_pauses_everyone_at_a_limit_of_one() {
        let open = Limiter::new(&ConcurrencyLimit::Adaptive);
        open.pause(MS(1000));
        assert!(open.acquire(Priority::Read, Duration::ZERO).await.is_some(), "not at a larger limit");

        let limiter = closed().await;
        limiter.pause(MS(2000));
        let started = time::now();
        assert!(limiter.acquire(Priority::Write, MS(1999)).await.is_none());
        assert_eq!(started.elapsed(), Duration::ZERO, "known at once");
        assert!(limiter.acquire(Priority::Write, MS(5000)).await.is_some());
        assert_eq!(started.elapsed(), MS(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn pause_ends_without_its_first_waiter() {
        let limiter = closed().await;
        let permit = limiter.acquire(Priority::Write, MS(1)).await.unwrap();
        let mut first = Box::pin(limiter.acquire(Priority::Write, MS(60_000)));
        let mut second = Box::pin(limiter.acquire(Priority::Read, MS(60_000)));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        limiter.pause(MS(2000));
        permit.release(Feedback::NoResponse, time::now());
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        drop(first);
        let started = time::now();
        assert!(second.await.is_some());
        assert_eq!(started.elapsed(), MS(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn first_waiter_sees_a_later_pause() {
        let limiter = closed().await;
        let permit = limiter.acquire(Priority::Write, MS(1)).await.unwrap();
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(Priority::Write, MS(60_000)).await.is_some() }
        });
        tokio::task::yield_now().await;
        let started = time::now();
        limiter.pause(MS(2000));
        permit.release(Feedback::NoResponse, time::now());
        assert!(waiting.await.unwrap());
        assert_eq!(started.elapsed(), MS(2000));
    }

    #[tokio::test(start_paused = true)]
    async fn starts_are_spread_over_a_round_trip() {
        let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
        let known = limiter.try_acquire(time::now()).unwrap();
        time::sleep(MS(2000)).await;
        known.release(Feedback::Response, time::now());
        let mut inside: Vec<_> = (0..32).map(|_| limiter.try_acquire(time::now()).unwrap()).collect();
        let started = time::now();
        let mut queue = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let limiter = limiter.clone();
            queue.spawn(async move {
                let permit = limiter.acquire(Priority::Write, MS(60_000)).await;
                (started.elapsed().as_millis(), permit)
            });
        }
        tokio::task::yield_now().await;
        for permit in inside.drain(..3) {
            permit.release(Feedback::NoResponse, time::now());
        }
        let mut started_at: Vec<_> = queue.join_all().await.into_iter().map(|(at, _)| at).collect();
        started_at.sort_unstable();
        // 1,600 ms for 32 permits.
        assert_eq!(started_at, [0, 50, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_is_busy_above_half_or_with_a_queue() {
        let grown_by_one_of = |in_flight: usize, waiting: bool| async move {
            let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
            let mut inside: Vec<_> = (0..in_flight).map(|_| limiter.try_acquire(time::now()).unwrap()).collect();
            if waiting {
                limiter.0.lock().waiting.insert((Priority::Write, 0), None);
            }
            inside.remove(0).release(Feedback::Response, time::now());
            limiter.read().limit
        };
        assert_eq!(grown_by_one_of(16, false).await, 32);
        assert_eq!(grown_by_one_of(17, false).await, 33);
        assert_eq!(grown_by_one_of(1, true).await, 33);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_means_empty_and_not_paused() {
        let limiter = closed().await;
        assert!(limiter.is_idle());
        let permit = limiter.acquire(Priority::Write, MS(1)).await.unwrap();
        assert!(!limiter.is_idle(), "one is in flight");
        drop(permit);
        assert!(limiter.is_idle());
        limiter.pause(MS(2000));
        assert!(!limiter.is_idle(), "it is paused");
        let mut waiting = Box::pin(limiter.acquire(Priority::Write, MS(60_000)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert!(!limiter.is_idle(), "one waits");
        drop(waiting);
        time::sleep(MS(2000)).await;
        assert!(limiter.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn waiter_that_cannot_outlast_a_pause_leaves_at_once() {
        let limiter = closed().await;
        let permit = limiter.acquire(Priority::Write, MS(1)).await.unwrap();
        let mut patient = Box::pin(limiter.acquire(Priority::Write, MS(60_000)));
        assert!(futures_util::poll!(patient.as_mut()).is_pending());
        // In its own task, which checks again only when it is woken.
        let hurried = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(Priority::Write, MS(20_000)).await.is_none() }
        });
        tokio::task::yield_now().await;
        assert_eq!(limiter.read().waiting, 2);
        let started = time::now();
        limiter.pause(MS(30_000));
        permit.release(Feedback::NoResponse, time::now());
        assert!(hurried.await.unwrap());
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(patient.await.is_some());
        assert_eq!(started.elapsed(), MS(30_000));
        assert_eq!(limiter.read().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn first_waiter_leaving_strands_nobody() {
        let limiter = closed().await;
        limiter.pause(MS(2000));
        let mut first = Box::pin(limiter.acquire(Priority::Write, MS(60_000)));
        let mut second = Box::pin(limiter.acquire(Priority::Read, MS(60_000)));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        tokio::time::advance(MS(2000)).await;
        let started = time::now();
        drop(first);
        assert!(second.await.is_some());
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn extreme_pauses_do_not_overflow() {
        let limiter = closed().await;
        limiter.pause(Duration::MAX);
        assert!(
            limiter.acquire(Priority::Write, MS(10)).await.is_some(),
            "a time that cannot be expressed pauses nobody"
        );
    }
}
