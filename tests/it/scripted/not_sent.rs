//! A middleware below the layer says that it has sent nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Effect, Error, Failure, NotSent, RequestBuilderExt, RetryPolicy, SafeRetry, Service, StopReason,
    async_trait,
};

use super::{LEDGER, outer_error};
use crate::support::{
    clock::FixedClock,
    transport::{Transport, status, unused},
};

/// Gets no token at first.
#[derive(Clone, Default)]
struct TokenEndpointAway(Arc<AtomicUsize>);

#[async_trait]
impl Middleware for TokenEndpointAway {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(NotSent::new("the token endpoint is away").into());
        }
        next.run(request, extensions).await
    }
}

fn service() -> Service {
    Service::builder("plain", "https://api.metronome.com").build().unwrap()
}

fn layer(service: Service) -> SafeRetry {
    SafeRetry::new([service]).clock(FixedClock::at(1.0))
}

#[tokio::test(start_paused = true)]
async fn write_without_a_key_is_sent_once_there_is_a_token() {
    let transport = Transport::new([status(200)]);
    let away = TokenEndpointAway(Arc::new(AtomicUsize::new(2)));
    let client = ClientBuilder::new(unused()).with(layer(service())).with(away).with(transport.clone()).build();
    client.post(LEDGER).send().await.unwrap();
    assert_eq!(transport.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_was_applied_without_a_token() {
    let away = TokenEndpointAway(Arc::new(AtomicUsize::new(9)));
    let client = ClientBuilder::new(unused()).with(layer(service())).with(away).build();
    let outer = outer_error(client.post(LEDGER)).await;
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.stop(), error.applied()), (StopReason::AttemptsExhausted, Applied::No));
    assert!(!error.is_connect(), "it may have been something else");
    assert!(format!("{:#}", anyhow::anyhow!(outer)).contains("the token endpoint is away"));
}

/// A layer below has made several attempts, of which the last one was not sent.
#[tokio::test(start_paused = true)]
async fn one_of_several_attempts_proves_nothing() {
    let inner = service().into_builder().retry_policy(RetryPolicy::new().max_attempts(2)).build().unwrap();
    let inner_transport = Transport::new([status(503)]);
    let below = ClientBuilder::new(unused())
        .with(layer(inner))
        .with(AfterTheFirst(Arc::default()))
        .with(inner_transport.clone())
        .build();
    let client = ClientBuilder::new(unused()).with(layer(service())).with(Forwards(below)).build();
    let outer = outer_error(client.post(LEDGER)).await;
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.stop(), error.applied()), (StopReason::Permanent, Applied::Unknown));
    let outcome = error.attempts().iter().last().unwrap().outcome().clone();
    assert_eq!(outcome, reqwest_safe_retry::AttemptOutcome::Failure(Failure::Middleware));
    assert_eq!(inner_transport.sent().len(), 1);
}

#[tokio::test]
async fn cause_is_shown_without_its_url() {
    let url = "http://token.invalid/?client_secret=hunter2";
    let refused = || async move { reqwest::Client::new().get(url).send().await.unwrap_err() };
    let by_client = NotSent::new(refused().await);
    let by_middleware = NotSent::new(reqwest_middleware::Error::Reqwest(refused().await));
    for shown in [by_client, by_middleware].map(|error| format!("{error} {error:?}")) {
        assert!(shown.contains("error sending request") && !shown.contains("hunter2"), "{shown}");
    }
}

/// Says so of every attempt but the first.
#[derive(Default)]
struct AfterTheFirst(Arc<AtomicUsize>);

#[async_trait]
impl Middleware for AfterTheFirst {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => next.run(request, extensions).await,
            _ => Err(NotSent::new("no token").into()),
        }
    }
}

/// Sends the request by another client, where repeating it does no harm.
struct Forwards(reqwest_middleware::ClientWithMiddleware);

#[async_trait]
impl Middleware for Forwards {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let request = self.0.request(request.method().clone(), request.url().clone());
        request.effect(Effect::Idempotent).send().await
    }
}
