//! The clock and the sleeps of this program.
#![allow(clippy::disallowed_methods)] // Only the library keeps its sleeps in one file.

use std::time::{Duration, Instant, SystemTime};

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The clock of the ledger's times.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

pub(crate) async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}
