//! The one file that names `tracing`. Nothing is formatted or looked up unless somebody listens.

use std::{fmt, future::Future, pin::Pin};

use http::{Method, StatusCode};
use reqwest::Url;
pub(crate) use tracing::Span;
use tracing::{
    Instrument, debug, debug_span,
    field::{Empty, display},
    info, info_span, warn,
};

use super::names;
use crate::{
    attempts::{Attempts, Met, VerdictKind},
    decide::{Applied, Decision, Situation},
    error::Error,
    key::IdempotencyKey,
    outcome::Outcome,
    service::{Operation, Service},
};

/// Told apart by nothing but the crate's name, wherever in it they come from.
macro_rules! target {
    () => {
        "reqwest_safe_retry"
    };
}

/// Where a request goes.
pub(super) type Sending<'a> = (&'a Service, &'a Method, &'a Url);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The path of a route with its service's base path before it.
struct Template<'a>(&'a Service, &'a str);

impl fmt::Display for Template<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.base_path(), self.1)
    }
}

/// Polls `work` within a span; where nobody listens it is `work` itself.
pub(crate) fn within<'a, T: 'a>(span: &Span, work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    if span.is_disabled() { work } else { Box::pin(work.instrument(span.clone())) }
}

pub(super) fn none() -> Span {
    Span::none()
}

pub(crate) fn call(service: &Service, operation: &Operation<'_>, method: &Method, url: &Url) -> Span {
    info_span!(
        target: target!(),
        "safe_retry.call",
        http.request.method = method.as_str(),
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.template = service.template(method, url).map(|path| display(Template(service, path))),
        safe_retry.service = service.name(),
        safe_retry.effect = names::effect(operation.effect),
        safe_retry.verdict = Empty,
        safe_retry.outcome = Empty,
        safe_retry.attempts = Empty,
        safe_retry.stop = Empty,
        safe_retry.applied = Empty,
        http.response.status_code = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
    )
}

pub(super) fn attempt(
    (service, method, url): Sending<'_>,
    (before, generation): (u32, u32),
    key: impl FnOnce() -> Option<IdempotencyKey>,
) -> Span {
    let span = debug_span!(
        target: target!(),
        "safe_retry.attempt",
        http.request.method = method.as_str(),
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.template = service.template(method, url).map(|path| display(Template(service, path))),
        http.request.resend_count = (before > 0).then_some(before),
        safe_retry.key = Empty,
        safe_retry.key_digest = Empty,
        http.response.status_code = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
        safe_retry.decision = Empty,
        safe_retry.rule = Empty,
        safe_retry.stop = Empty,
        safe_retry.wait_ms = Empty,
        safe_retry.wait_source = Empty,
        safe_retry.replayed = Empty,
    );
    if !span.is_disabled() {
        let key = key();
        span.record("safe_retry.key", names::key(generation, key.is_some()));
        span.record("safe_retry.key_digest", key.map(|key| display(key.digest())));
    }
    span
}

pub(super) fn decided(attempt: &Span, situation: &Situation<'_>, decision: Decision) {
    if attempt.is_disabled() {
        return;
    }
    match situation.outcome {
        Outcome::Answer(answer) => record_error(attempt, Met::Status(answer.status)),
        Outcome::Failure(failure) => record_error(attempt, Met::Failure(failure)),
    }
    if matches!(situation.outcome, Outcome::Answer(answer) if answer.replayed) {
        attempt.record("safe_retry.replayed", true);
    }
    attempt.record("safe_retry.rule", situation.rule());
    match decision {
        Decision::Fail(stop) => {
            attempt.record("safe_retry.decision", "fail");
            attempt.record("safe_retry.stop", names::stop(stop));
        }
        Decision::Retry { delay, .. } => {
            attempt.record("safe_retry.decision", "retry");
            attempt.record("safe_retry.wait_ms", u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
            attempt.record("safe_retry.wait_source", situation.wait_source(delay));
        }
    }
    attempt.in_scope(|| debug!(target: target!(), "attempt ended"));
}

fn record_error(span: &Span, met: Met) {
    match met {
        Met::Status(status) => {
            span.record("http.response.status_code", status.as_u16());
            span.record("error.type", status.as_str());
        }
        Met::Failure(failure) => {
            span.record("error.type", names::failure(failure));
        }
    }
    span.record("otel.status_code", "ERROR");
}

pub(super) fn returned(attempt: &Span, status: StatusCode, replayed: bool) {
    if attempt.is_disabled() {
        return;
    }
    attempt.record("http.response.status_code", status.as_u16());
    attempt.record("safe_retry.decision", "return");
    if replayed {
        attempt.record("safe_retry.replayed", true);
    }
    attempt.in_scope(|| debug!(target: target!(), "attempt ended"));
}

pub(super) fn verified(call: &Span, verdict: VerdictKind) {
    let verdict = names::verdict(verdict);
    call.record("safe_retry.verdict", verdict);
    call.in_scope(|| debug!(target: target!(), { safe_retry.verdict = verdict }, "verifier asked"));
}

pub(super) fn redirected(service: &Service) {
    warn!(
        target: target!(),
        { safe_retry.service = service.name() },
        "a redirect took the idempotency key to another origin: set `redirect::Policy::none()` on the client"
    );
}

pub(super) fn succeeded(call: &Span, service: &Service, attempts: &Attempts, outcome: &'static str) {
    if outcome != "success" {
        call.in_scope(
            || info!(target: target!(), { safe_retry.service = service.name(), %attempts }, "call recovered"),
        );
    }
    if call.is_disabled() {
        return;
    }
    if let Some(status) = attempts.iter().last().and_then(|attempt| attempt.status()) {
        call.record("http.response.status_code", status.as_u16());
    }
    call.record("safe_retry.outcome", outcome);
    call.record("safe_retry.attempts", attempts.count());
}

pub(super) fn failed(call: &Span, error: &Error) {
    call.in_scope(|| {
        if error.applied() == Applied::Unknown {
            warn!(
                target: target!(),
                %error,
                safe_retry.stop = names::stop(error.stop()),
                safe_retry.key_digest = error.key().map(|key| display(key.digest())),
                "call ended in doubt"
            );
        } else {
            debug!(target: target!(), %error, "call failed");
        }
    });
    if call.is_disabled() {
        return;
    }
    match error.attempts().iter().last() {
        Some(attempt) => record_error(call, attempt.met()),
        None => record_unsent(call, error),
    }
    call.record("safe_retry.outcome", names::ending(error));
    call.record("safe_retry.attempts", error.attempts().count());
    call.record("safe_retry.stop", names::stop(error.stop()));
    call.record("safe_retry.applied", names::applied(error.applied()));
}

/// The key or the body was refused, or there was no place in the window in time.
fn record_unsent(call: &Span, error: &Error) {
    call.record("error.type", names::stop(error.stop()));
    call.record("otel.status_code", "ERROR");
}

pub(super) fn cancelled(call: &Span) {
    call.record("safe_retry.outcome", "cancelled");
}
