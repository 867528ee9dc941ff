//! Services described by data: a custom one, and those with their key in the body.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Applied, BooleanHeader, Effect, Error, ErrorFormat, ErrorKind, Idempotency, IdempotencyKey, KeyCharacters, KeyKind,
    Meaning, Probe, RateLimiting, RetryAfterSource, RetryAfterUnit, RetryPolicy, Service, StopReason, services,
};
use serde_json::json;

use super::{facts, failure};
use crate::support::transport::{Transport, reply, status};

const URL: &str = "https://billing.internal/v1/invoices";

fn custom() -> Service {
    Service::builder("billing", "https://billing.internal/v1")
        .idempotency(
            Idempotency::header("X-Request-Key", KeyKind::ReplayAll)
                .retention(Duration::from_secs(3600))
                .replay_header(BooleanHeader::new("x-idempotency-status").values("replayed", "processed")),
        )
        .response(417, Meaning::PayloadMismatch)
        .response_matching(503, "in flight", Meaning::InProgress)
        .retry_signal(BooleanHeader::new("x-do-not-retry").values("false", "true"))
        .rate_limiting(
            RateLimiting::new()
                .retry_after([RetryAfterSource::header("x-wait-ms").unit(RetryAfterUnit::Milliseconds)])
                .scope_header("x-limit", ["account"]),
        )
        .route(Method::POST, "/search", Effect::Read)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn custom_service_follows_its_description() {
    let key = |transport: &Transport| transport.header("x-request-key");
    // A status that means a payload mismatch here.
    let transport = Transport::new([status(417)]);
    failure!(transport.client(custom()).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::PayloadMismatch, StopReason::Permanent, Applied::No));
    });
    // A 503 that means in progress, then a wait in milliseconds from the custom header.
    let transport = Transport::new([
        reply(503, &[], r#"{"message":"a request with this key is In Flight"}"#),
        reply(429, &[("x-wait-ms", "1500"), ("retry-after", "30"), ("x-limit", "account")], ""),
        status(200),
    ]);
    transport.client(custom()).post(URL).send().await.unwrap();
    let waits: Vec<_> = transport.sent().windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert_eq!(waits, [500, 1650]);
    assert!(key(&transport).iter().all(|sent| *sent == key(&transport)[0]));
    // A replay marked by a header value, which skips the probe.
    let transport = Transport::new([reply(500, &[("x-idempotency-status", "Replayed")], "")]);
    failure!(transport.client(custom()).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown));
        assert!(error.attempts().iter().all(|attempt| attempt.is_replayed()));
    });
    // A retry signal with inverted values.
    let transport = Transport::new([reply(503, &[("x-do-not-retry", "true")], "")]);
    failure!(transport.client(custom()).post(URL), |error| assert_eq!(error.stop(), StopReason::Permanent));
    let transport = Transport::new([reply(404, &[("x-do-not-retry", "false")], ""), status(200)]);
    transport.client(custom()).post(URL).send().await.unwrap();
    // A read by route.
    let transport = Transport::new([status(500), status(200)]);
    transport.client(custom()).post("https://billing.internal/v1/search").send().await.unwrap();
    assert_eq!(key(&transport), [None, None]);
}

#[tokio::test(start_paused = true)]
async fn disabled_probe_stops_after_500() {
    let service = custom().into_builder().map_idempotency(|keys| keys.probe(Probe::Never)).build().unwrap();
    let transport = Transport::new([status(500)]);
    failure!(transport.client(service).post(URL), |error| assert_eq!(error.stop(), StopReason::Unverified));
}

#[tokio::test(start_paused = true)]
async fn key_with_wrong_characters_is_rejected() {
    let uuids = custom().into_builder().map_idempotency(|keys| keys.characters(KeyCharacters::Uuid)).build().unwrap();
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
async fn body_key_is_always_preserved() {
    let body = json!({"idempotency_key": "mine", "amount": 1});
    let transport = Transport::new([status(504), status(500), status(200)]);
    transport.client(services::square()).post(PAYMENTS).json(&body).send().await.unwrap();
    assert!(transport.sent().iter().all(|sent| sent.body == body.to_string().as_bytes()));
    assert_eq!(transport.keys(), [None, None, None], "nothing is added");

    let transport = Transport::new((0..3).map(|_| status(503)));
    failure!(transport.client(services::square()).post(PAYMENTS).json(&body), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::AttemptsExhausted, Applied::Unknown));
        assert_eq!(error.key().map(IdempotencyKey::as_str), Some("mine"));
    });
    let reused = r#"{"errors":[{"category":"INVALID_REQUEST_ERROR","code":"IDEMPOTENCY_KEY_REUSED","detail":"d"}]}"#;
    let transport = Transport::new([reply(400, &[], reused)]);
    failure!(transport.client(services::square()).post(PAYMENTS).json(&body), |error| {
        assert_eq!(
            (error.kind(), error.message(), error.code()),
            (ErrorKind::PayloadMismatch, "d", Some("IDEMPOTENCY_KEY_REUSED"))
        );
    });
}

