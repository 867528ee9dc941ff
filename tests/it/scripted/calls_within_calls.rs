//! Calls that a middleware makes below the layer, through the same client: they do not wait for the place that the call
//! around them holds.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{ConcurrencyLimit, RequestBuilderExt, RetryPolicy, SafeRetry, Service};
use tokio::{task::JoinSet, time::Instant};

use super::{LEDGER, LIST};
use crate::support::transport::unused;

const MS: fn(u64) -> Duration = Duration::from_millis;
const TOKENS: &str = "https://tokens.example.com/token";

/// Fetches tokens for each POST, one after the other, through the same client.
struct FetchesTokens {
    from: &'static str,
    client: OnceLock<ClientWithMiddleware>,
}

#[async_trait]
impl Middleware for FetchesTokens {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if request.method() == http::Method::POST {
            for _ in 0..2 {
                self.client.get().unwrap().get(self.from).send().await?;
            }
        }
        next.run(request, extensions).await
    }
}

/// Answers after 20 ms: so many requests with 503, and then all with 200.
struct Server {
    down: AtomicUsize,
}

#[async_trait]
impl Middleware for Server {
    async fn handle(&self, _: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let is_down = self.down.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        tokio::time::sleep(MS(20)).await;
        Ok(Response::from(http::Response::builder().status(if is_down { 503 } else { 200 }).body("").unwrap()))
    }
}

fn limited(service: Service, limit: ConcurrencyLimit) -> Service {
    service.into_builder().concurrency_limit(limit).build().unwrap()
}

fn client(limit: ConcurrencyLimit, from: &'static str, down: usize) -> ClientWithMiddleware {
    let tokens = Service::builder("tokens", "https://tokens.example.com").build().unwrap();
    let tokens = limited(tokens, ConcurrencyLimit::Fixed(1));
    let provider = Arc::new(FetchesTokens { from, client: OnceLock::new() });
    let layer = SafeRetry::new([limited(Service::metronome(), limit), tokens]);
    let client = ClientBuilder::new(unused()).with(layer).with_arc(provider.clone());
    let client = client.with(Server { down: AtomicUsize::new(down) }).build();
    provider.client.set(client.clone()).unwrap_or_else(|_| unreachable!());
    client
}

/// So many writes at once, of which all succeed; returns how long they took.
async fn writes(client: &ClientWithMiddleware, calls: usize) -> Duration {
    let (started, mut all) = (Instant::now(), JoinSet::new());
    for _ in 0..calls {
        let request = client.post(LEDGER);
        all.spawn(async move { request.send().await.map(drop).map_err(|error| error.to_string()) });
    }
    let failed: Vec<_> = all.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{failed:?}");
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn call_within_a_call_uses_its_place() {
    let took = writes(&client(ConcurrencyLimit::Fixed(1), LIST, 0), 4).await;
    assert_eq!(took, MS(4 * 60), "one at a time, and each with two calls within it");
}

#[tokio::test(start_paused = true)]
async fn place_of_another_service_is_none() {
    let took = writes(&client(ConcurrencyLimit::Fixed(2), TOKENS, 0), 2).await;
    assert_eq!(took, MS(4 * 20 + 20), "four tokens, one after the other");
}

/// While the limit is closed there is one place: that of the probe.
#[tokio::test(start_paused = true)]
async fn call_within_a_probe_uses_its_place() {
    let client = client(ConcurrencyLimit::Adaptive, LIST, 16);
    let mut down = JoinSet::new();
    for _ in 0..16 {
        let request = client.get(LIST).retry_policy(RetryPolicy::never());
        down.spawn(async move { assert!(request.send().await.is_err()) });
    }
    down.join_all().await;
    assert_eq!(writes(&client, 1).await, MS(20 + 3 * 20), "the first probe follows after 20 ms");
}
