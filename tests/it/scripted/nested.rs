//! Two layers in one chain, one layer passed twice, and calls within a call.

use std::time::Duration;

use http::{Extensions, Method};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Attempts, ErrorKind, Idempotency, KeyKind, SafeRetry, Service, StopReason, async_trait,
};

use super::{CONTRACTS, LEDGER, LIST, facts, failure};
use crate::support::{
    clock::FixedClock,
    faults,
    transport::{Reply, Transport, status, unused},
};

fn layer(service: Service) -> SafeRetry {
    SafeRetry::new([service]).clock(FixedClock::at(1.0))
}

/// Both layers around the transport.
fn nested(outer: Service, inner: Service, transport: &Transport) -> ClientWithMiddleware {
    ClientBuilder::new(unused()).with(layer(outer)).with(layer(inner)).with(transport.clone()).build()
}

/// Metronome's address under another name and description.
fn other_name() -> Service {
    Service::builder("other", "https://api.metronome.com")
        .idempotency(Idempotency::header("Other-Key", KeyKind::ReplayAll))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn inner_layer_passes_carried_request_through() {
    for inner in [Service::metronome(), other_name()] {
        let outer = Service::metronome();
        let transport = Transport::new([503, 503, 503].map(status));
        failure!(nested(outer.clone(), inner.clone(), &transport).post(CONTRACTS), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::AttemptsExhausted, Applied::Unknown));
            assert_eq!((error.attempts().count(), error.service()), (3, "metronome"));
        });
        let keys = transport.keys();
        assert!(keys.len() == 3 && keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(transport.header("other-key"), [None, None, None]);
        assert_eq!((outer.health().retry_budget, inner.health().retry_budget), (472, 500));
    }
}

#[tokio::test(start_paused = true)]
async fn outer_layer_stays_in_doubt() {
    let transport = Transport::new([504, 401].map(status));
    failure!(nested(Service::metronome(), other_name(), &transport).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Unauthorized, StopReason::Permanent, Applied::Unknown));
    });
}

#[tokio::test(start_paused = true)]
async fn inner_layer_handles_what_the_outer_does_not_know() {
    let other = Service::builder("elsewhere", "https://api.example.com").build().unwrap();
    let transport = Transport::new([503, 200].map(status));
    let response = nested(other, Service::metronome(), &transport).post(LIST).send().await.unwrap();
    assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn reused_extensions_start_a_new_call() {
    let transport = Transport::new([Reply::never(), status(200), status(200)]);
    let client = transport.client(Service::metronome());
    let mut extensions = Extensions::new();
    let request = || Request::new(Method::POST, LEDGER.parse().unwrap());
    let dropped = tokio::time::timeout(Duration::from_secs(1), async {
        client.execute_with_extensions(request(), &mut extensions).await
    });
    assert!(dropped.await.is_err());
    for _ in 0..2 {
        client.execute_with_extensions(request(), &mut extensions).await.unwrap();
    }
    // The write of the dropped call may have been executed: it keeps its key. The next one is another write.
    let keys = transport.keys();
    assert!(keys.iter().all(Option::is_some) && keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
}

/// Sends a request of its own through a client with the layer before each attempt, like a token provider.
struct FetchesToken(ClientWithMiddleware);

#[async_trait]
impl Middleware for FetchesToken {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        self.0.post(LEDGER).send().await?;
        next.run(request, extensions).await
    }
}

#[tokio::test(start_paused = true)]
async fn request_within_a_call_has_its_own_key() {
    let tokens = Transport::new([503, 200].map(status));
    let transport = Transport::new([status(200)]);
    let client = ClientBuilder::new(unused())
        .with(layer(Service::metronome()))
        .with(FetchesToken(tokens.client(Service::metronome())))
        .with(transport.clone())
        .build();
    client.post(CONTRACTS).send().await.unwrap();
    let (within, around) = (tokens.keys(), transport.keys());
    assert!(within.len() == 2 && within[0] == within[1] && within[0] != around[0], "{within:?} {around:?}");
}

/// Looks something up at the same URL after each attempt, and returns the error of that.
struct LooksUp(fn() -> reqwest_middleware::Error);

#[async_trait]
impl Middleware for LooksUp {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        next.run(request, extensions).await?;
        Err((self.0)())
    }
}

/// An error of the client that nothing listens at this URL.
fn refused(url: &'static str) -> reqwest_middleware::Error {
    let provoked = std::thread::spawn(move || {
        let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        real.block_on(faults::provoke("connect_refused".parse().unwrap())).with_url(url.parse().unwrap())
    });
    provoked.join().unwrap().into()
}

/// A known limitation: what a middleware below requests at the same URL for itself looks like the attempt. At another URL, or
/// with an error of its own, it leaves the write in doubt.
#[tokio::test(start_paused = true)]
async fn request_of_a_middleware_to_the_same_url_looks_like_the_attempt() {
    let same: fn() -> reqwest_middleware::Error = || refused("https://api.example.com/charge");
    let other: fn() -> reqwest_middleware::Error = || refused("https://api.example.com/token");
    let own: fn() -> reqwest_middleware::Error = || anyhow::anyhow!("looking it up failed").into();
    for (error, sent, applied) in [(same, 3, Applied::No), (other, 1, Applied::Unknown), (own, 1, Applied::Unknown)] {
        let unkeyed = Service::builder("unkeyed", "https://api.example.com").build().unwrap();
        let transport = Transport::new([200, 200, 200].map(status));
        let client =
            ClientBuilder::new(unused()).with(layer(unkeyed)).with(LooksUp(error)).with(transport.clone()).build();
        failure!(client.post("https://api.example.com/charge"), |error| assert_eq!(error.applied(), applied));
        assert_eq!(transport.sent().len(), sent);
    }
}

/// Replaces the extensions, and with them the layer's mark.
struct DropsExtensions;

#[async_trait]
impl Middleware for DropsExtensions {
    async fn handle(
        &self,
        request: Request,
        _: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        next.run(request, &mut Extensions::new()).await
    }
}

#[tokio::test(start_paused = true)]
async fn error_of_a_lower_layer_leaves_write_in_doubt() {
    let refused = std::thread::spawn(|| {
        let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        real.block_on(faults::provoke("connect_refused".parse().unwrap()))
    });
    let refused = refused.join().unwrap();
    // The inner layer's last attempt was not sent, but the one before it may have been executed.
    let transport = Transport::new([status(504), Reply::error(refused)]);
    let inner = Service::metronome().into_builder();
    let inner = inner.retry_policy(reqwest_safe_retry::RetryPolicy::new().max_attempts(2)).build().unwrap();
    let client = ClientBuilder::new(unused())
        .with(layer(Service::metronome()))
        .with(DropsExtensions)
        .with(layer(inner))
        .with(transport.clone())
        .build();
    failure!(client.post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::Permanent, Applied::Unknown));
    });
    assert_eq!(transport.sent().len(), 2);
}
