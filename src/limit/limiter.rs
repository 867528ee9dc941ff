//! How many attempts may be in flight, or start in a second, with a queue for the rest.
//!
//! A service that refuses one call with 429 would refuse the others too. The limiter finds out how much the service can
//! take; `control.rs` has the rules. Only the first call in the queue has a timer for its start.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    arrival::{Arrival, Next, Reading, Refusal, Ticket},
    concurrency_limit::ConcurrencyLimit,
    permit::Permit,
    state::{Shared, WeakShared},
};
use crate::time::{self, Instant};

/// A limit with its queue; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Limiter(Shared);

/// A call in the queue, which it leaves when dropped.
struct Waiter<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Limiter {
    pub(crate) fn new(limit: &ConcurrencyLimit) -> Self {
        Self(Shared::new(limit))
    }

    /// A permit, if there is one at `now`.
    pub(crate) fn try_acquire(&self, now: Instant, deadline: Option<Instant>) -> Option<Permit<'_>> {
        let granted = self.0.try_start(now, deadline)?;
        Some(Permit::new(&self.0, now, granted))
    }

    /// A permit, as soon as there is one.
    ///
    /// # Errors
    ///
    /// If the call could not end within its deadline, at once if that is known beforehand; or if the service asks for a wait
    /// that is longer than the policy allows.
    pub(crate) async fn acquire(&self, arrival: &Arrival) -> Result<Permit<'_>, Refusal> {
        let now = time::now();
        if let Some(permit) = self.try_acquire(now, arrival.deadline) {
            return Ok(permit);
        }
        let wake = Arc::new(Notify::new());
        let (ticket, joined) = self.0.lock().join(now, arrival, &wake)?;
        let waiter = Waiter { shared: &self.0, ticket };
        loop {
            let now = time::now();
            let next = self.0.lock().next(now, ticket, joined, arrival);
            match next {
                Next::Start(granted) => {
                    drop(waiter);
                    return Ok(Permit::new(&self.0, now, granted));
                }
                Next::Refuse(refusal) => return Err(refusal),
                Next::Wait(until) => {
                    // Whether it was notified or the time has come, it looks anew.
                    let _ = time::before(until, Box::pin(wake.notified())).await;
                }
            }
        }
    }

    /// The service asks for a wait, see [`State::hint`](super::state::State::hint).
    pub(crate) fn hint(&self, hint: Duration, longest: Duration) {
        self.0.lock().hint(hint, longest);
    }

    /// Shares the limit with other processes. Returns what the reports of this one are made from; `None` if it is not an
    /// adaptive limit.
    pub(super) fn join_fleet(&self, reports: &Arc<Notify>) -> Option<WeakShared> {
        self.0.lock().join_fleet(reports).then(|| self.0.downgrade())
    }

    pub(crate) fn read(&self) -> Reading {
        self.0.lock().reading()
    }

    /// The limit when its state was last looked at: it takes no lock to read.
    pub(crate) fn last_limit(&self) -> usize {
        self.0.last_limit()
    }

    /// Whether no attempt but a probe starts.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// How long four starts take, if they are paced.
    #[cfg(test)]
    pub(super) fn four_starts(&self) -> Duration {
        self.0.lock().time_for(4)
    }

    /// Nothing is in flight or waiting, and nothing is known that a new limiter would not know.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.lock().is_idle()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.shared.lock().leave(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::limit::{
        arrival::Priority::{self, Read, Write},
        feedback::Feedback,
        test_calls::{MS, acquire, arrival, closed, measured, paced},
    };

    /// Fills the limiter and joins the queue; returns the order in which permits were granted.
    async fn order(joins: &[Priority]) -> Vec<usize> {
        let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
        let first = acquire(&limiter, MS(1)).await.unwrap();
        let entered = Arc::new(Mutex::new(Vec::new()));
        let mut calls = tokio::task::JoinSet::new();
        for (number, priority) in joins.iter().copied().enumerate() {
            let (limiter, entered) = (limiter.clone(), entered.clone());
            calls.spawn(async move {
                let permit = limiter.acquire(&arrival(priority, MS(1000))).await.unwrap();
                entered.lock().unwrap().push(number);
                tokio::task::yield_now().await;
                permit.release(Feedback::Response, time::now());
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(limiter.read().waiting, joins.len());
        drop(first);
        calls.join_all().await;
        assert_eq!((limiter.read().in_flight, limiter.read().waiting), (0, 0));
        Arc::into_inner(entered).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn queue_is_fair_and_writes_go_first() {
        assert_eq!(order(&[Write, Write, Write]).await, [0, 1, 2]);
        assert_eq!(order(&[Read, Read, Read]).await, [0, 1, 2]);
        assert_eq!(order(&[Read, Write, Read, Write]).await, [1, 3, 0, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_call_keeps_its_place() {
        let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
        let early = arrival(Write, MS(10_000));
        time::sleep(MS(5)).await;
        let permit = acquire(&limiter, MS(1)).await.unwrap();
        let late = arrival(Write, MS(10_000));
        let mut second = Box::pin(limiter.acquire(&late));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        let mut first = Box::pin(limiter.acquire(&early));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        drop(permit);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert!(futures_util::poll!(first.as_mut()).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn limit_is_shown_whatever_it_is() {
        let fixed = Limiter::new(&ConcurrencyLimit::Fixed(3));
        let open = Limiter::new(&ConcurrencyLimit::Adaptive);
        for (limiter, is_closed) in [(fixed, false), (open, false), (paced().await, false), (closed(), true)] {
            let shown = (limiter.last_limit(), limiter.is_closed());
            assert_eq!(shown, (limiter.read().limit, is_closed));
            assert!(shown.0 > 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_waiter_leaves_queue() {
        let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
        let permit = acquire(&limiter, MS(1)).await.unwrap();
        assert_eq!(acquire(&limiter, MS(10)).await.unwrap_err(), Refusal::Deadline);
        assert_eq!(limiter.read().waiting, 0);
        let (patient, impatient) = (arrival(Write, MS(1000)), arrival(Write, MS(1000)));
        let mut first = Box::pin(limiter.acquire(&impatient));
        let mut second = Box::pin(limiter.acquire(&patient));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(permit);
        // It was notified, and is dropped before it looks.
        drop(first);
        assert!(futures_util::poll!(second.as_mut()).is_ready());
        drop(second);
        assert_eq!((limiter.read().in_flight, limiter.read().waiting), (0, 0));
    }

    /// After a crowd, the next one after a long time is met by a slow start again.
    #[tokio::test(start_paused = true)]
    async fn limit_that_was_idle_for_long_is_not_wide_open() {
        let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
        let crowd = (0..1000).map(|_| acquire(&limiter, MS(60_000)));
        let crowd = futures_util::future::join_all(crowd).await;
        for permit in crowd {
            permit.unwrap().release(Feedback::Response, time::now());
        }
        time::sleep(MS(3_600_000)).await;
        let at_once = (0..1000).map_while(|_| limiter.try_acquire(time::now(), None));
        assert_eq!(at_once.collect::<Vec<_>>().len(), 16);
    }

    /// Nobody is granted a place to be abandoned.
    #[tokio::test(start_paused = true)]
    async fn call_that_cannot_end_in_time_is_turned_away() {
        let limiter = measured(&ConcurrencyLimit::Fixed(1)).await;
        let permit = acquire(&limiter, MS(1000)).await.unwrap();
        let started = time::now();
        let mut waiting = Box::pin(async { acquire(&limiter, MS(500)).await.map(drop) });
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        // Behind one that takes 100 ms it would begin too late: known at once.
        assert_eq!(acquire(&limiter, MS(120)).await.unwrap_err(), Refusal::Deadline);
        assert_eq!(started.elapsed(), Duration::ZERO);
        // The other one leaves while it has the time that an attempt needs.
        assert_eq!(waiting.await.unwrap_err(), Refusal::Deadline);
        assert!(started.elapsed() >= MS(200) && started.elapsed() <= MS(400), "{:?}", started.elapsed());
        drop(permit);
    }

    /// What was slow once need not be slow for ever: somebody has to find out.
    #[tokio::test(start_paused = true)]
    async fn call_that_has_all_its_time_is_let_in_however_long_an_attempt_has_taken() {
        let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
        for (takes, feedback) in [(MS(700), Feedback::Response), (MS(20), Feedback::Throttled)] {
            let permit = acquire(&limiter, MS(2000)).await.unwrap();
            time::sleep(takes).await;
            permit.release(feedback, time::now());
        }
        for _ in 0..30 {
            time::sleep(MS(1000)).await;
            let permit = acquire(&limiter, MS(2000)).await.unwrap();
            time::sleep(MS(20)).await;
            permit.release(Feedback::Response, time::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_finds_out_when_the_service_is_back() {
        let limiter = closed();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let limiter = limiter.clone();
            waiting.spawn(async move { acquire(&limiter, MS(60_000)).await.map(Permit::into_owned) });
        }
        let probe = waiting.join_next().await.unwrap().unwrap().unwrap();
        assert!(probe.is_probe());
        time::sleep(MS(1000)).await;
        assert_eq!((limiter.read().in_flight, limiter.read().waiting), (1, 99));
        probe.release(Feedback::Response, time::now());
        let mut granted = Vec::new();
        while let Some(permit) = waiting.join_next().await {
            granted.push(permit.unwrap().unwrap());
        }
        assert!(!granted.iter().any(Permit::is_probe) && limiter.read().paused.is_none());
    }

    /// Its connection died with the service: it has no answer until its deadline.
    #[tokio::test(start_paused = true)]
    async fn probe_without_an_answer_does_not_keep_the_limit_closed() {
        let limiter = closed();
        let probe = acquire(&limiter, MS(120_000)).await.unwrap();
        let started = time::now();
        let next = acquire(&limiter, MS(120_000)).await.unwrap();
        assert!(probe.is_probe() && next.is_probe());
        assert_eq!(started.elapsed(), MS(5000));
        next.release(Feedback::Response, time::now());
        assert!(acquire(&limiter, MS(120_000)).await.is_ok() && limiter.read().paused.is_none());
        drop(probe);
        assert!(limiter.read().paused.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn hint_holds_the_probe() {
        let limiter = closed();
        limiter.hint(MS(1000), MS(60_000));
        assert!(
            limiter.read().paused.unwrap() < MS(1000),
            "one second is what a service says that has a shorter limit"
        );
        limiter.hint(MS(2000), MS(60_000));
        let started = time::now();
        assert_eq!(acquire(&limiter, MS(1999)).await.unwrap_err(), Refusal::Deadline);
        assert_eq!(started.elapsed(), Duration::ZERO, "known at once");
        assert!(acquire(&limiter, MS(5000)).await.unwrap().is_probe());
        assert_eq!(started.elapsed(), MS(2000));
    }

    /// Nobody is paused only to be refused afterwards.
    #[tokio::test(start_paused = true)]
    async fn hint_above_the_longest_is_told_to_all_that_wait() {
        let limiter = closed();
        let mut waiting = tokio::task::JoinSet::new();
        let probe = acquire(&limiter, MS(60_000)).await.unwrap();
        for _ in 0..20 {
            let limiter = limiter.clone();
            waiting.spawn(async move { acquire(&limiter, MS(60_000)).await.map(drop) });
        }
        tokio::task::yield_now().await;
        let (started, day) = (time::now(), Duration::from_secs(86_400));
        probe.release(Feedback::Throttled, time::now());
        limiter.hint(day, MS(60_000));
        for refused in waiting.join_all().await {
            assert_eq!(refused, Err(Refusal::RetryAfter(day)));
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(acquire(&limiter, MS(60_000)).await.is_ok(), "a later call finds out anew");
    }

    /// A call that would rather fail than wait does not make the others fail.
    #[tokio::test(start_paused = true)]
    async fn hint_above_the_longest_of_one_call_is_not_that_of_those_that_may_wait() {
        let limiter = closed();
        let impatient = acquire(&limiter, MS(60_000)).await.unwrap();
        let mut waiting = Box::pin(acquire(&limiter, MS(60_000)));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        impatient.release(Feedback::Throttled, time::now());
        limiter.hint(MS(5000), Duration::ZERO);
        assert!(waiting.await.unwrap().is_probe());
    }

    #[tokio::test(start_paused = true)]
    async fn crowd_is_let_in_soon_however_long_its_calls_take() {
        let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
        let started = time::now();
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..10_000 {
            let limiter = limiter.clone();
            crowd.spawn(async move { acquire(&limiter, MS(600_000)).await.unwrap().into_owned() });
        }
        let permits = crowd.join_all().await;
        assert!(started.elapsed() <= MS(1500), "{:?}", started.elapsed());
        drop(permits);
        assert!(limiter.is_idle());
    }
}
