//! A service that sends a stored success again under an error's status.

use std::time::Duration;

use http::{Method, StatusCode};
use reqwest_safe_retry::{
    Applied, Attempts, BooleanHeader, Effect, ErrorKind, Idempotency, KeyKind, Meaning, RequestBuilderExt, Route,
    Service, ServiceBuilder, StopReason, Verdict, durable::InMemoryJournal,
};

use super::{facts, failure};
use crate::support::transport::{Reply, Transport, reply, status};

const PAYMENTS: &str = "https://api.example.com/payments";

fn keys() -> Idempotency {
    let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).replay_status(409);
    keys.retention(Duration::from_secs(24 * 3600))
}

fn service() -> ServiceBuilder {
    Service::builder("example", "https://api.example.com").idempotency(keys())
}

fn first_answer() -> Reply {
    reply(409, &[("x-request-id", "r1")], r#"{"id":"p1"}"#)
}

#[tokio::test(start_paused = true)]
async fn stored_success_is_the_response_of_the_call() {
    let transport = Transport::new([status(504), first_answer()]);
    let response = transport.client(service().build().unwrap()).post(PAYMENTS).send().await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["x-request-id"]),
        (StatusCode::CONFLICT, &"r1".parse().unwrap())
    );
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let replayed: Vec<_> = attempts.iter().map(|attempt| attempt.is_replayed()).collect();
    assert_eq!(replayed, [false, true], "{attempts}");
    assert_eq!(response.text().await.unwrap(), r#"{"id":"p1"}"#);
    let keys = transport.keys();
    assert!(keys[0].is_some() && keys[0] == keys[1]);
    // Also if another process was the first.
    let transport = Transport::new([first_answer()]);
    let response = transport.client(service().build().unwrap()).post(PAYMENTS).idempotency_key("mine").send().await;
    assert_eq!(response.unwrap().status(), StatusCode::CONFLICT);
}

/// Without a key the status means what it always means.
#[tokio::test(start_paused = true)]
async fn other_conflicts_are_errors() {
    let unkeyed = service().routes([Route::new(Method::POST, "/refunds", Effect::Write).unkeyed()]).build().unwrap();
    let transport = Transport::new([first_answer()]);
    failure!(transport.client(unkeyed).post("https://api.example.com/refunds"), |error| {
        assert_eq!(facts(error), (ErrorKind::Conflict, StopReason::Permanent, Applied::No));
    });
    let transport = Transport::new([first_answer()]);
    failure!(transport.client(service().build().unwrap()).get(PAYMENTS), |error| {
        assert_eq!(error.kind(), ErrorKind::Conflict);
    });
    let transport = Transport::new([status(422)]);
    failure!(transport.client(service().build().unwrap()).post(PAYMENTS), |error| {
        assert_eq!(facts(error), (ErrorKind::Unprocessable, StopReason::Permanent, Applied::No));
    });
}

/// The journal knows that the write took effect: a later call fetches the answer, and sends nothing else.
#[tokio::test(start_paused = true)]
async fn journal_records_a_stored_success_as_applied() {
    let service = service().journal(InMemoryJournal::default()).build().unwrap();
    let transport = Transport::new([status(504), first_answer(), first_answer(), status(400)]);
    let client = transport.client(service);
    for _ in 0..2 {
        client.post(PAYMENTS).body("{}").operation("charge").send().await.unwrap();
    }
    failure!(client.post(PAYMENTS).body("{}").operation("charge"), |error| {
        assert_eq!(error.applied(), Applied::Yes);
    });
}

#[test]
fn stored_success_is_explained() {
    let service = service().build().unwrap();
    let explanation = service.explain(&Method::POST, "/payments", StatusCode::CONFLICT, 1);
    assert_eq!(explanation.decision(), None);
    let expected = "409 Conflict means a stored success: it is returned as it is.";
    assert!(explanation.to_string().ends_with(expected), "{explanation}");
    assert!(service.explain(&Method::GET, "/payments", StatusCode::CONFLICT, 1).decision().is_some());
}

/// A service may mark every answer to a repeat: one that says "in progress", and one that refuses it, is not stored.
#[tokio::test(start_paused = true)]
async fn mark_beside_an_answer_that_is_not_stored_settles_nothing() {
    for (meaning, kind) in [
        (Meaning::InProgress, ErrorKind::KeyInProgress),
        (Meaning::Throttled, ErrorKind::RateLimited),
        (Meaning::Unavailable, ErrorKind::Server),
    ] {
        let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
            .replay_header(BooleanHeader::presence("x-repeated"));
        let service = Service::builder("example", "https://api.example.com").idempotency(keys);
        let service = service.response(409, meaning).verifier_fn(|_| async { Verdict::NotApplied });
        let running = || reply(409, &[("x-repeated", "1700000000")], "");
        let transport = Transport::new([status(504), running(), running()]);
        failure!(transport.client(service.build().unwrap()).post(PAYMENTS), |error| {
            assert_eq!(facts(error), (kind, StopReason::AttemptsExhausted, Applied::Unknown));
        });
        let keys = transport.keys();
        assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

/// A rule of the service would never be asked about the operation: "in progress" would be taken for a success.
#[test]
fn status_with_a_meaning_is_no_stored_success_of_a_route() {
    let plain = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess);
    let route = Route::new(Method::POST, "/payments", Effect::Write).idempotency(keys());
    let service = service().idempotency(plain).response_matching(409, "in progress", Meaning::InProgress);
    assert_eq!(
        service.routes([route]).build().unwrap_err().to_string(),
        "services.example.routes[0].idempotency.replay_status: 409 means something else by `responses[0]` of the service"
    );
}