#[tokio::test(start_paused = true)]
async fn body_without_key_member_is_unkeyed() {
    for body in [
        json!({"amount": 1}),
        json!({"idempotency_key": null}),
        json!({"idempotency_key": ""}),
        json!({"idempotency_key": {}}),
    ] {
        for attempts in [1, 3] {
            let service = services::square()
                .into_builder()
                .retry_policy(RetryPolicy::new().max_attempts(attempts))
                .build()
                .unwrap();
            let transport = Transport::new([status(503)]);
            failure!(transport.client(service).post(PAYMENTS).json(&body), |error| {
                assert_eq!((error.stop(), error.key()), (StopReason::NotIdempotent, None), "{body}");
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn extension_must_match_body_key() {
    let transport = Transport::new([status(200), status(200)]);
    let client = transport.client(services::square());
    let post = |body| client.post(PAYMENTS).json(&body).with_extension(IdempotencyKey::new("mine"));
    post(json!({"idempotency_key": "mine"})).send().await.unwrap();
    for body in [json!({"idempotency_key": "other"}), json!({"idempotency_key": null}), json!([])] {
        failure!(post(body), |error| assert_eq!(error.kind(), ErrorKind::InvalidKey));
    }
    // It is written where there is none.
    post(json!({})).send().await.unwrap();
    assert_eq!(transport.sent()[1].body, br#"{"idempotency_key":"mine"}"#);
}

#[tokio::test(start_paused = true)]
async fn repeated_event_already_exists() {
    let duplicate = r#"{"status":422,"error":"Unprocessable Entity","code":"validation_errors","error_details":{"transaction_id":["value_already_exist"]}}"#;
    let transport = Transport::new([status(504), reply(422, &[], duplicate)]);
    let request = transport.client(services::lago_deduplicated()).post("https://api.getlago.com/api/v1/events");
    failure!(request.json(&json!({"event": {"transaction_id": "t-1"}})), |error| {
        assert_eq!(facts(error), (ErrorKind::AlreadyExists, StopReason::Permanent, Applied::Unknown));
    });
    let transport = Transport::new([status(504), status(200)]);
    let request = transport.client(services::lago_deduplicated()).post("https://api.getlago.com/api/v1/events/batch");
    request.json(&json!({"events": [{"transaction_id": "t-1"}]})).send().await.unwrap();
    // Whether an event is deduplicated depends on what stores it.
    for path in ["events", "events/batch"] {
        let transport = Transport::new([status(504)]);
        let request = transport.client(services::lago()).post(format!("https://api.getlago.com/api/v1/{path}"));
        failure!(request.json(&json!({"event": {"transaction_id": "t-1"}})), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown));
        });
    }
}

const TRANSACTIONS: &str = "https://api.fireblocks.io/v1/transactions";

#[tokio::test(start_paused = true)]
async fn fireblocks_deduplicates_by_external_id() {
    // The key is unusable after an internal error, but the transaction's own id tells a repeat from another transaction.
    let transport = Transport::new([status(500), status(200)]);
    let request = transport.client(services::fireblocks()).post(TRANSACTIONS);
    request.json(&json!({"externalTxId": "payout-7"})).send().await.unwrap();
    assert_ne!(transport.keys()[0], transport.keys()[1]);

    let transport = Transport::new([status(500)]);
    failure!(transport.client(services::fireblocks()).post(TRANSACTIONS).json(&json!({})), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown));
    });
    let transport = Transport::new([status(200)]);
    let client = transport.client(services::fireblocks());
    let with_key = |length| client.post(TRANSACTIONS).with_extension(IdempotencyKey::new("k".repeat(length)));
    with_key(40).send().await.unwrap();
    failure!(with_key(41), |error| assert_eq!(error.kind(), ErrorKind::InvalidKey));
    assert_eq!(services::fireblocks().idempotency().retention, Some(Duration::from_secs(24 * 3600)));
}

