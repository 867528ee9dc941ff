//! What error responses mean beyond their status: by rules of the description, and by a classifier.

use std::time::Duration;

use http::Method;
use reqwest::Body;
use reqwest_safe_retry::{
    Applied, Classifier, ConcurrencyLimit, Effect, Error, ErrorKind, ErrorResponse, Idempotency, KeyKind, Meaning,
    RateLimiting, RequestBuilderExt, ResponseRule, Route, Service, ServiceBuilder, StopReason,
};

use super::{facts, owned_failure};
use crate::support::transport::{Reply, Transport, reply, status};

const URL: &str = "https://billing.internal/charge";
const QUOTA: &str = r#"{"errors":[{"code":"other"},{"code":"quota_exceeded"}]}"#;

fn billing() -> ServiceBuilder {
    Service::builder("billing", "https://billing.internal")
}

fn rules() -> ServiceBuilder {
    billing()
        .responses([ResponseRule::new(429, Meaning::Final).text("quota_exceeded").at("/errors/*/code")])
        .responses([ResponseRule::new(403, Meaning::Throttled).header_value("x-remaining", "0")])
        .response_matching(400, "ThrottlingException", Meaning::Throttled)
        .response_matching(503, "SlowDown", Meaning::Throttled)
        .response(430, Meaning::Unavailable)
        .response(529, Meaning::Unavailable)
        .response_matching(500, "disabled", Meaning::Final)
}

fn keyed() -> ServiceBuilder {
    rules().idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess))
}

/// How long the second attempt waited.
async fn waited(service: ServiceBuilder, method: Method, first: Reply) -> Duration {
    let transport = Transport::new([first, status(200)]);
    transport.client(service.build().unwrap()).request(method, URL).send().await.unwrap();
    let sent = transport.sent();
    sent[1].at - sent[0].at
}

