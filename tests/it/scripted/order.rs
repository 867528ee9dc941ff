//! Middleware order: authentication, signing, tracing and other retry layers, above and below.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Extensions, HeaderMap, StatusCode};
use reqwest::{Body, Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_retry::{Jitter, RetryError, RetryTransientMiddleware, policies::ExponentialBackoff};
use reqwest_safe_retry::{Applied, Attempts, Error, ErrorKind, SafeRetry, Service, StopReason, Verdict};
use reqwest_tracing::TracingMiddleware;

use super::{LEDGER, LIST, facts, outer_error};
use crate::support::{
    clock::FixedClock,
    collector::Collector,
    transport::{Transport, reply, status, unused},
};

/// Gives each request a new token, as if the last one had expired.
#[derive(Clone, Default)]
struct Auth(Arc<AtomicUsize>);

#[async_trait::async_trait]
impl Middleware for Auth {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let token = self.0.fetch_add(1, Ordering::SeqCst);
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        next.run(request, extensions).await
    }
}

/// Signs the token, the key and the body.
struct Signing;

#[async_trait::async_trait]
impl Middleware for Signing {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        assert!(!request.headers().contains_key("signature"), "an attempt has the signature of the previous one");
        let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
        let signature = signature(request.headers(), body);
        request.headers_mut().insert("signature", signature.parse().unwrap());
        next.run(request, extensions).await
    }
}

