//! Many callers of one service: the window in front of it, as the loop keeps it.

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
use reqwest_safe_retry::{Applied, ErrorKind, RetryPolicy, SafeRetry, Service, Stop, Window};
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{LEDGER, LIST, facts, failure, metronome};
use crate::support::{
    clock::Pinned,
    transport::{Reply, Transport, reply, status, unused},
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// A service that answers after a round trip of 20 ms and counts what is in flight.
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
    let layer = SafeRetry::new([service]).clock(Pinned::at(1.0));
    ClientBuilder::new(unused()).with(layer).with(counter.clone()).build()
}

fn windowed(window: Window) -> Service {
    Service::metronome().into_builder().window(window).build().unwrap()
}

/// Makes these calls at once; the answer is how long all of them took.
async fn crowd(client: &ClientWithMiddleware, calls: usize) -> Duration {
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
async fn a_caller_with_few_calls_at_once_never_notices_the_window() {
    let counter = Counter::default();
    let client = client(Service::metronome(), &counter);
    for _ in 0..5 {
        assert_eq!(crowd(&client, 32).await, MS(20));
    }
    assert_eq!(counter.most.load(Ordering::Relaxed), 32);
}

#[tokio::test(start_paused = true)]
async fn a_window_holds_back_what_is_too_much_at_once() {
    for (window, calls, most, took) in [
        (Window::Fixed(10), 100, 10, MS(200)..MS(201)),
        (Window::Off, 1000, 1000, MS(20)..MS(21)),
        // 32 at once, and then twice as many in each round trip, spread over most of it.
        (Window::Adaptive, 1000, 512, MS(120)..MS(300)),
    ] {
        let counter = Counter::default();
        let service = windowed(window);
        let took_now = crowd(&client(service.clone(), &counter), calls).await;
        assert!(counter.most.load(Ordering::Relaxed) <= most, "{window:?}");
        assert!(took.contains(&took_now), "{window:?} took {took_now:?}");
        assert_eq!((service.health().in_flight, service.health().waiting), (0, 0), "{window:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_halves_the_window_and_costs_no_token() {
    let transport = Transport::new([status(429), status(503), status(200)]);
    let service = Service::metronome();
    assert_eq!(service.health().window, Some(32));
    transport.client(service.clone()).post(LIST).send().await.unwrap();
    assert_eq!((service.health().window, service.health().budget), (Some(8), 500));
    let off = windowed(Window::Off);
    let transport = Transport::new([status(429), status(429), status(429)]);
    failure!(transport.client(off.clone()).post(LIST), |error| assert_eq!(error.stop(), Stop::Attempts));
    assert_eq!((off.health().window, off.health().budget), (None, 490));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_passes_in_the_queue_was_never_sent() {
    let service = Service::metronome()
        .into_builder()
        .window(Window::Fixed(1))
        .retry(RetryPolicy::new().deadline(3 * SECOND))
        .build()
        .unwrap();
    let transport = Transport::new([Reply::Late(2 * SECOND, Box::new(status(200))), Reply::Silence]);
    let client = transport.client(service);
    let mut others = JoinSet::new();
    for _ in 0..2 {
        let request = client.post(LEDGER);
        others.spawn(async move { drop(request.send().await) });
        tokio::task::yield_now().await;
    }
    let started = Instant::now();
    failure!(client.post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::RateLimited, Stop::Deadline, Applied::No));
        assert_eq!(error.attempts().count(), 0);
    });
    assert_eq!(started.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_holds_for_all_turns_away_at_once_who_cannot_wait_so_long() {
    let transport = Transport::new((0..2).map(|_| reply(429, &[("retry-after", "30")], "")).chain([status(200)]));
    let service = metronome(RetryPolicy::never().deadline(20 * SECOND));
    let client = transport.client(service.clone());
    for _ in 0..2 {
        failure!(client.post(LEDGER), |error| assert_eq!(error.stop(), Stop::Attempts));
    }
    assert_eq!(service.health().window, Some(1));
    let started = Instant::now();
    failure!(client.post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::RateLimited, Stop::Deadline, Applied::No));
        assert_eq!(error.attempts().count(), 0);
    });
    assert_eq!((started.elapsed(), transport.sent().len()), (Duration::ZERO, 2));
    tokio::time::sleep(15 * SECOND).await;
    client.post(LEDGER).send().await.unwrap();
    assert_eq!(started.elapsed(), 30 * SECOND, "the hold ends with the hint");
}

