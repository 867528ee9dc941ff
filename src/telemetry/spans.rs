//! The one file that names `tracing`. Nothing is formatted or looked up unless a subscriber is interested.

use std::{fmt, future::Future, pin::Pin};

use http::{Method, StatusCode};
use reqwest::Url;
pub(crate) use tracing::Span;
use tracing::{
    Instrument, debug, debug_span,
    field::{Empty, Value, display},
    info, info_span,
    level_filters::LevelFilter,
    warn,
};

use super::names;
use crate::{
    attempts::{AttemptOutcome, Attempts, VerdictKind},
    decide::{
        decision::{Decision, Step},
        effect::Effect,
        outcome::{Outcome, Redirect},
        stop::Applied,
    },
    durable::journal_error::JournalError,
    error::{display::ErrorLine, error::Error},
    key::IdempotencyKey,
    limit::feedback::Change,
};

/// All spans and events have the crate's name as their target, wherever in it they come from.
macro_rules! target {
    () => {
        "reqwest_safe_retry"
    };
}

/// Where a request goes.
pub(crate) struct Target<'a, T> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// Finds the template of the path, if there is one.
    pub(crate) template: T,
}

/// The path of a route below its service's base path.
#[derive(Clone, Copy)]
pub(crate) struct Template<'a> {
    pub(crate) base: &'a str,
    pub(crate) route: &'a str,
}

impl Template<'_> {
    /// Much cheaper than to format it.
    pub(crate) fn into_text(self) -> String {
        [self.base, self.route].concat()
    }
}

impl fmt::Display for Template<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, self.route)
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Polls `work` within a span, if there is one.
#[inline(always)]
pub(crate) fn within<'a, T: 'a>(span: Option<&Span>, work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    match span {
        Some(span) => Box::pin(work.instrument(span.clone())),
        None => work,
    }
}

/// `None` if no subscriber is interested.
#[inline(always)]
pub(crate) fn if_traced(span: impl FnOnce() -> Option<Span>) -> Option<Span> {
    // One look at a number before anything is prepared: without a subscriber no level is enabled.
    if LevelFilter::current() == LevelFilter::OFF { None } else { span() }
}

/// Runs only if a subscriber takes events at INFO.
pub(crate) fn if_info_enabled(work: impl FnOnce()) {
    if tracing::enabled!(target: target!(), tracing::Level::INFO) {
        work();
    }
}

/// Whether a subscriber takes warnings, and perhaps more.
pub(crate) fn takes_warnings() -> bool {
    tracing::enabled!(target: target!(), tracing::Level::WARN)
}

fn if_enabled(span: Span) -> Option<Span> {
    (!span.is_disabled()).then_some(span)
}

/// The service of an event: subscribers show the fields of its span with it, which has the service.
fn unless_in_span<'a>(span: Option<&Span>, service: &'a str) -> Option<&'a str> {
    if span.is_some() { None } else { Some(service) }
}

fn digest(key: Option<&IdempotencyKey>) -> Option<impl Value> {
    key.map(|key| display(key.digest()))
}

/// Runs within the span, if there is one: for events that are emitted in any case.
fn in_scope(span: Option<&Span>, emit: impl FnOnce()) {
    match span {
        Some(span) => span.in_scope(emit),
        None => emit(),
    }
}

pub(crate) fn call<'a>(
    service: &str,
    effect: Effect,
    target: &Target<'a, impl Fn() -> Option<Template<'a>>>,
) -> Option<Span> {
    if_enabled(info_span!(
        target: target!(),
        "safe_retry.call",
        http.request.method = names::method(target.method).0,
        http.request.method_original = names::method(target.method).1,
        server.address = target.url.host_str(),
        server.port = target.url.port_or_known_default(),
        url.template = (target.template)().map(display),
        safe_retry.service = service,
        safe_retry.effect = effect.as_str(),
        safe_retry.verdict = Empty,
        safe_retry.outcome = Empty,
        safe_retry.attempts = Empty,
        safe_retry.stop_reason = Empty,
        safe_retry.applied = Empty,
        http.response.status_code = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
    ))
}

