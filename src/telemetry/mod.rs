//! What the layer tells the outside: spans, events and metrics, without keys, tokens, paths, query strings or bodies.
//!
//! # Spans
//!
//! All have the target `reqwest_safe_retry`, so that `reqwest_safe_retry=debug` shows everything. Names are those of
//! OpenTelemetry's conventions for HTTP clients where there is one; the crate's own begin with `safe_retry.`.
//!
//! `safe_retry.call`, INFO, is one call with its waits:
//!
//! | field | value |
//! |---|---|
//! | `http.request.method`, `server.address`, `server.port` | of the request |
//! | `url.template` | base path and path of the matched [`Route`](crate::Route); absent where none matched |
//! | `safe_retry.service` | [`Service::name`](crate::Service::name) |
//! | `safe_retry.effect` | `read`, `idempotent`, `deduplicated`, `write`; before the body was looked at |
//! | `safe_retry.verdict` | `applied`, `not_applied`, `unknown`, where a verifier was asked |
//! | `safe_retry.outcome` | `success` (at once), `recovered` (after several attempts), `reconciled`, `failed`, `in_doubt`, `cancelled` (dropped before it ended) |
//! | `safe_retry.attempts` | how many were made |
//! | `safe_retry.stop`, `safe_retry.applied` | [`Error::stop`](crate::Error::stop), [`Error::applied`](crate::Error::applied); of a failed call |
//! | `http.response.status_code` | of the last answer |
//! | `error.type` | of a failed call: the last status, else how the last attempt failed |
//! | `otel.status_code` | `ERROR` where the call failed, as tracing-opentelemetry reads it |
//!
//! `safe_retry.attempt`, DEBUG, is one sending within it, without the wait that follows:
//!
//! | field | value |
//! |---|---|
//! | `http.request.method`, `server.address`, `server.port`, `url.template` | as above |
//! | `http.request.resend_count` | 1 for the second attempt; absent on the first |
//! | `safe_retry.key` | `none`, `preserved` (the call's first key), `rotated` |
//! | `safe_retry.key_digest` | [`IdempotencyKey::digest`](crate::IdempotencyKey::digest), never the key |
//! | `http.response.status_code`, `error.type`, `otel.status_code` | as above, of this attempt |
//! | `safe_retry.decision` | `return`, `retry`, `fail` |
//! | `safe_retry.rule` | the line of the table on which a failed attempt falls: `not_sent`, `refused`, `unanswered`, `in_progress`, `own_request_running`, `burnt`, `rotate_at_once`, `gateway`, `internal`, `listed`, `final` |
//! | `safe_retry.stop` | why there is no further attempt: `permanent`, `not_idempotent`, `body_not_replayable`, `attempts`, `unverified`, `retry_after`, `deadline`, `budget` |
//! | `safe_retry.wait_ms`, `safe_retry.wait_source` | the wait that follows, and who asks for it: `own`, `hint` |
//! | `safe_retry.replayed` | `true` where the answer was marked as a stored one |
//!
//! Neither is of the kind `client`: put reqwest-tracing below the layer for that, and for trace headers. Its spans are
//! then within the attempts; put above, its one span is around the call. A verifier's own requests are within the call.
//!
//! # Events
//!
//! | level | when | fields |
//! |---|---|---|
//! | WARN | once per call that ends in doubt: `call ended in doubt` | `error`, `safe_retry.stop`, `safe_retry.key_digest` |
//! | WARN | once per call whose key a redirect took to another origin | `safe_retry.service` |
//! | INFO | once per call that recovered or was reconciled: `call recovered` | `safe_retry.service`, `attempts` |
//! | DEBUG | `attempt ended`, `verifier asked`, `call failed` | those of the spans |
//!
//! # Metrics
//!
//! With the feature `metrics`, through the `metrics` facade. `service` is the name of the service and `effect` as above;
//! no label ever has a path, a key or anything else that a request or a response says in its own words.
//!
//! | name | kind | unit | labels | what |
//! |---|---|---|---|---|
//! | `safe_retry_calls_total` | counter | calls | `service`, `effect`, `outcome` | calls that ended; `outcome` as in the span |
//! | `safe_retry_attempts_total` | counter | attempts | `service`, `effect`, `outcome` | attempts that ended; `outcome` is `2xx`, `3xx`, `4xx`, `429`, `5xx`, or how one without an answer failed |
//! | `safe_retry_retries_total` | counter | attempts | `service`, `effect`, `reason` | repeats that were sent; `reason` as `safe_retry.rule` |
//! | `safe_retry_wait_seconds` | histogram | seconds | `service`, `effect`, `reason` | waits between attempts |
//! | `safe_retry_in_doubt_total` | counter | calls | `service`, `effect`, `reason` | calls that ended in doubt; `reason` as `safe_retry.stop` |
//! | `safe_retry_rotations_total` | counter | keys | `service`, `effect` | new keys sent |
//! | `safe_retry_verdicts_total` | counter | verdicts | `service`, `effect`, `verdict` | what verifiers said |
//! | `safe_retry_replays_total` | counter | attempts | `service`, `effect` | answers marked as stored ones |
//! | `safe_retry_window_limit` | gauge | attempts | `service` | how many may be in flight; absent without a window |
//! | `safe_retry_window_wait_seconds` | histogram | seconds | `service`, `effect` | waits for a place in the window |
//! | `safe_retry_budget_tokens` | gauge | tokens | `service` | what is left of the retry budget |
//!
//! The gauges are set whenever an attempt has failed or a call ends. `describe_metrics` tells a recorder units and meanings; times are
//! histograms, for which a Prometheus exporter has to be given buckets. `dashboards/reqwest-safe-retry.json` is a Grafana
//! dashboard of them all.

