//! Settings of a single request.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Applied, Backoff, Effect, ErrorKind, RequestBuilderExt, RetryPolicy, Route, Service, StopReason, Verdict, services,
};
use tokio::time::Instant;

use super::{LEDGER, LIST, facts, failure};
use crate::support::transport::{Reply, Transport, reply, status};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn request_policy_has_precedence() {
    let policy = |attempts| RetryPolicy::new().max_attempts(attempts);
    let bare = || Service::builder("bare", "https://api.metronome.com");
    let by_service = || bare().retry_policy(policy(4));
    let route = Route::new(Method::POST, "/v1/contracts/list", Effect::Read).retry_policy(policy(5));
    let by_route = || by_service().routes([route.clone()]);
    for (service, by_request, sent) in [
        (bare(), None, 3),
        (by_service(), None, 4),
        (by_route(), None, 5),
        (by_route(), Some(policy(2)), 2),
        (by_service(), Some(RetryPolicy::never()), 1),
    ] {
        let transport = Transport::new((0..sent).map(|_| status(503)));
        let mut request = transport.client(service.build().unwrap()).post(LIST).effect(Effect::Read);
        if let Some(policy) = by_request {
            request = request.retry_policy(policy);
        }
        failure!(request, |error| assert_eq!(
            (error.stop(), error.attempts().count()),
            (StopReason::AttemptsExhausted, sent)
        ));
    }
    let transport = Transport::new([status(503)]);
    failure!(transport.client(bare().build().unwrap()).get(LIST).no_retries(), |error| {
        assert_eq!((error.stop(), error.attempts().count()), (StopReason::AttemptsExhausted, 1));
    });
}

#[tokio::test(start_paused = true)]
async fn request_deadline_keeps_the_rest_of_the_policy() {
    let transport = Transport::new([status(503), Reply::never()]);
    let started = Instant::now();
    failure!(transport.client(Service::metronome()).post(LEDGER).deadline(5 * SECOND), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::Unknown));
    });
    assert_eq!(started.elapsed(), 5 * SECOND);
    // With a policy of the request as well, in either order.
    let transport = Transport::new([Reply::never()]);
    let client = transport.client(Service::metronome());
    let request = client.post(LEDGER).deadline(7 * SECOND).retry_policy(RetryPolicy::new().deadline(SECOND));
    let started = Instant::now();
    failure!(request, |error| assert_eq!(error.stop(), StopReason::DeadlineExceeded));
    assert_eq!(started.elapsed(), 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn invalid_policy_is_rejected_unsent() {
    let transport = Transport::new([]);
    let client = transport.client(Service::metronome());
    let waits = Backoff::new(3 * SECOND, 3 * SECOND);
    for (request, message) in [
        (
            client.post(LEDGER).retry_policy(RetryPolicy::new().max_attempts(0)),
            "request.retry_policy.max_attempts: is 0, but the first attempt counts: use at least 1",
        ),
        (
            client.post(LEDGER).retry_policy(RetryPolicy::new().transient(waits)).deadline(SECOND),
            "request.retry_policy.transient.base: 3s is above the deadline 1s",
        ),
        (
            client.post(LEDGER).deadline(90_000 * SECOND),
            "request.retry_policy.deadline: 90000s is above the retention 86400s of keys",
        ),
    ] {
        failure!(request, |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidPolicy, StopReason::Permanent, Applied::No));
            assert_eq!(error.attempts().count(), 0);
            assert!(error.to_string().contains("invalid retry policy, nothing was sent"), "{error}");
            let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
            assert_eq!(causes.last().unwrap().to_string(), message);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn zero_deadline_sends_nothing() {
    let transport = Transport::new([]);
    failure!(transport.client(Service::metronome()).post(LEDGER).deadline(Duration::ZERO), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::No));
        assert_eq!(error.attempts().count(), 0);
    });
}

#[tokio::test(start_paused = true)]
async fn request_policy_changes_only_what_it_sets() {
    let policy = RetryPolicy::new().max_attempts(2).transient(Backoff::new(7 * SECOND, 7 * SECOND));
    let service = Service::metronome().into_builder().retry_policy(policy).build().unwrap();
    let transport = Transport::new([status(503), status(503)]);
    let started = Instant::now();
    let request = transport.client(service).post(LEDGER).retry_policy(RetryPolicy::new().buffer_bodies(1024));
    failure!(request, |error| assert_eq!(error.attempts().count(), 2));
    assert_eq!(started.elapsed(), 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn short_request_deadline_is_accepted() {
    let policy = RetryPolicy::new().transient(Backoff::new(7 * SECOND, 7 * SECOND));
    let service = Service::metronome().into_builder().retry_policy(policy).build().unwrap();
    let transport = Transport::new([status(503)]);
    failure!(transport.client(service).post(LEDGER).deadline(SECOND), |error| {
        assert_eq!((error.stop(), error.attempts().count()), (StopReason::DeadlineExceeded, 1));
    });
}

#[tokio::test(start_paused = true)]
async fn request_effect_changes_keys_and_retries() {
    let transport = Transport::new([status(503), status(200), status(503), status(200)]);
    let client = transport.client(Service::metronome());
    client.post(LEDGER).effect(Effect::Read).send().await.unwrap();
    client.post(LIST).effect(Effect::Write).send().await.unwrap();
    let keys = transport.keys();
    assert_eq!(keys[..2], [None, None]);
    assert!(keys[2].is_some() && keys[2] == keys[3]);
}

#[tokio::test(start_paused = true)]
async fn rotation_needs_a_verifier() {
    for effect in [Effect::Idempotent, Effect::Deduplicated, Effect::Write] {
        let transport = Transport::new([status(500), status(500)]);
        let request = transport.client(Service::metronome()).post(LEDGER).effect(effect);
        failure!(request, |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown), "{effect:?}");
        });
        let transport = Transport::new([status(500), status(500), status(200)]);
        let request = transport.client(Service::metronome()).post(LEDGER).effect(effect);
        let request = request.verifier_fn(|_| async { Verdict::NotApplied });
        request.send().await.unwrap();
        let keys = transport.keys();
        assert!(keys[0] == keys[1] && keys[1] != keys[2], "{effect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn request_verifier_replaces_the_services() {
    let service =
        Service::metronome().verifier_fn(|_| async { panic!("the service's verifier was called") as Verdict });
    let transport = Transport::new((0..3).map(|_| status(504)));
    let request = transport.client(service).post(LEDGER);
    let request = request.verifier_fn(|_| async { Verdict::Applied(None) });
    failure!(request, |error| assert_eq!((error.stop(), error.applied()), (StopReason::Permanent, Applied::Yes)));
}

#[tokio::test(start_paused = true)]
async fn request_key_uses_the_services_format() {
    let draft = services::idempotency_key_draft("draft", "https://api.metronome.com").build().unwrap();
    let transport = Transport::new([reply(200, &[], "")]);
    transport.client(draft).post(LEDGER).idempotency_key("mine").send().await.unwrap();
    assert_eq!(transport.keys(), [Some("\"mine\"".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn claimed_effect_sends_no_key_on_an_unkeyed_route() {
    let transport = Transport::new([status(200)]);
    let ingest = transport.client(Service::metronome()).post("https://api.metronome.com/v1/ingest");
    ingest.effect(Effect::Write).send().await.unwrap();
    assert_eq!(transport.keys(), [None]);
}