/// The span of the attempt that follows `before` others.
pub(super) fn attempt<'a>(
    target: &Target<'a, impl Fn() -> Option<Template<'a>>>,
    before: u32,
    generation: u32,
    key: impl FnOnce() -> Option<IdempotencyKey>,
) -> Option<Span> {
    let span = if_enabled(debug_span!(
        target: target!(),
        "safe_retry.attempt",
        http.request.method = names::method(target.method).0,
        http.request.method_original = names::method(target.method).1,
        server.address = target.url.host_str(),
        server.port = target.url.port_or_known_default(),
        url.template = (target.template)().map(display),
        http.request.resend_count = (before > 0).then_some(before),
        safe_retry.key = Empty,
        safe_retry.key_digest = Empty,
        http.response.status_code = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
        safe_retry.decision = Empty,
        safe_retry.reason = Empty,
        safe_retry.stop_reason = Empty,
        safe_retry.wait_ms = Empty,
        safe_retry.wait_source = Empty,
        safe_retry.replayed = Empty,
    ))?;
    let key = key();
    span.record("safe_retry.key", names::key(generation, key.is_some(), before));
    span.record("safe_retry.key_digest", key.map(|key| display(key.digest())));
    Some(span)
}

pub(super) fn decided(attempt: &Span, outcome: &Outcome, step: &Step) {
    match outcome {
        Outcome::Response(response) => record_status(attempt, response.status),
        Outcome::Failure(failure) => record_error_type(attempt, names::failure(*failure)),
    }
    if outcome.response().is_some_and(|response| response.replayed) {
        attempt.record("safe_retry.replayed", true);
    }
    attempt.record("safe_retry.reason", step.class.as_str());
    match &step.decision {
        Decision::Fail(stop) => {
            attempt.record("safe_retry.decision", "fail");
            attempt.record("safe_retry.stop_reason", stop.as_str());
        }
        Decision::Retry { delay, source, .. } => {
            attempt.record("safe_retry.decision", "retry");
            attempt.record("safe_retry.wait_ms", u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
            attempt.record("safe_retry.wait_source", source.as_str());
        }
    }
    attempt.in_scope(|| debug!(target: target!(), "attempt ended"));
}

fn record_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    record_error_type(span, status.as_str());
}

fn record_error_type(span: &Span, error_type: &str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}

pub(super) fn returned(attempt: &Span, status: StatusCode, replayed: bool) {
    attempt.record("http.response.status_code", status.as_u16());
    attempt.record("safe_retry.decision", "return");
    if replayed {
        attempt.record("safe_retry.replayed", true);
    }
    attempt.in_scope(|| debug!(target: target!(), "attempt ended"));
}

pub(super) fn verified(call: Option<&Span>, verdict: VerdictKind) {
    if let Some(call) = call {
        call.record("safe_retry.verdict", verdict.as_str());
    }
    in_scope(call, || debug!(target: target!(), { safe_retry.verdict = verdict.as_str() }, "verifier asked"));
}

pub(crate) fn unknown_host(host: &str) {
    info!(
        target: target!(),
        { server.address = host },
        "no service covers this request: it passes through without a key and without retries"
    );
}

pub(crate) fn store_is_away(error: &(dyn std::error::Error + Send + Sync)) {
    warn!(
        target: target!(),
        error = %error,
        "the store of the shared limits does not answer: this process goes on with limits of its own"
    );
}

pub(crate) fn store_is_back() {
    info!(target: target!(), "the store of the shared limits answers again");
}

pub(crate) fn limit_changed(call: Option<&Span>, service: &str, change: Change, group: Option<&str>) {
    let service = unless_in_span(call, service);
    in_scope(call, || match change {
        Change::Closed => info!(
            target: target!(),
            { safe_retry.service = service, limit_group = group },
            "concurrency limit closed: calls wait, and one probe at a time finds out when the service is back"
        ),
        Change::Reopened => info!(
            target: target!(),
            { safe_retry.service = service, limit_group = group },
            "concurrency limit reopened"
        ),
    });
}

