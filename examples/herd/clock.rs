//! Simulated time and seeded dice: the one file that touches them.
//!
//! A run has a runtime of its own whose clock is paused: it stands still while anything can go on, and jumps to the
//! next timer when nothing can. A minute of simulated time costs what the code in it costs, and nothing depends on
//! how fast the machine is.
// The crate itself has its clock in one file; so has this program, and this is it.
#![allow(clippy::disallowed_methods)]

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime, time::Instant};

/// Runs `work` under a clock that starts now.
pub(crate) fn simulated<W: Future>(work: impl FnOnce(Clock) -> W) -> io::Result<W::Output> {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(async { work(Clock { start: Instant::now() }).await }))
}

/// The time since a run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn now(self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) async fn sleep_until(self, moment: Duration) {
        tokio::time::sleep_until(self.start + moment).await;
    }
}

pub(crate) async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Waits for `event`, but no longer than `limit`.
pub(crate) async fn within(limit: Duration, event: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(limit, event).await;
}

/// The dice of a run, shared by all its calls: the same seed, the same run.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Arc<Mutex<fastrand::Rng>>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// From 0 to 1.
    pub(crate) fn chance(&self) -> f64 {
        locked(&self.0).f64()
    }
}

impl reqwest_safe_retry::Clock for Dice {
    fn jitter(&self) -> f64 {
        self.chance()
    }
}

/// A run has one thread, so a lock is never waited for.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
