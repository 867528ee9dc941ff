//! Calls for the tests of limits.

use std::time::Duration;

use super::{
    arrival::{
        Arrival,
        Priority::{self, Write},
        Refusal,
    },
    concurrency_limit::ConcurrencyLimit,
    feedback::Feedback,
    limiter::Limiter,
    permit::Permit,
};
use crate::time;

pub(super) const MS: fn(u64) -> Duration = Duration::from_millis;

/// A call that begins now, with so much time.
pub(super) fn arrival(priority: Priority, timeout: Duration) -> Arrival {
    let began = time::now();
    Arrival { priority, began, deadline: began.checked_add(timeout), is_repeat: false, longest_hint: MS(60_000) }
}

pub(super) async fn acquire(limiter: &Limiter, timeout: Duration) -> Result<Permit<'_>, Refusal> {
    limiter.acquire(&arrival(Write, timeout)).await
}

/// So many attempts, one after the other, of 100 ms each.
pub(super) async fn attempts(limiter: &Limiter, number: usize, feedback: Feedback) {
    for _ in 0..number {
        let permit = acquire(limiter, MS(10_000)).await.unwrap();
        time::sleep(MS(100)).await;
        permit.release(feedback, time::now());
    }
}

/// A limiter that has learned that an attempt takes 100 ms.
pub(super) async fn measured(limit: &ConcurrencyLimit) -> Limiter {
    let limiter = Limiter::new(limit);
    attempts(&limiter, 20, Feedback::Response).await;
    limiter
}

/// A limiter that is paced, and knows how long an attempt takes.
pub(super) async fn paced() -> Limiter {
    let limiter = measured(&ConcurrencyLimit::Adaptive).await;
    attempts(&limiter, 1, Feedback::Throttled).await;
    limiter
}

/// A limiter that is closed since now.
pub(super) fn closed() -> Limiter {
    let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
    let permits: Vec<_> = (0..16).map(|_| limiter.try_acquire(time::now(), None).unwrap()).collect();
    for permit in permits {
        permit.release(Feedback::Unavailable, time::now());
    }
    assert!(limiter.read().paused.is_some());
    limiter
}
