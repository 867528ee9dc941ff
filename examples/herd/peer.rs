//! `reqwest-retry` as it is documented: [`RetryTransientMiddleware`] with the default [`ExponentialBackoff`].
//!
//! It waits from 1 s, doubling, with full jitter, after a 429 as after a 5xx, and does not read `Retry-After`.
//!
//! The crate uses the system's clock and random numbers, so no two runs would be the same. Here its policy retries
//! immediately, and the next middleware of the chain sleeps instead: with the crate's own limits, growth and full jitter,
//! and with the clock and random numbers of the run.

use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next};
use reqwest_retry::{RetryDecision, RetryPolicy, RetryTransientMiddleware, policies::ExponentialBackoff};
use reqwest_safe_retry::async_trait;
use tokio::sync::Semaphore;

use crate::clock::{self, SeededRng};

tokio::task_local! {
    /// The wait of this task's call before its next attempt.
    static WAIT: Cell<Duration>;
}

/// How many calls a semaphore lets through at once.
const PLACES: usize = 32;

/// Adds the layers of reqwest-retry to a client.
pub(crate) fn reqwest_retry(client: ClientBuilder, retries: u32, rng: SeededRng) -> ClientBuilder {
    let backoff = ExponentialBackoff::builder().build_with_max_retries(retries);
    client.with(Scope).with(RetryTransientMiddleware::new_with_policy(Seeded { backoff, rng })).with(Waiting)
}

/// The crate's own policy with the random numbers of the run.
struct Seeded {
    backoff: ExponentialBackoff,
    rng: SeededRng,
}

impl Seeded {
    /// The crate's own growth and full jitter: from zero to the whole wait.
    fn wait(&self, retries: u32) -> Duration {
        let ExponentialBackoff { base, min_retry_interval, max_retry_interval, .. } = self.backoff;
        let growth = base.checked_pow(retries).unwrap_or(u32::MAX);
        min_retry_interval.saturating_mul(growth).min(max_retry_interval).mul_f64(self.rng.sample())
    }
}

impl RetryPolicy for Seeded {
    fn should_retry(&self, started: SystemTime, retries: u32) -> RetryDecision {
        match self.backoff.should_retry(started, retries) {
            RetryDecision::DoNotRetry => RetryDecision::DoNotRetry,
            RetryDecision::Retry { .. } => {
                WAIT.with(|wait| wait.set(self.wait(retries)));
                RetryDecision::Retry { execute_after: SystemTime::UNIX_EPOCH }
            }
        }
    }
}

/// Gives each call a place for its next wait.
struct Scope;

#[async_trait]
impl Middleware for Scope {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        WAIT.scope(Cell::default(), next.run(request, extensions)).await
    }
}

/// Waits as the policy has decided.
struct Waiting;

#[async_trait]
impl Middleware for Waiting {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        clock::sleep(WAIT.with(Cell::take)).await;
        next.run(request, extensions).await
    }
}

/// Lets so many calls through at once as the semaphore has places. A call keeps its place while it waits for a retry, as
/// it does where `send` is called with a permit in hand.
pub(crate) struct Behind(Semaphore);

impl Default for Behind {
    fn default() -> Self {
        Self(Semaphore::new(PLACES))
    }
}

#[async_trait]
impl Middleware for Behind {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let _place = self.0.acquire().await.map_err(Error::middleware)?;
        next.run(request, extensions).await
    }
}
