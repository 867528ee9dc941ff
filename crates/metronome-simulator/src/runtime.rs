//! The simulator's only clock, sleep and random numbers.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

pub(crate) use fastrand::Rng;
pub(crate) use tokio::time::Instant;

/// Sleeps. Returns without yielding if the duration is zero.
pub(crate) async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// The current time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A random number generator: the same numbers for the same seed.
pub(crate) fn seeded_rng(seed: u64) -> Rng {
    Rng::with_seed(seed)
}
