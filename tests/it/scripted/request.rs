//! What a single request changes, and what it cannot.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Applied, ConfigError, Doubt, Effect, ErrorKind, RequestBuilderExt, RetryPolicy, Route, Service, Stop, Verdict,
};
use tokio::time::Instant;

use super::{LEDGER, LIST, facts, failure, outer_error};
use crate::support::transport::{Reply, Transport, reply, status};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_request_counts_before_the_route_the_service_and_the_default() {
    let policy = |attempts| RetryPolicy::new().max_attempts(attempts);
    let bare = || Service::builder("bare").base_url("https://api.metronome.com");
    let by_service = || bare().retry(policy(4));
    let route = Route::new(Method::POST, "/v1/contracts/list", Effect::Read).retry(policy(5));
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
        failure!(request, |error| assert_eq!((error.stop(), error.attempts().count()), (Stop::Attempts, sent)));
    }
    let transport = Transport::new([status(503)]);
    failure!(transport.client(bare().build().unwrap()).get(LIST).no_retries(), |error| {
        assert_eq!((error.stop(), error.attempts().count()), (Stop::Attempts, 1));
    });
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_request_holds_with_the_rest_of_the_policy() {
    let transport = Transport::new([status(503), Reply::Silence]);
    let started = Instant::now();
    failure!(transport.client(Service::metronome()).post(LEDGER).deadline(5 * SECOND), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, Stop::Deadline, Applied::Unknown));
    });
    assert_eq!(started.elapsed(), 5 * SECOND);
    // Together with a policy of the request, in either order.
    let transport = Transport::new([Reply::Silence]);
    let client = transport.client(Service::metronome());
    let request = client.post(LEDGER).deadline(7 * SECOND).retry_policy(RetryPolicy::new().deadline(SECOND));
    let started = Instant::now();
    failure!(request, |error| assert_eq!(error.stop(), Stop::Deadline));
    assert_eq!(started.elapsed(), 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_makes_no_sense_is_refused_before_anything_is_sent() {
    let transport = Transport::new([]);
    let client = transport.client(Service::metronome());
    for (request, mistake) in [
        (client.post(LEDGER).retry_policy(RetryPolicy::new().max_attempts(0)), "request.retry.max_attempts: is 0"),
        (client.post(LEDGER).deadline(Duration::ZERO), "request.retry.deadline: is 0"),
    ] {
        let outer = outer_error(request).await;
        let reqwest_middleware::Error::Middleware(error) = outer else { panic!("{outer}") };
        let error = error.downcast_ref::<ConfigError>().unwrap();
        assert!(error.to_string().starts_with(mistake), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claimed_effect_changes_keys_and_repeats() {
    let transport = Transport::new([status(503), status(200), status(503), status(200)]);
    let client = transport.client(Service::metronome());
    client.post(LEDGER).effect(Effect::Read).send().await.unwrap();
    client.post(LIST).effect(Effect::Write).send().await.unwrap();
    let keys = transport.keys();
    assert_eq!(keys[..2], [None, None]);
    assert!(keys[2].is_some() && keys[2] == keys[3]);
}

#[tokio::test(start_paused = true)]
async fn a_request_never_switches_rotation_on_without_a_verifier() {
    for effect in [Effect::Idempotent, Effect::Deduplicated, Effect::Write] {
        let transport = Transport::new([status(500), status(500)]);
        let request = transport.client(Service::metronome()).post(LEDGER).effect(effect);
        failure!(request, |error| {
            assert_eq!(facts(error), (ErrorKind::Server, Stop::Unverified, Applied::Unknown), "{effect:?}");
        });
        let transport = Transport::new([status(500), status(500), status(200)]);
        let request = transport.client(Service::metronome()).post(LEDGER).effect(effect);
        let request = request.verifier(|_: &Doubt<'_>| async { Verdict::NotApplied });
        request.send().await.unwrap();
        let keys = transport.keys();
        assert!(keys[0] == keys[1] && keys[1] != keys[2], "{effect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_verifier_of_the_request_is_asked_in_place_of_the_services() {
    let service = Service::metronome().verifier(|_: &Doubt<'_>| async { panic!("not this one") as Verdict });
    let transport = Transport::new((0..3).map(|_| status(504)));
    let request = transport.client(service).post(LEDGER);
    let request = request.verifier(|_: &Doubt<'_>| async { Verdict::Applied(None) });
    failure!(request, |error| assert_eq!((error.stop(), error.applied()), (Stop::Permanent, Applied::Yes)));
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_request_is_sent_as_the_service_writes_it() {
    let draft = Service::idempotency_key_draft("draft").base_url("https://api.metronome.com").build().unwrap();
    let transport = Transport::new([reply(200, &[], "")]);
    transport.client(draft).post(LEDGER).idempotency_key("mine").send().await.unwrap();
    assert_eq!(transport.keys(), [Some("\"mine\"".to_owned())]);
}