pub(super) fn redirected(call: Option<&Span>, service: &str, request: Option<String>, redirect: Redirect) {
    let to_other_origin = redirect == Redirect::OtherOrigin;
    in_scope(call, || {
        warn!(
            target: target!(),
            { safe_retry.service = unless_in_span(call, service), request = request.map(display), to_other_origin },
            "the client followed a redirect of a write: use `SafeRetry::client`, or set `redirect::Policy::none()`"
        );
    });
}

pub(super) fn journal_failed(
    call: Option<&Span>,
    service: &str,
    request: Option<String>,
    key: Option<IdempotencyKey>,
    error: &JournalError,
) {
    in_scope(call, || {
        warn!(
            target: target!(),
            {
                safe_retry.service = unless_in_span(call, service),
                request = request.map(display),
                %error,
                safe_retry.key_digest = digest(key.as_ref())
            },
            "the journal could not record what became of an operation: its next run finds out"
        );
    });
}

pub(super) fn recovered(call: Option<&Span>, service: &str, request: Option<String>, attempts: &Attempts) {
    in_scope(call, || {
        info!(
            target: target!(),
            { safe_retry.service = unless_in_span(call, service), request = request.map(display), %attempts },
            "call recovered"
        );
    });
}

pub(super) fn succeeded(call: &Span, attempts: &Attempts, outcome: &str) {
    if let Some(status) = attempts.iter().last().and_then(|attempt| attempt.status()) {
        call.record("http.response.status_code", status.as_u16());
    }
    call.record("safe_retry.outcome", outcome);
    call.record("safe_retry.attempts", attempts.count());
}

pub(super) fn failed(call: Option<&Span>, error: &Error, outcome: &str) {
    let service = unless_in_span(call, error.service());
    in_scope(call, || {
        if error.applied() == Applied::Unknown {
            warn!(
                target: target!(),
                {
                    safe_retry.service = service,
                    error = %ErrorLine(error),
                    advice = %error.advice(),
                    safe_retry.stop_reason = error.stop().as_str(),
                    safe_retry.key_digest = digest(error.key())
                },
                "call ended in doubt"
            );
        } else {
            let applied = error.applied().as_str();
            debug!(
                target: target!(),
                { safe_retry.service = service, error = %ErrorLine(error), safe_retry.applied = applied },
                "call failed"
            );
        }
    });
    let Some(call) = call else { return };
    match error.attempts().iter().last().map(|attempt| attempt.outcome()) {
        Some(AttemptOutcome::Status(status)) => record_status(call, *status),
        Some(AttemptOutcome::Failure(failure)) => record_error_type(call, names::failure(*failure)),
        // Nothing was sent: the key, the policy or the body was refused, or the queue took too long.
        None => record_error_type(call, error.stop().as_str()),
    }
    call.record("safe_retry.outcome", outcome);
    call.record("safe_retry.attempts", error.attempts().count());
    call.record("safe_retry.stop_reason", error.stop().as_str());
    call.record("safe_retry.applied", error.applied().as_str());
}

pub(super) fn lost(
    call: Option<&Span>,
    service: &str,
    request: Option<String>,
    attempts: &Attempts,
    key: Option<IdempotencyKey>,
) {
    in_scope(call, || {
        warn!(
            target: target!(),
            {
                safe_retry.service = unless_in_span(call, service),
                request = request.map(display),
                // The one in flight is none of them.
                attempts = (attempts.count() > 0).then(|| display(attempts)),
                safe_retry.key_digest = digest(key.as_ref())
            },
            "call dropped in doubt: its write may have been applied, check before it is sent with another key"
        );
    });
}

pub(super) fn cancelled(call: &Span) {
    call.record("safe_retry.outcome", "cancelled");
}
