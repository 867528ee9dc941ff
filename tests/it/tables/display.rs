//! The words that people read in logs and errors.

use std::fmt::Display;

use reqwest_safe_retry::{Applied, Effect, ErrorKind, Failure, KeyKind, StopReason};

fn assert_shown<T: Display>(table: impl IntoIterator<Item = (T, &'static str)>) {
    let mut seen = Vec::new();
    for (value, words) in table {
        assert_eq!(value.to_string(), words);
        assert!(!seen.contains(&words), "{words:?} is shown twice");
        seen.push(words);
    }
}

#[test]
fn error_kinds_are_shown() {
    assert_shown([
        (ErrorKind::BadRequest, "bad request"),
        (ErrorKind::Unauthorized, "unauthorized"),
        (ErrorKind::Forbidden, "forbidden"),
        (ErrorKind::NotFound, "not found"),
        (ErrorKind::Conflict, "conflict"),
        (ErrorKind::Unprocessable, "unprocessable"),
        (ErrorKind::Client, "client error"),
        (ErrorKind::RateLimited, "rate limited"),
        (ErrorKind::Server, "server error"),
        (ErrorKind::Transport, "no response"),
        (ErrorKind::KeyInProgress, "an earlier request with this key is in progress"),
        (ErrorKind::PayloadMismatch, "the key was used with another request"),
        (ErrorKind::KeyInvalidated, "the key is no longer usable"),
        (ErrorKind::AlreadyExists, "already exists"),
        (ErrorKind::InvalidKey, "invalid idempotency key"),
        (ErrorKind::InvalidPolicy, "invalid retry policy"),
        (ErrorKind::UnknownHost, "no service covers this URL"),
    ]);
}

#[test]
fn stop_reasons_are_shown_in_their_order() {
    let reasons = [
        (StopReason::Permanent, "another attempt would not help"),
        (StopReason::NotIdempotent, "not repeated: it could be applied twice"),
        (StopReason::BodyNotReplayable, "not repeated: its body is a stream"),
        (StopReason::AttemptsExhausted, "all attempts are used up"),
        (StopReason::Unverified, "not repeated with a new key: nothing proves that it was not applied"),
        (StopReason::RetryAfterTooLong, "the server asks for a longer wait than the policy allows"),
        (StopReason::DeadlineExceeded, "the deadline leaves no time for another attempt"),
        (StopReason::BudgetExhausted, "the retry budget is used up"),
    ];
    assert!(reasons.is_sorted_by_key(|(reason, _)| *reason));
    assert_shown(reasons);
}

#[test]
fn applied_is_shown() {
    assert_shown([
        (Applied::No, "it was not applied"),
        (Applied::Yes, "it was applied"),
        (Applied::Unknown, "it may have been applied"),
    ]);
}

/// As they are written in files.
#[test]
fn effects_and_key_kinds_are_shown() {
    assert_shown([
        (Effect::Read, "read"),
        (Effect::Idempotent, "idempotent"),
        (Effect::Deduplicated, "deduplicated"),
        (Effect::Write, "write"),
    ]);
    assert_shown([
        (KeyKind::ReplaySuccess, "replay_success"),
        (KeyKind::ReplayAll, "replay_all"),
        (KeyKind::Signalled, "signalled"),
        (KeyKind::InvalidatedByError, "invalidated_by_error"),
        (KeyKind::ResourceKey, "resource_key"),
        (KeyKind::Unsupported, "unsupported"),
    ]);
}

#[test]
fn failures_are_shown() {
    assert_shown([
        (Failure::NotSent, "not sent"),
        (Failure::NotProcessed, "not processed"),
        (Failure::Ambiguous, "no response"),
        (Failure::Tls, "TLS failure"),
        (Failure::InvalidRequest, "invalid request"),
        (Failure::RedirectLoop, "redirect loop"),
        (Failure::Middleware, "middleware failed"),
    ]);
}
