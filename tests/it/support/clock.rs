//! A clock whose date and dice are chosen by the test.

use std::time::{Duration, SystemTime};

use reqwest_safe_retry::Clock;
use tokio::time::Instant;

/// Every wait at the same place between its bounds; the wall clock goes with tokio's.
#[derive(Debug)]
pub struct Pinned {
    chance: f64,
    start: SystemTime,
    started: Instant,
}

impl Pinned {
    /// 2026-01-01T00:00:00Z at the moment of the call.
    pub fn at(chance: f64) -> Self {
        Self { chance, start: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600), started: Instant::now() }
    }
}

impl Clock for Pinned {
    fn wall(&self) -> SystemTime {
        self.start + self.started.elapsed()
    }

    fn jitter(&self) -> f64 {
        self.chance
    }
}
