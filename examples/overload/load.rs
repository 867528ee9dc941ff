//! The load: calls that come by the clock, or at once.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::{
    client::{Call, Client},
    clock,
    error::BoxError,
    scenario::Stream,
};

/// So many calls come first, and so many are given up later.
const CROWD: usize = 1000;
/// So many more come at last than the limit allows.
const MORE: usize = 8;
/// So long those wait that are given up.
const GIVE_UP_AFTER: Duration = Duration::from_millis(20);

/// The calls of a load, and by how much the latest of them came late.
pub(crate) struct Load {
    pub(crate) calls: Vec<Call>,
    pub(crate) latest: Duration,
}

/// Calls come whether earlier ones have ended or not.
pub(crate) async fn stream(client: &Client, began: Instant, stream: Stream) -> Result<Load, BoxError> {
    let mut latest = Duration::ZERO;
    let mut calls = Vec::new();
    for due in stream.arrivals() {
        clock::sleep_until(began + due).await;
        latest = latest.max(began.elapsed().saturating_sub(due));
        calls.push(tokio::spawn(client.clone().call(began)));
    }
    Ok(Load { calls: ends(calls).await?, latest })
}

/// Three crowds. Calls that are given up are not among those returned.
pub(crate) async fn crowds(client: &Client, began: Instant) -> Result<Load, BoxError> {
    let crowd = |size| -> Vec<_> { (0..size).map(|_| tokio::spawn(client.clone().call(began))).collect() };
    let limit = || client.service.health().concurrency_limit.unwrap_or_default();
    let mut calls = ends(crowd(CROWD)).await?;
    let patient = crowd(limit());
    let impatient = crowd(CROWD);
    clock::sleep(GIVE_UP_AFTER).await;
    impatient.iter().for_each(JoinHandle::abort);
    calls.extend(ends(patient).await?);
    calls.extend(ends(crowd(limit() + MORE)).await?);
    Ok(Load { calls, latest: Duration::ZERO })
}

async fn ends(calls: Vec<JoinHandle<Call>>) -> Result<Vec<Call>, BoxError> {
    let mut ended = Vec::with_capacity(calls.len());
    for call in calls {
        ended.push(call.await?);
    }
    Ok(ended)
}
