//! Services by data alone: one of the user's own, and those whose key stands in the body.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Applied, Effect, Error, ErrorKind, HintHeader, Idempotency, IdempotencyKey, KeyCharacters, KeyKind, Meaning, Probe,
    RateLimiting, RetryPolicy, Route, Service, Signal, Stop,
};
use serde_json::json;

use super::{facts, failure};
use crate::support::transport::{Transport, reply, status};

const URL: &str = "https://billing.internal/v1/invoices";

fn own() -> Service {
    Service::builder("billing")
        .base_url("https://billing.internal/v1")
        .idempotency(
            Idempotency::header("X-Request-Key", KeyKind::ReplayAll)
                .retention(Duration::from_secs(3600))
                .conflict(417, Meaning::OtherParameters)
                .conflict_saying(503, "in flight", Meaning::InProgress)
                .replay_marker(Signal::new("x-idempotency-status").saying("replayed", "processed")),
        )
        .retry_signal(Signal::new("x-do-not-retry").saying("false", "true"))
        .rate_limiting(RateLimiting::new().hints([HintHeader::millis("x-wait-ms")]).scope_header("x-limit"))
        .route(Method::POST, "/search", Effect::Read)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_own_service_follows_its_description() {
    let key = |transport: &Transport| transport.header("x-request-key");
    // Mismatch on a status of its own.
    let transport = Transport::new([status(417)]);
    failure!(transport.client(own()).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::KeyReused, Stop::Permanent, Applied::No));
    });
    // In progress within a 503, then its own wait in milliseconds.
    let transport = Transport::new([
        reply(503, &[], r#"{"message":"a request with this key is In Flight"}"#),
        reply(429, &[("x-wait-ms", "1500"), ("retry-after", "30"), ("x-limit", "account")], ""),
        status(200),
    ]);
    transport.client(own()).post(URL).send().await.unwrap();
    let waits: Vec<_> = transport.sent().windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert_eq!(waits, [500, 1650]);
    assert!(key(&transport).iter().all(|sent| *sent == key(&transport)[0]));
    // A replay told by a word, which skips the probe.
    let transport = Transport::new([reply(500, &[("x-idempotency-status", "Replayed")], "")]);
    failure!(transport.client(own()).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Unverified, Applied::Unknown));
        assert!(error.attempts().iter().all(|attempt| attempt.is_replayed()));
    });
    // A signal that says the opposite.
    let transport = Transport::new([reply(503, &[("x-do-not-retry", "true")], "")]);
    failure!(transport.client(own()).post(URL), |error| assert_eq!(error.stop(), Stop::Permanent));
    let transport = Transport::new([reply(404, &[("x-do-not-retry", "false")], ""), status(200)]);
    transport.client(own()).post(URL).send().await.unwrap();
    // A read by route.
    let transport = Transport::new([status(500), status(200)]);
    transport.client(own()).post("https://billing.internal/v1/search").send().await.unwrap();
    assert_eq!(key(&transport), [None, None]);
}