#[tokio::test(start_paused = true)]
async fn solid_stores_its_errors() {
    const URL: &str = "https://api.solidfi.com/v2/payment";
    // Asked once with the same key, then only with a new one, for which there is no verdict.
    let transport = Transport::new([status(500), status(500)]);
    failure!(transport.client(services::solid()).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown));
    });
    let conflict = reply(409, &[], r#"{"errorCode":"EC_QLDB_OCC_ERROR_RETRY"}"#);
    let transport = Transport::new([conflict, status(200)]);
    transport.client(services::solid()).post(URL).send().await.unwrap();
    assert_ne!(transport.keys()[0], transport.keys()[1], "nothing happened, and the key is used up");
}

#[tokio::test(start_paused = true)]
async fn patches_are_keyed_where_the_sdks_key_them() {
    for service in [services::modern_treasury(), services::increase(), services::orb(), services::zuora()] {
        let url = format!("{}/things/1", service.base_url().trim_end_matches('/'));
        let transport = Transport::new([status(502), status(200)]);
        transport.client(service.clone()).patch(url).send().await.unwrap();
        let keys = transport.keys();
        assert!(keys[0].is_some() && keys[0] == keys[1], "{}", service.name());
    }
}

#[tokio::test(start_paused = true)]
async fn header_request_id_beats_the_body() {
    let service = Service::builder("api", "https://api.example.com");
    let service = service.error_format(ErrorFormat::new().request_id(["/id"])).build().unwrap();
    let body = r#"{"id":"of the body"}"#;
    for (headers, id) in [(&[][..], "of the body"), (&[("request-id", "of the header")], "of the header")] {
        let transport = Transport::new([reply(402, headers, body)]);
        let outer = transport.client(service.clone()).get("https://api.example.com/").send().await.unwrap_err();
        assert_eq!(Error::find(&outer).unwrap().request_id(), Some(id));
    }
}

#[tokio::test(start_paused = true)]
async fn vendor_error_bodies_are_typed() {
    use reqwest_safe_retry::services::{adyen, paypal, problem::ProblemDetails, stripe};

    async fn error_of(service: Service, body: &'static str) -> reqwest_middleware::Error {
        let url = format!("{}/anything", service.base_url().trim_end_matches('/'));
        let transport = Transport::new([reply(402, &[], body)]);
        transport.client(service).get(url).send().await.unwrap_err()
    }
    let outer = error_of(
        services::stripe::v1(),
        r#"{"error":{"type":"a_new_type","code":"card_declined","decline_code":["wrong"],"param":"source","message":"m"}}"#,
    )
    .await;
    let error = Error::find(&outer).unwrap();
    let body: stripe::ErrorBody = error.detail().unwrap();
    assert_eq!((error.message(), error.code(), error.error_type()), ("m", Some("card_declined"), Some("a_new_type")));
    assert_eq!((body.error.error_type.as_deref(), body.error.decline_code), (Some("a_new_type"), None));

    let outer =
        error_of(services::adyen(), r#"{"status":"x","errorCode":"704","message":"m","pspReference":"p"}"#).await;
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.code(), error.request_id()), (Some("704"), Some("p")));
    assert_eq!(error.detail::<adyen::ErrorBody>().unwrap().psp_reference.as_deref(), Some("p"));

    let outer = error_of(services::paypal(), r#"{"name":"N","details":{"not":"a list"},"debug_id":"d"}"#).await;
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.error_type(), error.request_id()), (Some("N"), Some("d")));
    assert_eq!(error.detail::<paypal::ErrorBody>().unwrap().details.len(), 0);

    let outer = error_of(services::orb(), r#"{"type":"t","title":7,"status":"402","detail":"d","more":[1]}"#).await;
    let problem: ProblemDetails = Error::find(&outer).unwrap().detail().unwrap();
    assert_eq!((problem.problem_type(), problem.title.as_deref(), problem.status), ("t", None, None));
    assert_eq!(problem.extensions["more"], json!([1]));
}

#[tokio::test(start_paused = true)]
async fn late_limiter_leaves_unkeyed_write_in_doubt() {
    let service = |limits| {
        let billing = Service::builder("billing", "https://billing.internal");
        billing.rate_limiting(limits).build().unwrap()
    };
    let transport = Transport::new([status(429)]);
    failure!(transport.client(service(RateLimiting::new().limiter_follows_execution())).post(URL), |error| {
        assert_eq!(facts(error), (ErrorKind::RateLimited, StopReason::NotIdempotent, Applied::Unknown));
    });
    let transport = Transport::new([status(429), status(200)]);
    transport.client(service(RateLimiting::new())).post(URL).send().await.unwrap();
}
