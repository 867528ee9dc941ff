//! The concurrency limit of a service under many concurrent calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Applied, ConcurrencyLimit, Error, ErrorKind, RequestBuilderExt, RetryPolicy, SafeRetry, Service, StopReason,
};
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{LEDGER, LIST, facts, failure, metronome};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport, reply, status, unused},
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// Answers after 20 ms and counts the requests in flight.
#[derive(Clone, Default)]
struct Counter {
    in_flight: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    refuse: Option<fn(&Request) -> bool>,
}

#[async_trait]
impl Middleware for Counter {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(MS(20)).await;
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let refused = self.refuse.is_some_and(|refuse| refuse(&request));
        let response = http::Response::builder().status(if refused { 429 } else { 200 });
        let response = response.header("x-metronome-rate-limit-type", "customer").body("").unwrap();
        Ok(Response::from(response))
    }
}

fn client(service: Service, counter: &Counter) -> ClientWithMiddleware {
    let layer = SafeRetry::new([service]).clock(FixedClock::at(1.0));
    ClientBuilder::new(unused()).with(layer).with(counter.clone()).build()
}

fn with_limit(limit: ConcurrencyLimit) -> Service {
    Service::metronome().into_builder().concurrency_limit(limit).build().unwrap()
}

/// Makes this many calls at once and returns how long they took together.
async fn send_at_once(client: &ClientWithMiddleware, calls: usize) -> Duration {
    let started = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..calls {
        let request = client.post(LIST);
        all.spawn(async move { request.send().await.map(|_| ()).unwrap() });
    }
    all.join_all().await;
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn few_concurrent_calls_never_queue() {
    let counter = Counter::default();
    let client = client(Service::metronome(), &counter);
    for _ in 0..5 {
        assert_eq!(send_at_once(&client, 16).await, MS(20));
    }
    assert_eq!(counter.most.load(Ordering::Relaxed), 16);
}

#[tokio::test(start_paused = true)]
async fn excess_calls_queue() {
    for (limit, calls, most, took) in [
        (ConcurrencyLimit::Fixed(10), 100, 10, MS(200)..MS(201)),
        (ConcurrencyLimit::Off, 1000, 1000, MS(20)..MS(21)),
        // 16 at first, doubled each 100 ms while calls wait.
        (ConcurrencyLimit::Adaptive, 1000, 200, MS(200)..MS(400)),
    ] {
        let counter = Counter::default();
        let service = with_limit(limit.clone());
        let took_now = send_at_once(&client(service.clone(), &counter), calls).await;
        assert!(counter.most.load(Ordering::Relaxed) <= most, "{limit:?}");
        assert!(took.contains(&took_now), "{limit:?} took {took_now:?}");
        assert_eq!((service.health().in_flight, service.health().waiting), (0, 0), "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_attempt_lowers_limit_and_costs_nothing() {
    let transport = Transport::new([status(429), status(503), status(200)]);
    let service = Service::metronome();
    assert_eq!(service.health().concurrency_limit, Some(16));
    transport.client(service.clone()).post(LIST).send().await.unwrap();
    assert_eq!((service.health().concurrency_limit, service.health().retry_budget), (Some(1), 500));
    let off = with_limit(ConcurrencyLimit::Off);
    let transport = Transport::new([status(429), status(429), status(429)]);
    failure!(transport.client(off.clone()).post(LIST), |error| assert_eq!(error.stop(), StopReason::AttemptsExhausted));
    assert_eq!((off.health().concurrency_limit, off.health().retry_budget), (None, 490));
}

#[tokio::test(start_paused = true)]
async fn queued_call_times_out_unsent() {
    let service = Service::metronome()
        .into_builder()
        .concurrency_limit(ConcurrencyLimit::Fixed(1))
        .retry_policy(RetryPolicy::new().deadline(3 * SECOND))
        .build()
        .unwrap();
    let transport = Transport::new([status(200).after(2 * SECOND), Reply::never()]);
    let client = transport.client(service);
    let mut others = JoinSet::new();
    for _ in 0..2 {
        let request = client.post(LEDGER);
        others.spawn(async move { drop(request.send().await) });
        tokio::task::yield_now().await;
    }
    let started = Instant::now();
    failure!(client.post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::QueueRefused, StopReason::DeadlineExceeded, Applied::No));
        assert_eq!((error.attempts().count(), error.queue_refusal()), (0, Some((2 * SECOND, 1))));
        assert!(!error.is_rate_limited(), "the service has refused nothing");
        let text = error.to_string();
        assert!(text.contains("gave up after 2s in the queue (limit 1), nothing was sent"), "{text}");
    });
    // The first call took two seconds: then there is no time left for another attempt.
    assert_eq!(started.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn pause_rejects_calls_that_cannot_wait() {
    let refusals = (0..16).map(|_| reply(503, &[("retry-after", "30")], ""));
    let transport = Transport::new(refusals.chain([status(200)]));
    let service = metronome(RetryPolicy::never().deadline(20 * SECOND));
    let client = transport.client(service.clone());
    for _ in 0..16 {
        failure!(client.post(LEDGER), |error| assert_eq!(error.stop(), StopReason::AttemptsExhausted));
    }
    assert_eq!((service.health().concurrency_limit, service.health().paused), (Some(1), Some(30 * SECOND)));
    let started = Instant::now();
    failure!(client.post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::QueueRefused, StopReason::DeadlineExceeded, Applied::No));
        assert_eq!(error.attempts().count(), 0);
    });
    assert_eq!((started.elapsed(), transport.sent().len()), (Duration::ZERO, 16));
    tokio::time::sleep(15 * SECOND).await;
    client.post(LEDGER).send().await.unwrap();
    assert_eq!(started.elapsed(), 30 * SECOND, "the pause ends with the `Retry-After`");
    assert_eq!(service.health().paused, None);
}

