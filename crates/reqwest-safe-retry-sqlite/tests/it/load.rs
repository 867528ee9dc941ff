//! What a step costs, for the README:
//! `cargo test --release -p reqwest-safe-retry-sqlite load -- --ignored --nocapture`.
//! `TMPDIR` says on which disk.

use std::sync::Arc;

use crate::{steps::steps, support::Place};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn load() {
    for (connections, callers) in [(1, 1), (1, 64), (1, 512), (2, 2), (2, 64), (4, 64)] {
        let place = Place::new();
        let mut journals = Vec::new();
        for _ in 0..connections {
            journals.push(Arc::new(place.journal().await));
        }
        let (steps, slowest) = steps(&journals, callers).await;
        eprintln!("{connections} journals, {callers} callers: {steps} steps a second, the slowest in {slowest:?}");
    }
}
