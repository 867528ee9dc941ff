//! Limit keys by data: which refusals concern one of them, and where a request has its own.

use std::time::Duration;

use async_trait::async_trait;
use http::{Extensions, Method};
use reqwest::{Body, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, RequestBuilder};
use reqwest_safe_retry::{Effect, LimitKeySource, RateLimiting, RetryPolicy, Route, SafeRetry, Service};
use tokio::{task::JoinSet, time::Instant};

use crate::support::{
    clock::FixedClock,
    transport::{Transport, reply, unused},
};

const BASE: &str = "https://billing.internal/v1";
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A service that limits each customer. A last attempt needs its body too: the limit key is in it.
fn service(sources: &[LimitKeySource]) -> Service {
    let write = |path| Route::new(Method::POST, path, Effect::Write);
    Service::builder("billing", BASE)
        .routes([
            write("/customers/{customer_id}/charges"),
            write("/customers/{customer_id}/refunds"),
            write("/customers/search"),
            write("/moves").limit_key_from([LimitKeySource::body_member("/from/customer")]),
            write("/health").limit_key_from([]),
        ])
        .rate_limiting(RateLimiting::new().scope_header("x-scope", ["customer", "User"]))
        .limit_key_from(sources.iter().cloned())
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap()
}

fn everywhere() -> Vec<LimitKeySource> {
    vec![
        LimitKeySource::path_parameter("customer_id"),
        LimitKeySource::body_member("/customer/id"),
        LimitKeySource::header("X-Customer"),
    ]
}

/// Sends one request after the other, each of which is refused with this scope.
async fn refuse(service: &Service, scope: &str, requests: &[fn(&ClientWithMiddleware) -> RequestBuilder]) {
    let transport = Transport::new(requests.iter().map(|_| reply(429, &[("x-scope", scope)], "")));
    let client = transport.client(service.clone());
    for request in requests {
        assert!(request(&client).send().await.is_err());
    }
}

fn post(client: &ClientWithMiddleware, path: &str) -> RequestBuilder {
    client.post(format!("{BASE}{path}"))
}

#[tokio::test(start_paused = true)]
async fn words_of_the_scope_header_decide_whose_limit_it_was() {
    for (scope, of_one_key) in [
        ("user", true),
        ("User", true),
        ("CUSTOMER", true),
        ("customer ", true),
        ("client", false),
        ("customers", false),
        ("", false),
    ] {
        let service = service(&everywhere());
        refuse(&service, scope, &[|client| post(client, "/customers/c-1/charges")]).await;
        let health = service.health();
        let expected = if of_one_key { (1, Some(16)) } else { (0, Some(1)) };
        assert_eq!((health.limit_keys, health.concurrency_limit), expected, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn limit_key_is_found_in_path_body_and_header() {
    let service = service(&everywhere());
    // The same customer wherever it is named; the first place counts.
    let same: [fn(&ClientWithMiddleware) -> RequestBuilder; 8] = [
        |client| post(client, "/customers/c%201/charges"),
        |client| post(client, "/customers/c%201/refunds?all=true"),
        |client| post(client, "/invoices").body(r#"{"customer":{"id":"c 1"}}"#),
        |client| post(client, "/customers/search").header("x-customer", "c 1"),
        |client| {
            post(client, "/customers/c%201/charges").header("x-customer", "c-2").body(r#"{"customer":{"id":"c-3"}}"#)
        },
        |client| post(client, "/invoices").header("x-customer", "c-2").body(r#"{"customer":{"id":"c 1"}}"#),
        |client| post(client, "/invoices").header("x-customer", "c 1").body(r#"{"customer":{"id":null}}"#),
        |client| post(client, "/moves").header("x-customer", "c-2").body(r#"{"from":{"customer":"c 1"}}"#),
    ];
    for (index, request) in same.into_iter().enumerate() {
        refuse(&service, "user", &[request]).await;
        assert_eq!(service.health().limit_keys, 1, "request {index}");
    }
    let others: [fn(&ClientWithMiddleware) -> RequestBuilder; 3] = [
        |client| post(client, "/customers/c-2/charges"),
        |client| post(client, "/invoices").body(r#"{"customer":{"id":3}}"#),
        |client| post(client, "/anything").header("x-customer", "c".repeat(5000)),
    ];
    refuse(&service, "user", &others).await;
    assert_eq!((service.health().limit_keys, service.health().concurrency_limit), (4, Some(16)));
}

#[tokio::test(start_paused = true)]
async fn request_without_a_limit_key_has_none() {
    let service = service(&everywhere());
    let none: [fn(&ClientWithMiddleware) -> RequestBuilder; 8] = [
        |client| post(client, "/invoices"),
        |client| post(client, "/customers/c-1/unknown"),
        |client| post(client, "/customers//charges").header("x-customer", " "),
        |client| post(client, "/invoices").body("customer=c-1"),
        |client| post(client, "/invoices").body(r#"{"customer":{"id":""}}"#),
        |client| {
            let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(r#"{"customer":{"id":"c"}}"#)]);
            post(client, "/invoices").body(Body::wrap_stream(stream))
        },
        |client| post(client, "/invoices").body(format!(r#"{{"customer":{{"id":"c"}}}}{}"#, " ".repeat(300_000))),
        |client| post(client, "/health").header("x-customer", "c-1"),
    ];
    for (index, request) in none.into_iter().enumerate() {
        refuse(&service, "user", &[request]).await;
        assert_eq!(service.health().limit_keys, 0, "request {index}");
    }
}

/// A function knows what data cannot say.
#[tokio::test(start_paused = true)]
async fn function_is_asked_in_place_of_the_data() {
    let builder = service(&everywhere()).into_builder();
    let service = builder.limit_key(|request| request.header("x-team").map(str::to_owned)).build().unwrap();
    refuse(&service, "user", &[|client| post(client, "/customers/c-1/charges")]).await;
    assert_eq!(service.health().limit_keys, 0);
    refuse(&service, "user", &[|client| post(client, "/customers/c-1/charges").header("X-Team", "a")]).await;
    assert_eq!(service.health().limit_keys, 1);
}

/// Refuses each request of one customer after 20 ms, and answers the others.
struct RefusesOne;

#[async_trait]
impl Middleware for RefusesOne {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        tokio::time::sleep(MS(20)).await;
        let is_refused = request.headers().get("x-customer").is_some_and(|customer| customer == "big");
        let response = http::Response::builder().status(if is_refused { 429 } else { 200 }).header("x-scope", "USER");
        Ok(Response::from(response.body("").unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn refused_customer_delays_no_other() {
    let policy = RetryPolicy::new().deadline(Duration::from_secs(60)).max_attempts(3);
    let service = service(&everywhere()).into_builder().retry_policy(policy).build().unwrap();
    let layer = SafeRetry::new([service.clone()]).clock(FixedClock::at(1.0));
    let client = ClientBuilder::new(unused()).with(layer).with(RefusesOne).build();
    let call = |customer: &'static str| post(&client, "/invoices").header("x-customer", customer).send();
    assert!(call("big").await.is_err());
    let mut busy = JoinSet::new();
    for _ in 0..100 {
        busy.spawn(call("big"));
    }
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        tokio::time::sleep(MS(50)).await;
        let began = Instant::now();
        call("small").await.unwrap();
        longest = longest.max(began.elapsed());
    }
    assert_eq!(longest, MS(20));
    assert_eq!((service.health().limit_keys, service.health().paused), (1, None));
    assert!(!busy.is_empty());
}