#[tokio::test(start_paused = true)]
async fn reads_yield_to_writes() {
    let counter = Counter::default();
    let client = client(windowed(Window::Fixed(1)), &counter);
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
async fn a_customer_who_meets_its_own_limit_keeps_nobody_else_waiting() {
    let refused =
        |request: &Request| request.body().unwrap().as_bytes().unwrap().windows(5).any(|part| part == b"\"big\"");
    let counter = Counter { refuse: Some(refused), ..Counter::default() };
    let service = metronome(RetryPolicy::new().max_attempts(2));
    let client = client(service.clone(), &counter);
    let post = |customer: &str| client.post(LEDGER).json(&json!({"customer_id": customer})).send();
    for _ in 0..3 {
        assert!(post("big").await.is_err());
    }
    let health = service.health();
    assert_eq!((health.customers_limited, health.window), (1, Some(32)), "the window of all is as it was");
    let started = Instant::now();
    post("small").await.unwrap();
    assert_eq!(started.elapsed(), MS(20));
    assert!(post("big").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_million_customers_take_bounded_memory() {
    let transport = Transport::new((0..3000).map(|_| reply(429, &[("x-metronome-rate-limit-type", "customer")], "")));
    let service = metronome(RetryPolicy::never());
    let client = transport.client(service.clone());
    for customer in 0..3000 {
        let request = client.post(format!("https://api.metronome.com/v1/customers/{customer}/archive"));
        assert!(request.send().await.is_err());
    }
    assert!((1..=1024).contains(&service.health().customers_limited));
}

#[tokio::test(start_paused = true)]
async fn absurd_numbers_are_survived() {
    let service = |window, budget| {
        let policy = RetryPolicy::new().budget(budget).deadline(Duration::MAX).hint_cap(Duration::MAX);
        Service::metronome()
            .into_builder()
            .map_idempotency(|_| reqwest_safe_retry::Idempotency::none())
            .window(window)
            .retry(policy)
            .build()
            .unwrap()
    };
    let transport = Transport::new([status(503)]);
    failure!(transport.client(service(Window::Fixed(1), 0)).post(LIST), |error| assert_eq!(error.stop(), Stop::Budget));
    let transport = Transport::new([status(503), status(200)]);
    transport.client(service(Window::Fixed(u32::MAX), u32::MAX)).post(LIST).send().await.unwrap();
    // A wait as long as there is none: it does not fit into any deadline.
    let forever = reply(429, &[("retry-after", "99999999999999999999999999")], "");
    failure!(Transport::new([forever]).client(service(Window::Adaptive, 0)).post(LIST), |error| {
        assert_eq!((error.stop(), error.retry_after()), (Stop::Deadline, Some(Duration::MAX)));
    });
    let nothing = Service::metronome().into_builder().window(Window::Fixed(0)).build().unwrap_err();
    assert_eq!(nothing.to_string(), "services.metronome.window: is fixed at 0: no attempt could ever be sent");
}

#[tokio::test(start_paused = true)]
async fn cancelling_at_random_leaves_no_place_taken() {
    let counter = Counter { refuse: Some(|request| request.headers().contains_key("x-unlucky")), ..Counter::default() };
    let service = metronome(RetryPolicy::new().max_attempts(3));
    let client = client(service.clone(), &counter);
    let mut dice = fastrand::Rng::with_seed(7);
    let mut all = JoinSet::new();
    for _ in 0..3000 {
        let mut request = client.post(if dice.bool() { LIST } else { LEDGER }).body("{}");
        if dice.u8(..10) == 0 {
            request = request.header("x-unlucky", "1");
        }
        let patience = MS(dice.u64(0..3000));
        all.spawn(async move { drop(tokio::time::timeout(patience, request.send()).await) });
        if dice.u8(..20) == 0 {
            tokio::time::sleep(MS(dice.u64(0..30))).await;
        }
    }
    all.join_all().await;
    let health = service.health();
    assert_eq!((health.in_flight, health.waiting), (0, 0));
    // And nobody is locked out.
    tokio::time::sleep(Duration::from_secs(60)).await;
    client.post(LIST).body("{}").send().await.unwrap();
}
