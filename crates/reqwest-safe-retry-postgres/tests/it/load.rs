//! What a step costs, for the README:
//! `cargo test --release -p reqwest-safe-retry-postgres load -- --ignored --nocapture`.
//! `TMPDIR` says on which disk.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest_safe_retry_postgres::PostgresJournal;
use tokio::task::JoinSet;

use crate::support::{begin, postgres_server::PostgresServer};

const LASTS: Duration = Duration::from_secs(5);

/// Steps of so many callers that each wait for one before the next, in a second, and how long the slowest took.
async fn steps(journals: &[Arc<PostgresJournal>], pools: usize, callers: usize) -> (usize, Duration) {
    let mut running = JoinSet::new();
    let started = Instant::now();
    for caller in 0..callers {
        let journal = journals[caller % journals.len()].clone();
        running.spawn(async move {
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while started.elapsed() < LASTS {
                let began = Instant::now();
                begin(&*journal, &format!("{pools}-{callers}-{caller}-{count}")).await.unwrap();
                (count, slowest) = (count + 1, slowest.max(began.elapsed()));
            }
            (count, slowest)
        });
    }
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while let Some(done) = running.join_next().await {
        let (more, one) = done.unwrap();
        (count, slowest) = (count + more, slowest.max(one));
    }
    (count / LASTS.as_secs() as usize, slowest)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn load() {
    let Some(server) = PostgresServer::start("load").await else { return };
    for (pools, callers) in [(1, 1), (1, 16), (1, 64), (2, 64)] {
        let mut journals = Vec::new();
        for _ in 0..pools {
            journals.push(Arc::new(server.journal().await));
        }
        let (steps, slowest) = steps(&journals, pools, callers).await;
        eprintln!("{pools} pools, {callers} callers: {steps} steps a second, the slowest in {slowest:?}");
    }
}
