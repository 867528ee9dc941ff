//! What is recorded of one call: its spans and metrics.

use std::time::Duration;

use super::{
    instruments::{self, Labels, Levels, Metric, Sink},
    names,
    spans::{self, LostWrite, Span, Target, Template},
};
use crate::{
    attempts::{Attempts, VerdictKind},
    decide::{
        decision::{Decision, Step},
        outcome::{Outcome, Redirect, ResponseFacts},
        stop::Applied,
    },
    durable::journal_error::JournalError,
    error::error::Error,
    key::IdempotencyKey,
    limit::feedback::Change,
};

/// What is recorded of one call.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    labels: Labels<'a>,
    /// `None` if no subscriber is interested; so is the next.
    call: Option<Span>,
    /// The attempt that was sent and not yet decided about.
    attempt: Option<Span>,
    /// How long the current attempt has waited in the queue.
    queued: Option<Duration>,
    /// The class of the last attempt.
    reason: &'static str,
    ended: bool,
    in_flight: bool,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(labels: Labels<'a>, call: Option<Span>) -> Self {
        Self { labels, call, attempt: None, queued: None, reason: "", ended: false, in_flight: false }
    }

    /// The current attempt has a permit, and has waited for it as long.
    pub(crate) fn admitted(&mut self, waited: Duration) {
        self.queued = Some(waited);
    }

    /// Begins the span of the attempt that follows `before` others.
    pub(crate) fn begin_attempt<'t>(
        &mut self,
        target: &Target<'t, impl Fn() -> Option<Template<'t>>>,
        before: u32,
        generation: u32,
        key: impl FnOnce() -> Option<IdempotencyKey>,
    ) -> Option<&Span> {
        self.in_flight = true;
        self.attempt = spans::if_traced(|| spans::attempt(target, before, generation, key));
        self.attempt.as_ref()
    }

    pub(crate) fn decided(
        &mut self,
        outcome: &Outcome,
        step: &Step,
        duration: Duration,
        levels: impl FnOnce() -> Levels,
    ) {
        self.in_flight = false;
        if let Some(attempt) = self.attempt.take() {
            spans::decided(&attempt, outcome, step);
        }
        self.reason = step.class.as_str();
        let (reason, queued) = (self.reason, self.queued.take());
        let replayed = outcome.response().is_some_and(|response| response.replayed);
        instruments::record(self.labels, |sink| {
            record_queue(sink, queued);
            record_attempt(sink, names::outcome_class(outcome), replayed, duration);
            sink.levels(levels);
            if let Decision::Retry { delay, .. } = &step.decision {
                sink.time(Metric::Wait, Some(("reason", reason)), *delay);
            }
        });
    }

    pub(crate) fn retried(&self, rotated: bool) {
        instruments::record(self.labels, |sink| {
            sink.count(Metric::Retries, Some(("reason", self.reason)));
            if rotated {
                sink.count(Metric::Rotations, None);
            }
        });
    }

    pub(crate) fn verified(&self, verdict: VerdictKind) {
        spans::verified(self.call.as_ref(), verdict);
        let label = Some(("verdict", verdict.as_str()));
        instruments::record(self.labels, |sink| sink.count(Metric::Verdicts, label));
    }

    /// The concurrency limit has closed or reopened.
    pub(crate) fn limit_changed(&self, change: Change, group: Option<&str>) {
        spans::limit_changed(self.labels.service, change, group);
    }

    /// A call goes on, or has ended, without its journal.
    pub(crate) fn journal_failed(&self, error: &JournalError) {
        spans::journal_failed(self.labels.service, error);
    }

    pub(crate) fn redirected(&self, redirect: Redirect) {
        spans::redirected(self.labels.service, redirect);
    }

    pub(crate) fn succeeded(
        &mut self,
        attempts: &Attempts,
        response: &ResponseFacts,
        duration: impl FnOnce() -> Duration,
        levels: impl FnOnce() -> Levels,
    ) {
        if let Some(attempt) = self.attempt.take() {
            spans::returned(&attempt, response.status, response.replayed);
        }
        let recovered = attempts.count() > 1;
        let outcome = if recovered { "recovered" } else { "ok" };
        if recovered {
            spans::recovered(self.call.as_ref(), self.labels.service, attempts);
        }
        if let Some(call) = &self.call {
            spans::succeeded(call, attempts, outcome);
        }
        self.end(outcome, levels, |sink| {
            record_attempt(sink, names::status_class(response.status), response.replayed, duration());
        });
    }

    pub(crate) fn verified_applied(&mut self, attempts: &Attempts, levels: impl FnOnce() -> Levels) {
        spans::recovered(self.call.as_ref(), self.labels.service, attempts);
        if let Some(call) = &self.call {
            spans::succeeded(call, attempts, "verified_applied");
        }
        self.end("verified_applied", levels, |_| {});
    }

    pub(crate) fn failed(&mut self, error: &Error, levels: impl FnOnce() -> Levels) {
        spans::failed(self.call.as_ref(), error);
        self.end(names::call_outcome(error), levels, |sink| {
            if error.applied() == Applied::Unknown {
                sink.count(Metric::InDoubt, Some(("reason", error.stop().as_str())));
            }
        });
    }

    fn end(&mut self, outcome: &'static str, levels: impl FnOnce() -> Levels, more: impl FnOnce(&Sink<'_>)) {
        self.ended = true;
        let queued = self.queued.take();
        instruments::record(self.labels, |sink| {
            record_queue(sink, queued);
            more(sink);
            sink.count(Metric::Calls, Some(("outcome", outcome)));
            sink.levels(levels);
        });
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether an attempt was sent and not yet decided about.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// The call was dropped before it ended; what is lost, if its write may have been applied.
    pub(crate) fn cancelled(&self, lost: Option<LostWrite<'_>>) {
        if let Some(lost) = lost {
            spans::lost(self.call.as_ref(), self.labels.service, lost);
        }
        if let Some(call) = &self.call {
            spans::cancelled(call);
        }
        instruments::record(self.labels, |sink| {
            record_queue(sink, self.queued);
            sink.count(Metric::Calls, Some(("outcome", "cancelled")));
        });
    }
}

/// Recorded with the attempt's end: so the recorder is looked up once.
fn record_queue(sink: &Sink<'_>, queued: Option<Duration>) {
    if let Some(queued) = queued {
        sink.time(Metric::QueueWait, None, queued);
    }
}

fn record_attempt(sink: &Sink<'_>, class: &'static str, replayed: bool, duration: Duration) {
    let label = Some(("outcome", class));
    sink.count(Metric::Attempts, label);
    sink.time(Metric::AttemptDuration, label, duration);
    if replayed {
        sink.count(Metric::Replays, None);
    }
}
