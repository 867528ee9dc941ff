//! The clock and the sleeps of this program.
#![allow(clippy::disallowed_methods)] // Only the library keeps its sleeps in one file.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::error::BoxError;

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Returns at once if the moment has passed.
pub(crate) async fn sleep_until(moment: Instant) {
    if moment > now() {
        tokio::time::sleep_until(moment.into()).await;
    }
}

pub(crate) async fn within<T>(longest: Duration, future: impl Future<Output = T>) -> Result<T, BoxError> {
    match tokio::time::timeout(longest, future).await {
        Ok(value) => Ok(value),
        Err(_) => Err(format!("not done after {} s", longest.as_secs()).into()),
    }
}
