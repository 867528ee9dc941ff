//! Limit groups: operations with a concurrency limit of their own.

use std::time::Duration;

use async_trait::async_trait;
use http::{Extensions, Method};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    ConcurrencyLimit, Effect, LimitKeySource, RateLimiting, RetryPolicy, Route, SafeRetry, Service,
};
use tokio::{task::JoinSet, time::Instant};

use super::{failure, metronome};
use crate::support::{
    clock::FixedClock,
    transport::{Transport, reply, status, unused},
};

const BASE: &str = "https://billing.internal";
const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

fn service(limit: ConcurrencyLimit, policy: RetryPolicy) -> Service {
    let search = |method, path| Route::new(method, path, Effect::Read).limit_group("search");
    Service::builder("billing", BASE)
        .routes([
            search(Method::GET, "/search"),
            search(Method::POST, "/{kind}/search"),
            Route::new(Method::POST, "/invoices", Effect::Idempotent).limit_group("invoices"),
            Route::new(Method::POST, "/customers", Effect::Idempotent),
        ])
        .rate_limiting(RateLimiting::new().scope_header("x-scope", ["customer"]))
        .limit_key_from([LimitKeySource::header("x-customer")])
        .concurrency_limit(limit)
        .retry_policy(policy)
        .build()
        .unwrap()
}

/// Limits, attempts in flight, waiting calls: of all others, of searches, of invoices.
fn seen(service: &Service) -> [(usize, usize, usize); 3] {
    let health = service.health();
    let [search, invoices] = &health.limit_groups[..] else { panic!("{health:?}") };
    assert_eq!((&*search.name, &*invoices.name), ("search", "invoices"));
    let others = (health.concurrency_limit.unwrap(), health.in_flight, health.waiting);
    let of = |group: &reqwest_safe_retry::LimitGroupHealth| (group.concurrency_limit, group.in_flight, group.waiting);
    [others, of(search), of(invoices)]
}

/// Refuses all reads, as a service does that is asked for too many of them.
struct RefusesReads;

#[async_trait]
impl Middleware for RefusesReads {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        tokio::time::sleep(MS(20)).await;
        let status = if request.url().path().ends_with("search") { 429 } else { 200 };
        Ok(Response::from(http::Response::builder().status(status).body("").unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn busy_group_does_not_delay_another() {
    let service = service(ConcurrencyLimit::Adaptive, RetryPolicy::new().deadline(60 * SECOND).max_attempts(3));
    let layer = SafeRetry::new([service.clone()]).clock(FixedClock::at(1.0));
    let client = ClientBuilder::new(unused()).with(layer).with(RefusesReads).build();
    let mut busy = JoinSet::new();
    for number in 0..200 {
        let get = client.get(format!("{BASE}/search"));
        busy.spawn(if number % 2 == 0 { get.send() } else { client.post(format!("{BASE}/users/search")).send() });
    }
    let mut longest = Duration::ZERO;
    for number in 0..50 {
        tokio::time::sleep(MS(50)).await;
        let began = Instant::now();
        let path = if number % 2 == 0 { "invoices" } else { "customers" };
        client.post(format!("{BASE}/{path}")).send().await.unwrap();
        longest = longest.max(began.elapsed());
    }
    assert_eq!(longest, MS(20));
    let [others, (limit, _, waiting), invoices] = seen(&service);
    assert_eq!((others, invoices), ((16, 0, 0), (16, 0, 0)));
    assert!(limit < 16 && waiting > 0, "searches wait for each other: {limit} {waiting}");
}

#[tokio::test(start_paused = true)]
async fn each_group_has_its_own_places() {
    let service = service(ConcurrencyLimit::Fixed(1), RetryPolicy::new());
    let late = || status(200).after(SECOND);
    let transport = Transport::new([late(), late(), late(), status(200)]);
    let client = transport.client(service.clone());
    let mut calls = JoinSet::new();
    for path in ["a/search", "b/search", "invoices", "unknown"] {
        calls.spawn(client.post(format!("{BASE}/{path}")).send());
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(MS(1)).await;
    assert_eq!(seen(&service), [(1, 1, 0), (1, 1, 1), (1, 1, 0)]);
    assert!(calls.join_all().await.into_iter().all(|ended| ended.is_ok()));
    assert_eq!(seen(&service), [(1, 0, 0); 3]);
}

/// Sends one request after the other, without a repeat.
async fn send_all(client: &ClientWithMiddleware, path: &str, calls: usize) {
    for _ in 0..calls {
        assert!(client.post(format!("{BASE}/{path}")).header("x-customer", "c-1").send().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_group_meets_counts_for_it_alone() {
    let down = || reply(503, &[("retry-after", "30")], "");
    let transport = Transport::new((0..16).map(|_| down()).chain([status(200)]));
    let service = service(ConcurrencyLimit::Adaptive, RetryPolicy::never().deadline(20 * SECOND));
    let client = transport.client(service.clone());
    send_all(&client, "invoices", 16).await;
    let paused = |service: &Service| {
        let health = service.health();
        (health.paused, health.limit_groups.iter().map(|group| group.paused).collect::<Vec<_>>())
    };
    assert_eq!(paused(&service), (None, vec![None, Some(30 * SECOND)]));
    failure!(client.post(format!("{BASE}/invoices")), |error| {
        assert_eq!(error.queue_refusal(), Some((Duration::ZERO, 1)), "the group's limit, not the service's");
    });
    // The others go on.
    client.post(format!("{BASE}/customers")).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn limit_key_of_a_request_in_a_group_is_limited_too() {
    let refused = |scope: &'static str| reply(429, &[("x-scope", scope)], "");
    let transport = Transport::new([refused("customer"), refused("all"), status(200)]);
    let service = service(ConcurrencyLimit::Adaptive, RetryPolicy::never());
    let client = transport.client(service.clone());
    send_all(&client, "invoices", 1).await;
    assert_eq!((seen(&service), service.health().limit_keys), ([(16, 0, 0); 3], 1));
    send_all(&client, "invoices", 1).await;
    let [others, search, invoices] = seen(&service);
    assert_eq!((others, search, invoices), ((16, 0, 0), (16, 0, 0), (1, 0, 0)));
}

#[test]
fn groups_are_shown_where_there_are_limits() {
    assert_eq!(metronome(RetryPolicy::new()).health().limit_groups, []);
    let health = service(ConcurrencyLimit::Off, RetryPolicy::new()).health();
    assert_eq!((health.concurrency_limit, health.limit_groups), (None, vec![]));
}
