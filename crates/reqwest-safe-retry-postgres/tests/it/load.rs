//! What a step costs, for the README:
//! `cargo test --release -p reqwest-safe-retry-postgres load -- --ignored --nocapture`.
//! `TMPDIR` says on which disk.

use std::sync::Arc;

use crate::{steps::steps, support::postgres_server::PostgresServer};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn load() {
    let Some(server) = PostgresServer::start("load").await else { return };
    for (pools, callers) in [(1, 1), (1, 16), (1, 64), (2, 64)] {
        let mut journals = Vec::new();
        for _ in 0..pools {
            journals.push(Arc::new(server.journal().await));
        }
        let (steps, slowest) = steps(&journals, callers).await;
        eprintln!("{pools} pools, {callers} callers: {steps} steps a second, the slowest in {slowest:?}");
    }
}