/// Of the calls that wait only one at a time finds out if the service is back; none runs out of attempts or tokens by that.
#[tokio::test(start_paused = true)]
async fn outage_that_the_deadline_survives_fails_nobody() {
    let down = (0..120).map(|_| status(503));
    let transport = Transport::new(down.chain((0..100).map(|_| status(200))));
    let service = metronome(RetryPolicy::new().max_attempts(2).deadline(600 * SECOND));
    let client = transport.client(service.clone());
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let request = client.post(LIST);
        calls.spawn(async move { request.send().await.is_ok() });
    }
    assert!(calls.join_all().await.into_iter().all(|succeeded| succeeded));
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn writes_go_before_reads() {
    let counter = Counter::default();
    let client = client(with_limit(ConcurrencyLimit::Fixed(1)), &counter);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut all = JoinSet::new();
    for (name, url) in [("first", LIST), ("read", LIST), ("write", LEDGER), ("read", LIST), ("write", LEDGER)] {
        let (request, order) = (client.post(url), order.clone());
        all.spawn(async move {
            request.send().await.unwrap();
            order.lock().unwrap().push(name);
        });
        tokio::task::yield_now().await;
    }
    all.join_all().await;
    assert_eq!(*order.lock().unwrap(), ["first", "write", "write", "read", "read"]);
}

