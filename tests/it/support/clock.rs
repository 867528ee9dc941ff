//! A clock whose date and jitter are set by the test.

use std::time::{Duration, SystemTime};

use reqwest_safe_retry::Clock;
use tokio::time::Instant;

/// Uses one jitter sample for every wait; the wall clock follows tokio's.
#[derive(Clone, Debug)]
pub struct FixedClock {
    jitter_sample: f64,
    start: SystemTime,
    started: Instant,
}

impl FixedClock {
    /// Starts at 2026-01-01T00:00:00Z.
    pub fn at(jitter_sample: f64) -> Self {
        Self {
            jitter_sample,
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
            started: Instant::now(),
        }
    }
}

impl Clock for FixedClock {
    fn wall(&self) -> SystemTime {
        self.start + self.started.elapsed()
    }

    fn jitter(&self) -> f64 {
        self.jitter_sample
    }
}
