//! Allocations per call. They are the same in every run, so a single additional one fails. `benches/cost` counts
//! instructions as well, and knows how large a call's future may be.

use async_trait::async_trait;
use http::{Extensions, Method};
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use reqwest_safe_retry::{SafeRetry, Service};

use super::{CONTRACTS, LEDGER};
use crate::support::{alloc::times_of, transport::unused};

struct Canned;

#[async_trait]
impl Middleware for Canned {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        Ok(http::Response::builder().url(request.url().clone()).body("").unwrap().into())
    }
}

struct Empty;

#[async_trait]
impl Middleware for Empty {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        next.run(request, extensions).await
    }
}

fn client(layer: impl Middleware) -> ClientWithMiddleware {
    ClientBuilder::new(unused()).with(layer).with(Canned).build()
}

async fn allocations(client: &ClientWithMiddleware, method: Method, url: &str) -> usize {
    let request = || {
        let request = client.request(method.clone(), url);
        if method == Method::POST { request.json(&"x".repeat(198)) } else { request }
    };
    // The first call allocates what is allocated once per process.
    client.execute(request().build().unwrap()).await.unwrap();
    let request = request().build().unwrap();
    let (response, times) = times_of(client.execute(request)).await;
    assert!(response.unwrap().status().is_success());
    times
}

#[tokio::test(start_paused = true)]
async fn immediate_success_stays_within_allocation_limit() {
    let (layer, empty) = (client(SafeRetry::new([Service::metronome()])), client(Empty));
    for (method, url, limit) in [(Method::GET, CONTRACTS, 2), (Method::GET, LEDGER, 2), (Method::POST, CONTRACTS, 5)] {
        let floor = allocations(&empty, method.clone(), url).await;
        let cost = allocations(&layer, method.clone(), url).await;
        assert!(cost <= floor + limit, "{method} {url}: {cost}, and {floor} without the layer");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_host_adds_no_allocation() {
    let (layer, empty) = (client(SafeRetry::new([Service::metronome()])), client(Empty));
    for method in [Method::GET, Method::POST] {
        let url = "https://elsewhere.example/v1/contracts/create";
        let (floor, cost) =
            (allocations(&empty, method.clone(), url).await, allocations(&layer, method.clone(), url).await);
        // An empty middleware boxes its own future; the layer returns the next one's box.
        assert_eq!(cost, floor - 1, "{method}");
    }
}