#[tokio::test(start_paused = true)]
async fn throttled_limit_key_does_not_delay_others() {
    let refused =
        |request: &Request| request.body().unwrap().as_bytes().unwrap().windows(5).any(|part| part == b"\"big\"");
    let counter = Counter { refuse: Some(refused), ..Counter::default() };
    let service = metronome(RetryPolicy::new().max_attempts(2));
    let client = client(service.clone(), &counter);
    let post = |id: &str| client.post(LEDGER).json(&json!({"customer_id": id})).send();
    for _ in 0..3 {
        assert!(post("big").await.is_err());
    }
    let health = service.health();
    assert_eq!((health.limit_keys, health.concurrency_limit), (1, Some(16)), "the service's own limit is unchanged");
    let started = Instant::now();
    post("small").await.unwrap();
    assert_eq!(started.elapsed(), MS(20));
    assert!(post("big").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn limit_key_that_never_calls_again_is_forgotten() {
    let customer = &[("x-metronome-rate-limit-type", "customer")];
    let transport = Transport::new([reply(429, customer, ""), status(200), status(200), status(200)]);
    // The last attempt too: its limit key is in its body.
    let service = metronome(RetryPolicy::never());
    let client = transport.client(service.clone());
    let amend =
        |id: &str| client.post("https://api.metronome.com/v1/contracts/amend").json(&json!({"customer_id": id}));
    assert!(amend("big").send().await.is_err());
    assert_eq!(service.health().limit_keys, 1);
    amend("small").send().await.unwrap();
    tokio::time::sleep(299 * SECOND).await;
    amend("small").send().await.unwrap();
    assert_eq!(service.health().limit_keys, 1);
    tokio::time::sleep(301 * SECOND).await;
    amend("small").send().await.unwrap();
    assert_eq!(service.health().limit_keys, 0);
}

/// Also of calls that end while they wait for their turn after an answer.
#[tokio::test(start_paused = true)]
async fn call_that_ends_in_the_queue_keeps_its_last_answer() {
    let busy = |code| reply(code, &[("x-request-id", "r-1")], r#"{"message":"busy","code":"overloaded"}"#);
    for code in [503, 429] {
        let transport = Transport::new([busy(code), Reply::never()]);
        let policy = RetryPolicy::new().deadline(10 * SECOND);
        let service = Service::metronome().into_builder().retry_policy(policy);
        let service = service.concurrency_limit(ConcurrencyLimit::Fixed(1)).build().unwrap();
        let client = transport.client(service);
        let call = tokio::spawn(client.post(LEDGER).send());
        while transport.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        // It takes the only place while the first call waits, and keeps it for longer than that has time.
        let other = tokio::spawn(client.post(LEDGER).deadline(60 * SECOND).send());
        let outer = call.await.unwrap().unwrap_err();
        let error = Error::find(&outer).unwrap();
        assert_eq!(error.stop(), StopReason::DeadlineExceeded);
        assert_eq!((error.status().unwrap().as_u16(), error.is_rate_limited()), (code, code == 429));
        assert_eq!((error.message(), error.code(), error.request_id()), ("busy", Some("overloaded"), Some("r-1")));
        assert_eq!(error.applied(), if code == 429 { Applied::No } else { Applied::Unknown });
        assert!(!error.to_string().contains("timed out"), "{error}");
        assert_eq!((error.body(), error.is_truncated()), (&b""[..], true), "the body is not kept through a wait");
        other.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn many_limit_keys_take_bounded_memory() {
    let transport = Transport::new((0..3000).map(|_| reply(429, &[("x-metronome-rate-limit-type", "customer")], "")));
    let service = metronome(RetryPolicy::never());
    let client = transport.client(service.clone());
    for id in 0..3000 {
        let request = client.post(format!("https://api.metronome.com/v1/customers/{id}/setName"));
        assert!(request.send().await.is_err());
    }
    assert!((1..=1024).contains(&service.health().limit_keys));
}

#[tokio::test(start_paused = true)]
async fn extreme_numbers_do_not_panic() {
    let service = |limit, budget| {
        let policy = RetryPolicy::new().deadline(Duration::MAX).max_retry_after(Duration::MAX);
        Service::metronome()
            .into_builder()
            .map_idempotency(|_| reqwest_safe_retry::Idempotency::none())
            .concurrency_limit(limit)
            .retry_policy(policy)
            .retry_budget(budget)
            .build()
            .unwrap()
    };
    let transport = Transport::new([status(503)]);
    failure!(transport.client(service(ConcurrencyLimit::Fixed(1), 0)).post(LIST), |error| assert_eq!(
        error.stop(),
        StopReason::BudgetExhausted
    ));
    let transport = Transport::new([status(503), status(200)]);
    transport.client(service(ConcurrencyLimit::Fixed(u32::MAX), u32::MAX)).post(LIST).send().await.unwrap();
    // The longest wait possible fits into no deadline.
    let forever = reply(429, &[("retry-after", "99999999999999999999999999")], "");
    failure!(Transport::new([forever]).client(service(ConcurrencyLimit::Adaptive, 0)).post(LIST), |error| {
        assert_eq!((error.stop(), error.retry_after()), (StopReason::DeadlineExceeded, Some(Duration::MAX)));
    });
    let nothing =
        Service::metronome().into_builder().concurrency_limit(ConcurrencyLimit::Fixed(0)).build().unwrap_err();
    assert_eq!(nothing.to_string(), "services.metronome.concurrency_limit: is 0: no attempt could ever be sent");
}

#[tokio::test(start_paused = true)]
async fn random_cancellation_leaks_no_permit() {
    let counter = Counter { refuse: Some(|request| request.headers().contains_key("x-refuse")), ..Counter::default() };
    let service = metronome(RetryPolicy::new().max_attempts(3));
    let client = client(service.clone(), &counter);
    let mut random = fastrand::Rng::with_seed(7);
    let mut all = JoinSet::new();
    for _ in 0..3000 {
        let mut request = client.post(if random.bool() { LIST } else { LEDGER }).body("{}");
        if random.u8(..10) == 0 {
            request = request.header("x-refuse", "1");
        }
        let timeout = MS(random.u64(0..3000));
        all.spawn(async move { drop(tokio::time::timeout(timeout, request.send()).await) });
        if random.u8(..20) == 0 {
            tokio::time::sleep(MS(random.u64(0..30))).await;
        }
    }
    all.join_all().await;
    let health = service.health();
    assert_eq!((health.in_flight, health.waiting), (0, 0));
    // Further calls still get a permit.
    tokio::time::sleep(Duration::from_secs(60)).await;
    client.post(LIST).body("{}").send().await.unwrap();
}