#[tokio::test(start_paused = true)]
async fn without_a_probe_a_500_is_not_tried_again_with_the_same_key() {
    let service = own().into_builder().map_idempotency(|keys| keys.probe(Probe::Never)).build().unwrap();
    let transport = Transport::new([status(500)]);
    failure!(transport.client(service).post(URL), |error| assert_eq!(error.stop(), Stop::Unverified));
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_wrong_characters_is_refused() {
    let uuids = own().into_builder().map_idempotency(|keys| keys.characters(KeyCharacters::Uuid)).build().unwrap();
    let transport = Transport::new([status(200), status(200)]);
    let client = transport.client(uuids);
    for bad in [
        "abc",
        "7c9e667974254 0de944be07fc1f90ae7",
        "7c9e6679742540de944be07fc1f90ae7",
        "zc9e6679-7425-40de-944b-e07fc1f90ae7",
    ] {
        let request = client.post(URL).with_extension(IdempotencyKey::new(bad));
        failure!(request, |error| assert_eq!(error.kind(), ErrorKind::InvalidKey, "{bad}"));
    }
    client.post(URL).with_extension(IdempotencyKey::new("7c9e6679-7425-40de-944b-e07fc1f90ae7")).send().await.unwrap();
    client.post(URL).send().await.unwrap();
}

const PAYMENTS: &str = "https://connect.squareup.com/v2/payments";

#[tokio::test(start_paused = true)]
async fn a_key_in_the_body_is_only_ever_preserved() {
    let body = json!({"idempotency_key": "mine", "amount": 1});
    let transport = Transport::new([status(504), status(500), status(200)]);
    transport.client(Service::square()).post(PAYMENTS).json(&body).send().await.unwrap();
    assert!(transport.sent().iter().all(|sent| sent.body == body.to_string().as_bytes()));
    assert_eq!(transport.keys(), [None, None, None], "nothing is added");

    let transport = Transport::new((0..3).map(|_| status(503)));
    failure!(transport.client(Service::square()).post(PAYMENTS).json(&body), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Attempts, Applied::Unknown));
        assert_eq!(error.key().map(IdempotencyKey::as_str), Some("mine"));
    });
    let reused = r#"{"errors":[{"category":"INVALID_REQUEST_ERROR","code":"IDEMPOTENCY_KEY_REUSED","detail":"d"}]}"#;
    let transport = Transport::new([reply(400, &[], reused)]);
    failure!(transport.client(Service::square()).post(PAYMENTS).json(&body), |error| {
        assert_eq!(
            (error.kind(), error.message(), error.code()),
            (ErrorKind::KeyReused, "d", Some("IDEMPOTENCY_KEY_REUSED"))
        );
    });
}

