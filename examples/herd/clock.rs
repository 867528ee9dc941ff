//! The simulated clock and the seeded random numbers.
//!
//! Each run has its own runtime with a paused clock. The clock stands still while a task can run, and jumps to the next
//! timer when none can: nothing depends on the speed of the machine.
// The only file of this example with a clock and random numbers.
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

/// Waits for `event`, but no longer than `limit`; `None` if that was not long enough.
pub(crate) async fn within<T>(limit: Duration, event: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, event).await.ok()
}

/// The random numbers of a process, shared by all its calls. The same seed gives the same run.
#[derive(Clone, Debug)]
pub(crate) struct SeededRng(Arc<Mutex<fastrand::Rng>>);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// Other numbers for each process of a run.
    pub(crate) fn of_process(seed: u64, process: u64) -> Self {
        Self::new(seed ^ process.rotate_right(16))
    }

    /// A number from 0.0 to 1.0.
    pub(crate) fn sample(&self) -> f64 {
        locked(&self.0).f64()
    }
}

impl reqwest_safe_retry::Clock for SeededRng {
    fn jitter(&self) -> f64 {
        self.sample()
    }
}

/// Locks. A run has one thread, so the lock is always free.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