fn signature(headers: &HeaderMap, body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    (headers["authorization"].as_bytes(), headers["idempotency-key"].as_bytes(), body).hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

fn layer(service: Service) -> SafeRetry {
    SafeRetry::new([service]).clock(FixedClock::at(1.0))
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_signed_below_the_layer() {
    let transport = Transport::new([503, 500, 500, 200].map(status));
    let service = Service::metronome().into_builder();
    let service = service.retry_policy(reqwest_safe_retry::RetryPolicy::new().max_attempts(4));
    let service = service.verifier_fn(|_| async { Verdict::NotApplied }).build().unwrap();
    let client = ClientBuilder::new(unused())
        .with(layer(service))
        .with(Auth::default())
        .with(Signing)
        .with(transport.clone())
        .build();
    // The request behind the 503 may still be running, so the key must not rotate.
    let error = outer_error(client.post(LEDGER).body(r#"{"amount":1}"#)).await;
    assert_eq!(Error::find(&error).unwrap().stop(), StopReason::Unverified);
    assert_eq!((transport.sent().len(), transport.left()), (3, 1));

    let transport = Transport::new([500, 500, 200].map(status));
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let client = ClientBuilder::new(unused())
        .with(layer(service))
        .with(Auth::default())
        .with(Signing)
        .with(transport.clone())
        .build();
    client.post(LEDGER).body(r#"{"amount":1}"#).send().await.unwrap();
    let tokens: Vec<_> = transport.header("authorization").into_iter().flatten().collect();
    assert_eq!(tokens, ["Bearer 0", "Bearer 1", "Bearer 2"]);
    let keys = transport.keys();
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
    for sent in transport.sent() {
        assert_eq!(sent.headers["signature"], signature(&sent.headers, &sent.body));
        assert_eq!(sent.body, br#"{"amount":1}"#);
    }
}

/// The documentation warns of this: a signature made above the layer does not cover the layer's own key, or covers a
/// key that has been replaced.
#[tokio::test(start_paused = true)]
async fn rotated_key_breaks_a_signature_made_above() {
    let transport = Transport::new([500, 500, 200].map(status));
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let client = ClientBuilder::new(unused())
        .with(Auth::default())
        .with(Signing)
        .with(layer(service))
        .with(transport.clone())
        .build();
    client.post(LEDGER).header("idempotency-key", "mine").body("{}").send().await.unwrap();
    let right = |sent: &crate::support::transport::Sent| sent.headers["signature"] == signature(&sent.headers, b"{}");
    assert_eq!(transport.sent().iter().map(right).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_a_span_below_the_layer() {
    let collector = Collector::of("reqwest_tracing");
    let transport = Transport::new([503, 502, 200].map(status));
    let client = ClientBuilder::new(unused())
        .with(layer(Service::metronome()))
        .with(TracingMiddleware::default())
        .with(transport)
        .build();
    let response = client.post(LEDGER).send().await.unwrap();
    assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 3);
    let traced = collector.text();
    assert_eq!(collector.count("span: "), 3, "{traced}");
    let statuses: Vec<_> = traced.lines().filter_map(|line| line.strip_prefix("http.response.status_code=")).collect();
    assert_eq!(statuses, ["503", "502", "200"]);
}

#[tokio::test(start_paused = true)]
async fn call_has_one_span_above_the_layer() {
    let collector = Collector::of("reqwest_tracing");
    let transport = Transport::new([status(503), reply(404, &[], r#"{"message":"m","secret":"c4n4ry"}"#)]);
    let client = ClientBuilder::new(unused())
        .with(TracingMiddleware::default())
        .with(layer(Service::metronome()))
        .with(transport)
        .build();
    outer_error(client.post(LEDGER).header("idempotency-key", "c4n4ry-key")).await;
    let traced = collector.text();
    assert_eq!((collector.count("span: "), collector.count("c4n4ry")), (1, 0), "{traced}");
    assert!(traced.contains("error.message=") && traced.contains("404 Not Found"), "{traced}");
}

fn reqwest_retry() -> impl Middleware {
    let policy = ExponentialBackoff::builder().jitter(Jitter::None).build_with_max_retries(3);
    RetryTransientMiddleware::new_with_policy(policy)
}

/// reqwest-retry treats every middleware error as final, so the layer's error is not retried again.
#[tokio::test(start_paused = true)]
async fn reqwest_retry_above_does_not_repeat_the_call() {
    for (script, expected) in [
        (vec![404], (ErrorKind::NotFound, StopReason::Permanent, Applied::No)),
        (vec![503, 503, 503], (ErrorKind::Server, StopReason::AttemptsExhausted, Applied::Unknown)),
        (vec![429, 429, 429], (ErrorKind::RateLimited, StopReason::AttemptsExhausted, Applied::No)),
    ] {
        let attempts = script.len();
        let transport = Transport::new(script.into_iter().map(status));
        let client = ClientBuilder::new(unused())
            .with(reqwest_retry())
            .with(layer(Service::metronome()))
            .with(transport.clone())
            .build();
        let outer = outer_error(client.post(LEDGER).body("{}")).await;
        assert_eq!(transport.sent().len(), attempts, "the layer's own attempts, and no second call");

        assert_eq!(facts(Error::find(&outer).unwrap()), expected);
        let reqwest_middleware::Error::Middleware(outer) = outer else { panic!("{outer:?}") };
        assert!(matches!(outer.downcast_ref::<RetryError>(), Some(RetryError::Error(_))), "wrapped in `RetryError`");
    }
}

/// A request to an unknown host passes through the layer and is retried by reqwest-retry.
#[tokio::test(start_paused = true)]
async fn reqwest_retry_above_repeats_other_requests() {
    let transport = Transport::new([503, 200].map(status));
    let client = ClientBuilder::new(unused())
        .with(reqwest_retry())
        .with(layer(Service::metronome()))
        .with(transport.clone())
        .build();
    let response = client.get("https://example.com/").send().await.unwrap();
    assert_eq!((response.status(), transport.sent().len()), (StatusCode::OK, 2));
}

/// In the other order the attempts multiply, and the layer does not see the additional ones.
#[tokio::test(start_paused = true)]
async fn reqwest_retry_below_multiplies_attempts() {
    let transport = Transport::new((0..12).map(|_| status(503)));
    let client = ClientBuilder::new(unused())
        .with(layer(Service::metronome()))
        .with(reqwest_retry())
        .with(transport.clone())
        .build();
    let outer = outer_error(client.post(LIST)).await;
    assert_eq!((Error::find(&outer).unwrap().attempts().count(), transport.sent().len()), (3, 12));
}
