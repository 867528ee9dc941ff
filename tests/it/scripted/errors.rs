//! Errors: their kinds, their bodies and their messages.

use std::error::Error as StdError;

use anyhow::Context;
use http::StatusCode;
use reqwest_safe_retry::{Applied, AttemptOutcome, Error, ErrorKind, IdempotencyKey, RetryPolicy, Service, StopReason};
use serde::Deserialize;

use super::{CONTRACTS, LIST, facts, failure, metronome, outer_error};
use crate::support::{
    faults::{self, Fault},
    transport::{Reply, Transport, reply, status},
};

#[tokio::test(start_paused = true)]
async fn every_status_has_its_kind() {
    for (number, kind, applied) in [
        (400, ErrorKind::BadRequest, Applied::No),
        (401, ErrorKind::Unauthorized, Applied::No),
        (402, ErrorKind::Client, Applied::No),
        (403, ErrorKind::Forbidden, Applied::No),
        (404, ErrorKind::NotFound, Applied::No),
        (405, ErrorKind::Client, Applied::No),
        (409, ErrorKind::Conflict, Applied::No),
        (418, ErrorKind::Client, Applied::No),
        (422, ErrorKind::Unprocessable, Applied::No),
        (424, ErrorKind::Client, Applied::Unknown),
        (499, ErrorKind::Client, Applied::Unknown),
        (101, ErrorKind::Server, Applied::Unknown),
        (600, ErrorKind::Server, Applied::Unknown),
        (999, ErrorKind::Server, Applied::Unknown),
        (501, ErrorKind::Server, Applied::Unknown),
        (505, ErrorKind::Server, Applied::Unknown),
    ] {
        let transport = Transport::new([reply(number, &[("x-request-id", "r-1")], r#"{"code":"c","message":"m"}"#)]);
        failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
            assert_eq!(facts(error), (kind, StopReason::Permanent, applied), "{number}");
            assert_eq!(error.status().unwrap().as_u16(), number);
            assert_eq!((error.message(), error.code(), error.request_id()), ("m", Some("c"), Some("r-1")));
            assert_eq!((error.service(), error.path()), ("metronome", "/v1/contracts/create"));
        });
    }
    for (number, kind) in
        [(429, ErrorKind::RateLimited), (500, ErrorKind::Server), (503, ErrorKind::Server), (408, ErrorKind::Client)]
    {
        let transport = Transport::new((0..3).map(|_| status(number)));
        failure!(transport.client(Service::metronome()).post(LIST), |error| {
            assert_eq!(facts(error), (kind, StopReason::AttemptsExhausted, Applied::No), "a read, {number}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn error_body_never_hides_the_status() {
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let huge = format!(r#"{{"message":"{}"}}"#, "x".repeat(100_000));
    let exactly = format!(r#"{{"message":"{}"}}"#, "x".repeat(65_536 - 14));
    for (content_type, body, message, truncated) in [
        ("application/json", br#"{"message":"m"}"#.as_slice(), "m", false),
        ("application/json", br#"{"code":"c","message":"m"}"#, "m", false),
        ("application/json", br#"{"Message":"m"}"#, "m", false),
        ("text/plain", br#"{"message":"m"}"#, "m", false),
        ("application/json", b"\xef\xbb\xbf{\"message\":\"m\"}", "m", false),
        ("application/json", b"{\"message\":\"a\xff\"}", "a\u{fffd}", false),
        ("application/json", b"", "", false),
        ("application/json", b"null", "", false),
        ("application/json", b"\"text\"", "", false),
        ("application/json", b"{\"message\": \"x", "", false),
        ("text/html", b"<html>blocked</html>", "", false),
        ("application/json", b"\xff\xfe\x00", "", false),
        ("application/json", deep.as_bytes(), "", true),
        ("application/json", huge.as_bytes(), "", true),
        ("application/json", exactly.as_bytes(), &exactly[12..exactly.len() - 2], false),
    ] {
        let transport = Transport::new([reply(404, &[("content-type", content_type)], body.to_vec())]);
        failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
            assert_eq!(facts(error), (ErrorKind::NotFound, StopReason::Permanent, Applied::No));
            assert_eq!(error.message(), message);
            assert_eq!(error.is_truncated(), truncated);
            assert_eq!(error.body(), &body[..body.len().min(65_536)]);
        });
    }
}

#[derive(Debug, Deserialize, PartialEq)]
struct AlertConflict {
    message: String,
    conflicting_id: String,
}

#[tokio::test(start_paused = true)]
async fn error_body_decodes_to_a_custom_type() {
    let body = "\u{feff}{\"message\":\"taken\",\"conflicting_id\":\"a-1\",\"conflicting_value\":7}";
    let transport = Transport::new([reply(409, &[], body)]);
    failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
        let expected = AlertConflict { message: "taken".into(), conflicting_id: "a-1".into() };
        assert_eq!(error.detail::<AlertConflict>().unwrap(), expected);
        assert!(error.detail::<Vec<u8>>().unwrap_err().is_data());
    });
}

#[tokio::test(start_paused = true)]
async fn duplicate_uniqueness_key_already_exists() {
    for (number, message) in
        [(409, "This uniqueness key has already been used."), (422, "Uniqueness key already exists: u-1")]
    {
        let body = format!(r#"{{"message":"{message}"}}"#);
        let transport = Transport::new([reply(number, &[], body.clone())]);
        failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
            assert_eq!(facts(error), (ErrorKind::AlreadyExists, StopReason::Permanent, Applied::No));
        });
        // The duplicate may be the call's own write, or somebody else's.
        for first in [500, 504, 522] {
            let transport = Transport::new([status(first), reply(number, &[], body.clone())]);
            failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
                assert_eq!(facts(error), (ErrorKind::AlreadyExists, StopReason::Permanent, Applied::Unknown));
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limit_error_has_scope_and_wait() {
    let limited =
        || reply(429, &[("x-metronome-rate-limit-type", "customer"), ("retry-after", "90")], r#"{"message":"slow"}"#);
    let transport = Transport::new([limited()]);
    failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
        assert_eq!(facts(error), (ErrorKind::RateLimited, StopReason::RetryAfterTooLong, Applied::No));
        assert_eq!(error.rate_limit_scope(), Some("customer"));
        assert_eq!(error.retry_after().unwrap().as_secs(), 90);
    });
}

#[tokio::test(start_paused = true)]
async fn streamed_body_is_sent_once() {
    let stream = || reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("once")]));
    for (number, stop) in
        [(503, StopReason::BodyNotReplayable), (404, StopReason::Permanent), (429, StopReason::BodyNotReplayable)]
    {
        let transport = Transport::new([reply(number, &[], r#"{"message":"m"}"#)]);
        failure!(transport.client(Service::metronome()).post(CONTRACTS).body(stream()), |error| {
            assert_eq!((error.stop(), error.message()), (stop, "m"));
        });
        assert_eq!(transport.sent().len(), 1);
        assert!(transport.keys()[0].is_some(), "it has a key nevertheless");
    }
    let transport = Transport::new([status(200)]);
    transport.client(Service::metronome()).post(CONTRACTS).body(stream()).send().await.unwrap();
}

#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error("calling the API")]
    Api(#[from] reqwest_middleware::Error),
    #[error("reading")]
    Io(#[from] std::io::Error),
}

async fn not_found() -> reqwest_middleware::Error {
    let transport = Transport::new([status(404)]);
    outer_error(transport.client(Service::metronome()).post(CONTRACTS)).await
}

#[tokio::test(start_paused = true)]
async fn error_is_found_in_common_wrappers() {
    let is_found = |found: Option<&Error>| found.is_some_and(|error| error.status() == Some(StatusCode::NOT_FOUND));

    let outer = not_found().await;
    assert!(is_found(Error::find(&outer)));
    assert!(is_found(Error::find(Error::find(&outer).unwrap())));
    assert!(is_found(Error::find::<dyn StdError>(&outer)));

    let any = anyhow::Error::from(not_found().await);
    assert!(is_found(Error::find(&any)));
    let any = any.context("one").context("two");
    assert!(is_found(Error::find(&any)));
    let through_result = Err::<(), _>(not_found().await).context("three").unwrap_err();
    assert!(is_found(Error::find(&through_result)));

    let boxed: Box<dyn StdError + Send + Sync> = not_found().await.into();
    assert!(is_found(Error::find(&*boxed)));
    let boxed: Box<dyn StdError + Send + Sync> = any.into();
    assert!(is_found(Error::find(&*boxed)));
    let app_error = AppError::from(not_found().await);
    assert!(is_found(Error::find::<dyn StdError>(&app_error)));
    let nested = std::io::Error::other(AppError::from(not_found().await));
    assert!(is_found(Error::find::<dyn StdError>(&nested)));
    let nested = AppError::Io(nested);
    assert!(is_found(Error::find::<dyn StdError>(&nested)));
    let any = anyhow::Error::from(nested).context("deep");
    assert!(is_found(Error::find(&any)));

    assert!(Error::find(&anyhow::anyhow!("another")).is_none());
    assert!(Error::find::<dyn StdError>(&std::io::Error::other("another")).is_none());
}

#[test]
fn error_is_small_and_send() {
    fn is_send_and_static<T: Send + Sync + 'static>() {}
    is_send_and_static::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

#[tokio::test(start_paused = true)]
async fn transport_source_hides_its_url() {
    let only_https = reqwest::Client::builder().https_only(true).build().unwrap();
    let refused = only_https.get("http://host/path?canary=1").send().await.unwrap_err();
    assert!(refused.to_string().contains("canary"));
    let transport = Transport::new([crate::support::transport::Reply::error(refused)]);
    failure!(transport.client(Service::metronome()).post(CONTRACTS), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::Permanent, Applied::No));
        let source = error.source().unwrap().source().unwrap();
        assert!(source.downcast_ref::<reqwest::Error>().unwrap().is_builder());
        assert!(!format!("{source} {source:?} {error} {error:?}").contains("canary"));
        assert_eq!(
            error.attempts().iter().next().unwrap().outcome(),
            &AttemptOutcome::Failure(reqwest_safe_retry::Failure::InvalidRequest)
        );
    });
}

#[tokio::test]
async fn message_names_the_cause() {
    let refused = faults::provoke(Fault::ConnectRefused).await;
    let transport = Transport::new([Reply::error(refused)]);
    failure!(transport.client(metronome(RetryPolicy::new().max_attempts(1))).post(CONTRACTS), |error| {
        let expected = "metronome: POST /v1/contracts/create: connection refused (1 attempt, ";
        assert!(error.to_string().starts_with(expected), "{error}");
    });
    let client = Transport::new([]).client(Service::metronome());
    let key = IdempotencyKey::new("c4n4ry\u{7}");
    failure!(client.post(CONTRACTS).with_extension(key), |error| {
        let expected =
            "invalid idempotency key, nothing was sent: the idempotency key has a character that is not visible ASCII";
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?}").contains("c4n4ry"));
    });
}

#[tokio::test(start_paused = true)]
async fn message_says_what_happened_and_what_to_do() {
    let transport = Transport::new([
        reply(504, &[], r#"{"message":"Endpoint request timed out"}"#),
        reply(500, &[], "{\"code\":\"Internal\",\"message\":\"two\\nlines\"}"),
        reply(500, &[], "{\"code\":\"Inter\\u2028nal\",\"message\":\"two\\nlines\\u2029or\\u202emore\"}"),
    ]);
    let url = format!("{CONTRACTS}?secret=1");
    failure!(transport.client(Service::metronome()).post(url), |error| {
        assert_eq!(
            error.to_string(),
            "metronome: POST /v1/contracts/create: 500 Internal Server Error [Inter nal] \"two lines or more\" (3 attempts, \
             1500 ms); all attempts are used up; it may have been applied: find out whether it took effect before it is sent \
             again"
        );
    });
}