#[tokio::test(start_paused = true)]
async fn a_body_without_the_member_has_no_key() {
    for body in [
        json!({"amount": 1}),
        json!({"idempotency_key": null}),
        json!({"idempotency_key": ""}),
        json!({"idempotency_key": {}}),
    ] {
        for attempts in [1, 3] {
            let service =
                Service::square().into_builder().retry(RetryPolicy::new().max_attempts(attempts)).build().unwrap();
            let transport = Transport::new([status(503)]);
            failure!(transport.client(service).post(PAYMENTS).json(&body), |error| {
                assert_eq!((error.stop(), error.key()), (Stop::NotIdempotent, None), "{body}");
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_extension_must_agree_with_a_key_in_the_body() {
    let transport = Transport::new([status(200)]);
    let client = transport.client(Service::square());
    let post = |body| client.post(PAYMENTS).json(&body).with_extension(IdempotencyKey::new("mine"));
    post(json!({"idempotency_key": "mine"})).send().await.unwrap();
    for body in [json!({"idempotency_key": "other"}), json!({})] {
        failure!(post(body), |error| assert_eq!(error.kind(), ErrorKind::InvalidKey));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_is_found_by_its_id() {
    let duplicate = r#"{"status":422,"error":"Unprocessable Entity","code":"validation_errors","error_details":{"transaction_id":["value_already_exist"]}}"#;
    let transport = Transport::new([status(504), reply(422, &[], duplicate)]);
    let request = transport.client(Service::lago()).post("https://api.getlago.com/api/v1/events");
    failure!(request.json(&json!({"event": {"transaction_id": "t-1"}})), |error| {
        assert_eq!(facts(error), (ErrorKind::AlreadyExists, Stop::Permanent, Applied::Unknown));
    });
    let transport = Transport::new([status(504)]);
    let request = transport.client(Service::lago()).post("https://api.getlago.com/api/v1/events/batch");
    failure!(request.json(&json!({"events": [{"transaction_id": "t-1"}]})), |error| {
        assert_eq!(error.stop(), Stop::NotIdempotent);
    });
}

#[tokio::test(start_paused = true)]
async fn vendors_bodies_are_read_as_their_own_types() {
    use reqwest_safe_retry::{adyen, paypal, problem::ProblemDetails, stripe};

    async fn error_of(service: Service, body: &'static str) -> reqwest_middleware::Error {
        let url = format!("{}/anything", service.base_url().trim_end_matches('/'));
        let transport = Transport::new([reply(402, &[], body)]);
        transport.client(service).get(url).send().await.unwrap_err()
    }
    let outer = error_of(
        Service::stripe_v1(),
        r#"{"error":{"type":"a_new_type","code":"card_declined","decline_code":["wrong"],"param":"source","message":"m"}}"#,
    )
    .await;
    let error = Error::find(&outer).unwrap();
    let body: stripe::ErrorBody = error.detail().unwrap();
    assert_eq!((error.message(), error.code(), error.error_type()), ("m", Some("card_declined"), Some("a_new_type")));
    assert_eq!((body.error.error_type.as_deref(), body.error.decline_code), (Some("a_new_type"), None));

    let outer =
        error_of(Service::adyen(), r#"{"status":"x","errorCode":"704","message":"m","pspReference":"p"}"#).await;
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.code(), error.request_id()), (Some("704"), Some("p")));
    assert_eq!(error.detail::<adyen::ErrorBody>().unwrap().psp_reference.as_deref(), Some("p"));

    let outer = error_of(Service::paypal(), r#"{"name":"N","details":{"not":"a list"},"debug_id":"d"}"#).await;
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.error_type(), error.request_id()), (Some("N"), Some("d")));
    assert_eq!(error.detail::<paypal::ErrorBody>().unwrap().details.len(), 0);

    let outer = error_of(Service::orb(), r#"{"type":"t","title":7,"status":"402","detail":"d","more":[1]}"#).await;
    let problem: ProblemDetails = Error::find(&outer).unwrap().detail().unwrap();
    assert_eq!((problem.problem_type(), problem.title.as_deref(), problem.status), ("t", None, None));
    assert_eq!(problem.extensions["more"], json!([1]));
}

/// A service whose writes are guarded by something that one which broke halfway may lack.
fn half_done_guarded(keys: Idempotency) -> Service {
    let guarded = Route::new(Method::POST, "/v1/invoices", Effect::Write);
    Service::builder("billing")
        .base_url("https://billing.internal")
        .idempotency(keys)
        .routes([guarded.deduplicated_unless_half_done_by("/uniqueness_key")])
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_a_half_done_write_lacks_counts_until_an_internal_error_was_met() {
    let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll);
    let service = half_done_guarded(keys.conflict_saying(409, "lost lock", Meaning::RotateAtOnce));
    let edit = |transport: &Transport| transport.client(service.clone()).post(URL).body(r#"{"uniqueness_key":"u"}"#);
    let lost_lock = || reply(409, &[], r#"{"message":"lost lock"}"#);
    // What the gateway lost was whole or nothing: a repeat under a new key is refused where it took effect.
    let transport = Transport::new([status(504), lost_lock(), status(200)]);
    edit(&transport).send().await.unwrap();
    let keys = transport.keys();
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
    // What broke may be half done, and would be done from the start.
    let transport = Transport::new([status(500), lost_lock()]);
    failure!(edit(&transport), |error| {
        assert_eq!(facts(error), (ErrorKind::KeyBurnt, Stop::Unverified, Applied::Unknown));
    });
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_a_half_done_write_lacks_does_not_hold_after_the_error_itself() {
    let service = half_done_guarded(Idempotency::header("Idempotency-Key", KeyKind::Poisoned));
    let transport = Transport::new([status(500)]);
    failure!(transport.client(service).post(URL).body(r#"{"uniqueness_key":"u"}"#), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, Stop::Unverified, Applied::Unknown));
    });
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_may_follow_execution_leaves_a_write_without_a_key_in_doubt() {
    let service = |limits| {
        let billing = Service::builder("billing").base_url("https://billing.internal");
        billing.rate_limiting(limits).build().unwrap()
    };
    let transport = Transport::new([status(429)]);
    failure!(transport.client(service(RateLimiting::new().limiter_follows_execution())).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::RateLimited, Stop::NotIdempotent, Applied::Unknown));
    });
    let transport = Transport::new([status(429), status(200)]);
    transport.client(service(RateLimiting::new())).post(URL).send().await.unwrap();
}
