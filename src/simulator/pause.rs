//! The one place where the simulator waits and looks at a clock.

use std::time::Duration;

pub(super) use tokio::time::Instant;

/// Waits, or goes on at once where there is nothing to wait for.
// The crate's clock belongs to the client under test; a server has a time of its own.
#[allow(clippy::disallowed_methods)]
pub(super) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// The server's time.
#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> Instant {
    Instant::now()
}
