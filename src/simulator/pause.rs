//! The one place where the simulator waits.

use std::time::Duration;

/// Waits, or goes on at once where there is nothing to wait for.
// The crate's clock belongs to the client under test; a server has a time of its own.
#[allow(clippy::disallowed_methods)]
pub(super) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
