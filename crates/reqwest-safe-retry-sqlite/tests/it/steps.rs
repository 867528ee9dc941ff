//! How many steps a journal takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest_safe_retry::durable::Journal;
use tokio::task::JoinSet;

use crate::support::begin;

const LASTS: Duration = Duration::from_secs(5);

/// Steps of so many callers that each wait for one before the next, in a second, and how long the slowest took.
pub(crate) async fn steps<J: Journal>(journals: &[Arc<J>], callers: usize) -> (usize, Duration) {
    let (mut running, connections) = (JoinSet::new(), journals.len());
    let started = Instant::now();
    for caller in 0..callers {
        let journal = journals[caller % journals.len()].clone();
        running.spawn(async move {
            let (mut count, mut slowest) = (0, Duration::ZERO);
            while started.elapsed() < LASTS {
                let began = Instant::now();
                begin(&*journal, &format!("{connections}-{callers}-{caller}-{count}")).await.unwrap();
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