mod metrics;
mod names;
mod spans;

use std::time::Duration;

use http::{HeaderMap, Method};
use reqwest::Url;

pub(crate) use metrics::Meters;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use metrics::describe_metrics;
use metrics::{Listener, Metric};
pub(crate) use spans::{Span, call, within};

use crate::{
    attempts::{Attempts, VerdictKind},
    decide::{Applied, Decision, Situation},
    error::Error,
    key::IdempotencyKey,
    outcome::{Answer, Outcome},
    route::Effect,
    service::Service,
};

/// What is told of one call.
#[derive(Debug)]
pub(crate) struct Telemetry<'a> {
    about: About<'a>,
    call: &'a Span,
    /// The attempt that was sent and not yet decided about.
    attempt: Span,
    /// How long the attempt that is being made has waited for a place in the window.
    queued: Option<Duration>,
    /// On which line of the table the last attempt fell.
    reason: &'static str,
    ended: bool,
}

/// What every metric of a call is told by.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
struct About<'a> {
    service: &'a Service,
    effect: Effect,
}

impl<'a> Telemetry<'a> {
    pub(crate) fn begin(service: &'a Service, effect: Effect, call: &'a Span) -> Self {
        let about = About { service, effect };
        Self { about, call, attempt: spans::none(), queued: None, reason: "", ended: false }
    }

    /// Of an attempt with a place in the window, which it has waited for as long.
    pub(crate) fn let_in(&mut self, waited: Duration) {
        self.queued = Some(waited);
    }

    /// The span of the attempt that follows on `before` others.
    pub(crate) fn attempt(
        &self,
        (method, url): (&Method, &Url),
        (before, generation): (u32, u32),
        key: impl FnOnce() -> Option<IdempotencyKey>,
    ) -> Span {
        spans::attempt((self.about.service, method, url), (before, generation), key)
    }

    /// Keeps the span until it is known what follows.
    pub(crate) fn sent(&mut self, attempt: Span) {
        self.attempt = attempt;
    }

    pub(crate) fn decided(&mut self, situation: &Situation<'_>, decision: Decision) {
        let attempt = std::mem::replace(&mut self.attempt, spans::none());
        spans::decided(&attempt, situation, decision);
        self.reason = situation.rule();
        let replayed = matches!(situation.outcome, Outcome::Answer(Answer { replayed: true, .. }));
        let (outcome, queued) = (names::class(situation.outcome), self.queued.take());
        metrics::tell(self.about, |listener| {
            tell_of_queue(listener, queued);
            tell_of_attempt(listener, outcome, replayed);
            listener.levels();
            if let Decision::Retry { delay, .. } = decision {
                listener.time(Metric::Wait, Some(("reason", self.reason)), delay);
            }
        });
    }

    pub(crate) fn retried(&self, rotated: bool) {
        metrics::tell(self.about, |listener| {
            listener.count(Metric::Retries, Some(("reason", self.reason)));
            if rotated {
                listener.count(Metric::Rotations, None);
            }
        });
    }

    pub(crate) fn verified(&self, verdict: VerdictKind) {
        spans::verified(self.call, verdict);
        let said = Some(("verdict", names::verdict(verdict)));
        metrics::tell(self.about, |listener| listener.count(Metric::Verdicts, said));
    }

    pub(crate) fn redirected(&self) {
        spans::redirected(self.about.service);
    }

    pub(crate) fn succeeded(&mut self, attempts: &Attempts, answer: Answer, headers: &HeaderMap) {
        let replayed = self.about.service.idempotency().is_replay(headers);
        let attempt = std::mem::replace(&mut self.attempt, spans::none());
        spans::returned(&attempt, answer.status, replayed);
        let outcome = if attempts.count() > 1 { "recovered" } else { "success" };
        spans::succeeded(self.call, self.about.service, attempts, outcome);
        let met = names::class(Outcome::Answer(answer));
        self.end(outcome, |listener| tell_of_attempt(listener, met, replayed));
    }

    /// Another layer has told everything but the wait in front of this one's window.
    pub(crate) fn handed_on(&mut self) {
        self.ended = true;
        let queued = self.queued.take();
        metrics::tell(self.about, |listener| tell_of_queue(listener, queued));
    }

    pub(crate) fn reconciled(&mut self, attempts: &Attempts) {
        spans::succeeded(self.call, self.about.service, attempts, "reconciled");
        self.end("reconciled", |_| {});
    }

    pub(crate) fn failed(&mut self, error: &Error) {
        spans::failed(self.call, error);
        self.end(names::ending(error), |listener| {
            if error.applied() == Applied::Unknown {
                listener.count(Metric::InDoubt, Some(("reason", names::stop(error.stop()))));
            }
        });
    }

    fn end(&mut self, outcome: &'static str, more: impl FnOnce(&Listener<'_>)) {
        self.ended = true;
        let queued = self.queued.take();
        metrics::tell(self.about, |listener| {
            tell_of_queue(listener, queued);
            more(listener);
            listener.count(Metric::Calls, Some(("outcome", outcome)));
            listener.levels();
        });
    }
}

/// Told with the attempt's end: so the recorder is looked for once.
fn tell_of_queue(listener: &Listener<'_>, queued: Option<Duration>) {
    if let Some(queued) = queued {
        listener.time(Metric::WindowWait, None, queued);
    }
}

fn tell_of_attempt(listener: &Listener<'_>, outcome: &'static str, replayed: bool) {
    listener.count(Metric::Attempts, Some(("outcome", outcome)));
    if replayed {
        listener.count(Metric::Replays, None);
    }
}

impl Drop for Telemetry<'_> {
    fn drop(&mut self) {
        if !self.ended {
            spans::cancelled(self.call);
            self.end("cancelled", |_| {});
        }
    }
}