/// The part that is missing may say that the write may have been executed.
#[tokio::test(start_paused = true)]
async fn cut_off_body_may_have_what_a_rule_looks_for() {
    let broken = || {
        let parts = [Ok(r#"{"code":"upstream"#), Err(std::io::Error::other("gone"))];
        reply(409, &[], Body::wrap_stream(futures_util::stream::iter(parts)))
    };
    let key = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess);
    let (none, timeout) = (billing(), |meaning| billing().response_matching(409, "upstream_timeout", meaning));
    for (service, attempts, applied) in [
        (none, 1, Applied::No),
        (timeout(Meaning::Unavailable), 1, Applied::Unknown),
        (timeout(Meaning::Unavailable).idempotency(key.clone()), 2, Applied::Unknown),
        (timeout(Meaning::InProgress).idempotency(key), 2, Applied::Unknown),
        (timeout(Meaning::PayloadMismatch), 1, Applied::No),
    ] {
        let transport = Transport::new([broken(), status(400)]);
        let error = owned_failure(transport.client(service.build().unwrap()).post(URL).body("{}")).await;
        assert_eq!((error.attempts().count(), error.applied()), (attempts, applied), "{error}");
    }
}

/// A refusal waits as a 429 does, an overload as a gateway's error; a write without a key is sent again after a refusal.
#[tokio::test(start_paused = true)]
async fn refusals_and_overloads_are_repeated() {
    let (throttled, transient) = (Duration::from_secs(1), Duration::from_millis(500));
    for (first, wait) in [
        (reply(400, &[], r#"{"code":"ThrottlingException"}"#), throttled),
        (reply(503, &[], "<Error><Code>SlowDown</Code></Error>"), throttled),
        (reply(403, &[("x-remaining", "0")], ""), throttled),
    ] {
        assert_eq!(waited(rules(), Method::POST, first).await, wait);
    }
    for (method, first) in [(Method::GET, 430), (Method::GET, 529)] {
        assert_eq!(waited(rules(), method, status(first)).await, transient);
    }
    assert_eq!(waited(keyed(), Method::POST, status(529)).await, transient);
}

#[tokio::test(start_paused = true)]
async fn final_responses_and_overloads_of_writes_are_not_repeated() {
    for (service, first, expected) in [
        (rules(), reply(429, &[], QUOTA), (ErrorKind::RateLimited, StopReason::Permanent, Applied::No)),
        (keyed(), reply(429, &[], QUOTA), (ErrorKind::RateLimited, StopReason::Permanent, Applied::No)),
        (keyed(), reply(500, &[], "disabled"), (ErrorKind::Server, StopReason::Permanent, Applied::Unknown)),
        (rules(), status(529), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown)),
        (rules(), status(430), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown)),
        (rules(), status(403), (ErrorKind::Forbidden, StopReason::Permanent, Applied::No)),
        (rules(), status(400), (ErrorKind::BadRequest, StopReason::Permanent, Applied::No)),
        // What the header of the service says is one thing, what its description calls final another.
        (
            rules().retry_signal("x-should-retry"),
            reply(429, &[("x-should-retry", "true")], QUOTA),
            (ErrorKind::RateLimited, StopReason::Permanent, Applied::No),
        ),
        (
            rules().rate_limiting(RateLimiting::new().limiter_follows_execution()),
            reply(400, &[], "ThrottlingException"),
            (ErrorKind::RateLimited, StopReason::NotIdempotent, Applied::Unknown),
        ),
    ] {
        let transport = Transport::new([first]);
        let error = owned_failure(transport.client(service.build().unwrap()).post(URL)).await;
        assert_eq!(facts(&error), expected, "{error}");
    }
}

/// What the limit shows after few and after many calls were answered so.
async fn limit_after(service: &ServiceBuilder, reply: impl Fn() -> Reply) -> String {
    let service = service.clone().build().unwrap();
    let transport = Transport::new((0..30).map(|_| reply()));
    let client = transport.client(service.clone());
    let mut shown = String::new();
    for _ in 0..30 {
        let _ = client.get(URL).no_retries().deadline(Duration::from_secs(1)).send().await;
        let health = service.health();
        shown += &format!("{:?} {}, ", health.concurrency_limit, health.paused.is_some());
    }
    shown
}

/// Refusals pace the limit, overloads close it, and what is final does neither.
#[tokio::test(start_paused = true)]
async fn limit_is_told_what_a_response_means() {
    let plain = |code| move || status(code);
    let [refused, away, fine] = [429, 503, 404].map(plain);
    let (refused, away, fine) = (
        limit_after(&billing(), refused).await,
        limit_after(&billing(), away).await,
        limit_after(&billing(), fine).await,
    );
    assert!(refused != fine && away != fine && refused != away, "{refused} {away} {fine}");
    let quota = || reply(429, &[], QUOTA);
    assert_eq!(limit_after(&rules(), || reply(400, &[], "ThrottlingException")).await, refused);
    assert_eq!(limit_after(&rules(), || reply(503, &[], "SlowDown")).await, refused);
    assert_eq!(limit_after(&rules(), plain(430)).await, away);
    assert_eq!(limit_after(&rules(), plain(529)).await, away);
    assert_eq!(limit_after(&rules(), quota).await, fine);
    assert_eq!(limit_after(&billing(), quota).await, refused);
    // Without the text the status decides, and a classifier counts as a rule does.
    assert_eq!(limit_after(&rules(), plain(429)).await, refused);
    assert_eq!(limit_after(&rules(), plain(503)).await, away);
    let classifier = billing().classifier(|_: &ErrorResponse<'_>| Some(Meaning::Throttled));
    assert_eq!(limit_after(&classifier, plain(400)).await, refused);
}

/// The permit of an attempt whose body decides is given back if the call is dropped while the body is read.
#[tokio::test(start_paused = true)]
async fn dropped_call_gives_its_permit_back() {
    let service = rules().concurrency_limit(ConcurrencyLimit::Fixed(1)).build().unwrap();
    let endless = Body::wrap_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let transport = Transport::new([reply(429, &[], endless), status(200)]);
    let client = transport.client(service.clone());
    let call = client.get(URL).send();
    assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    assert_eq!(service.health().in_flight, 0);
    client.get(URL).send().await.unwrap();
}

/// A route's rules come before the service's, and hold for no other.
#[tokio::test(start_paused = true)]
async fn rules_of_a_route_come_first() {
    let poll = Route::new(Method::GET, "/jobs/{id}", Effect::Read);
    let service = billing()
        .response(404, Meaning::Final)
        .routes([poll.responses([ResponseRule::new(404, Meaning::Unavailable)])])
        .build()
        .unwrap();
    let transport = Transport::new([404, 200, 404].map(status));
    let client = transport.client(service);
    client.get("https://billing.internal/jobs/7").send().await.unwrap();
    let error = owned_failure(client.get("https://billing.internal/charges/7")).await;
    assert_eq!(facts(&error), (ErrorKind::NotFound, StopReason::Permanent, Applied::No));
}

/// A rule about keys is passed over for a request without one.
#[tokio::test(start_paused = true)]
async fn rule_that_does_not_apply_is_passed_over() {
    let service = billing().response_matching(409, "busy", Meaning::InProgress).response(409, Meaning::Throttled);
    assert_eq!(waited(service, Method::POST, reply(409, &[], "busy")).await, Duration::from_secs(1));
}

/// A new key would double a write of this operation, so a rule that asks for one says nothing about it.
#[tokio::test(start_paused = true)]
async fn rule_that_asks_for_a_new_key_is_passed_over_where_that_doubles() {
    let keys = |kind| Idempotency::header("Idempotency-Key", kind);
    let route = Route::new(Method::POST, "/charge", Effect::Write).idempotency(keys(KeyKind::ReplaySuccess));
    let service = billing().idempotency(keys(KeyKind::ReplayAll)).response(409, Meaning::NotApplied).routes([route]);
    let transport = Transport::new([status(409)]);
    let error = owned_failure(transport.client(service.build().unwrap()).post(URL)).await;
    assert_eq!(facts(&error), (ErrorKind::Conflict, StopReason::Permanent, Applied::No));
}

fn classified(meaning: Meaning) -> impl Classifier {
    move |_: &ErrorResponse<'_>| Some(meaning)
}

/// "Throttled" proves nothing on a status after which the request may have been executed.
#[tokio::test(start_paused = true)]
async fn classifier_never_opens_a_write_without_a_key() {
    for (first, is_repeated) in
        [(400, true), (429, true), (408, false), (424, false), (500, false), (503, false), (599, false)]
    {
        for meaning in [Meaning::Throttled, Meaning::Unavailable, Meaning::InProgress, Meaning::NotApplied] {
            let service = billing().classifier(classified(meaning)).build().unwrap();
            let transport = Transport::new([first, 200].map(status));
            let sent = transport.client(service).post(URL).send().await;
            let expected = match meaning {
                Meaning::Throttled => is_repeated,
                // By the status alone.
                Meaning::InProgress | Meaning::NotApplied => first == 429,
                _ => false,
            };
            assert_eq!(sent.is_ok(), expected, "{meaning:?} {first}");
            if meaning == Meaning::Throttled && !is_repeated {
                let error = sent.unwrap_err();
                let error = Error::find(&error).unwrap();
                let expected = (ErrorKind::RateLimited, StopReason::NotIdempotent, Applied::Unknown);
                assert_eq!(facts(error), expected);
            }
        }
    }
}

/// Behind an error of the server the write itself may have made what exists.
#[tokio::test(start_paused = true)]
async fn what_exists_beside_a_server_error_leaves_doubt() {
    for (first, applied) in [(400, Applied::No), (409, Applied::No), (408, Applied::Unknown), (500, Applied::Unknown)] {
        for service in [billing(), keyed()] {
            let transport = Transport::new([status(first)]);
            let service = service.classifier(classified(Meaning::AlreadyExists)).build().unwrap();
            let error = owned_failure(transport.client(service).post(URL)).await;
            assert_eq!(facts(&error), (ErrorKind::AlreadyExists, StopReason::Permanent, applied), "{first}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn classifier_sees_the_response_before_the_rules() {
    let classify = |response: &ErrorResponse<'_>| {
        assert_eq!((response.service(), response.method()), ("billing", &Method::GET));
        assert_eq!(response.template().as_deref(), Some("/items/{id}"));
        assert_eq!((response.path(), response.code()), ("/items/7", Some("c")));
        assert_eq!((response.message(), response.json("/left").as_deref()), (Some("m"), Some("0")));
        assert_eq!(response.headers()["x-kind"], "k");
        assert_eq!(response.body().len(), 35);
        let debug = format!("{response:?}");
        assert!(!debug.contains("\"m\"") && !debug.contains("/7"), "{debug}");
        (response.attempt() > 1).then_some(Meaning::Final)
    };
    let route = Route::new(Method::GET, "/items/{id}", Effect::Read);
    let service = billing().response(418, Meaning::Unavailable).routes([route]).classifier(classify);
    let teapot = || reply(418, &[("x-kind", "k")], r#"{"code":"c","message":"m","left":0}"#);
    let transport = Transport::new([teapot(), teapot()]);
    let client = transport.client(service.build().unwrap());
    let error = owned_failure(client.get("https://billing.internal/items/7")).await;
    assert_eq!((error.attempts().count(), error.stop()), (2, StopReason::Permanent));
}

/// A classifier that says nothing changes nothing, and never sees a success.
#[tokio::test(start_paused = true)]
async fn silent_classifier_changes_nothing() {
    let classify = |response: &ErrorResponse<'_>| {
        assert_eq!(response.status(), 503);
        None
    };
    assert_eq!(waited(billing().classifier(classify), Method::GET, status(503)).await, Duration::from_millis(500));
}
