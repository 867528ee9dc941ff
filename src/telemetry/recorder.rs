//! What is recorded of one call: its spans, and what its observers are shown.

use std::time::Duration;

use http::StatusCode;

use super::{
    metrics::Metrics,
    spans::{self, Span, Target, Template},
};
use crate::{
    attempts::{AttemptOutcome, VerdictKind},
    decide::{
        class::OutcomeClass,
        decision::Step,
        key::KeyAction,
        outcome::{Outcome, Redirect},
        stop::Applied,
    },
    durable::journal_error::JournalError,
    error::error::Error,
    key::IdempotencyKey,
    limit::feedback::Change,
    observer::{AttemptFacts, CallFacts, CallOutcome, EndFacts, Observer, Observers, RetryFacts, RotationFacts},
};

/// What is recorded of one call.
#[derive(Debug)]
pub(crate) struct Recorder<'a> {
    observers: &'a Observers,
    /// In a box, and `None` unless a subscriber is interested.
    spans: Option<Box<Spans>>,
    /// How long the current attempt has waited in the queue.
    queued: Option<Duration>,
    /// The class of the last attempt, if it has failed.
    reason: OutcomeClass,
    ended: bool,
    in_flight: bool,
}

#[derive(Debug, Default)]
struct Spans {
    call: Option<Span>,
    /// The attempt that was sent and not yet decided about.
    attempt: Option<Span>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(observers: &'a Observers, call: Option<Span>) -> Self {
        let spans = call.map(|call| Box::new(Spans { call: Some(call), attempt: None }));
        Self { observers, spans, queued: None, reason: OutcomeClass::NotSent, ended: false, in_flight: false }
    }

    fn call(&self) -> Option<&Span> {
        self.spans.as_ref()?.call.as_ref()
    }

    fn take_attempt(&mut self) -> Option<Span> {
        self.spans.as_mut()?.attempt.take()
    }

    /// The metrics come first.
    #[inline(always)]
    fn show(&self, event: impl Fn(&dyn Observer)) {
        if cfg!(feature = "metrics") {
            event(&Metrics);
        }
        self.observers.each(event);
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
        let attempt = spans::if_traced(|| spans::attempt(target, before, generation, key))?;
        Some(self.spans.get_or_insert_default().attempt.insert(attempt))
    }

    pub(crate) fn decided(&mut self, call: &CallFacts<'_>, outcome: &Outcome, step: &Step, duration: Duration) {
        self.in_flight = false;
        if let Some(attempt) = self.take_attempt() {
            spans::decided(&attempt, outcome, step);
        }
        self.reason = step.class;
        let queued = self.queued.take();
        let replayed = outcome.response().is_some_and(|response| response.replayed);
        let outcome = AttemptOutcome::of(outcome);
        let attempt = AttemptFacts { outcome: &outcome, step: Some(step), replayed, duration, queued };
        self.show(|observer| observer.on_attempt(call, &attempt));
    }

    /// The request is sent again after this wait; `generation` counts the keys.
    pub(crate) fn retried(&self, call: &CallFacts<'_>, wait: Duration, key: KeyAction, generation: u32) {
        let reason = self.reason;
        self.show(|observer| observer.on_retry(call, &RetryFacts { reason, wait, key }));
        if key != KeyAction::Preserve {
            self.show(|observer| observer.on_rotate(call, &RotationFacts { reason, generation }));
        }
    }

    pub(crate) fn verified(&self, call: &CallFacts<'_>, verdict: VerdictKind) {
        spans::verified(self.call(), verdict);
        Metrics.on_verdict(call, verdict);
    }

    /// The concurrency limit has closed or reopened.
    pub(crate) fn limit_changed(&self, service: &str, change: Change, group: Option<&str>) {
        spans::limit_changed(self.call(), service, change, group);
    }

    /// A call goes on, or has ended, without its journal.
    pub(crate) fn journal_failed(
        &self,
        service: &str,
        request: Option<String>,
        key: Option<IdempotencyKey>,
        error: &JournalError,
    ) {
        spans::journal_failed(self.call(), service, request, key, error);
    }

    pub(crate) fn redirected(&self, service: &str, request: Option<String>, redirect: Redirect) {
        spans::redirected(self.call(), service, request, redirect);
    }

    #[inline(always)]
    pub(crate) fn succeeded(
        &mut self,
        call: &CallFacts<'_>,
        (status, replayed): (StatusCode, bool),
        duration: impl Fn() -> Duration,
        request: Option<String>,
    ) {
        if let Some(attempt) = self.take_attempt() {
            spans::returned(&attempt, status, replayed);
        }
        let queued = self.queued.take();
        self.show(|observer| {
            let outcome = AttemptOutcome::Status(status);
            let facts = AttemptFacts { outcome: &outcome, step: None, replayed, duration: duration(), queued };
            observer.on_attempt(call, &facts);
        });
        let recovered = call.attempts.count() > 1;
        self.returned(call, if recovered { CallOutcome::Recovered } else { CallOutcome::Ok }, request);
    }

    pub(crate) fn verified_applied(&mut self, call: &CallFacts<'_>, request: Option<String>) {
        self.returned(call, CallOutcome::VerifiedApplied, request);
    }

    fn returned(&mut self, call: &CallFacts<'_>, outcome: CallOutcome, request: Option<String>) {
        if outcome != CallOutcome::Ok {
            spans::recovered(self.call(), call.service(), request, call.attempts);
        }
        if let Some(span) = self.call() {
            spans::succeeded(span, call.attempts, outcome.as_str());
        }
        self.end(call, outcome, None);
    }

    pub(crate) fn failed(&mut self, call: &CallFacts<'_>, error: &Error) {
        let outcome = if error.applied() == Applied::Unknown { CallOutcome::InDoubt } else { CallOutcome::Failed };
        spans::failed(self.call(), error, outcome.as_str());
        self.end(call, outcome, Some(error));
    }

    fn end(&mut self, call: &CallFacts<'_>, outcome: CallOutcome, error: Option<&Error>) {
        self.ended = true;
        let (elapsed, queued) = (call.attempts.elapsed(), self.queued.take());
        self.show(|observer| observer.on_end(call, &EndFacts { outcome, error, elapsed, queued }));
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether an attempt was sent and not yet decided about.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// The call was dropped while its write may have been applied.
    pub(crate) fn lost(&self, call: &CallFacts<'_>, request: Option<String>, key: Option<IdempotencyKey>) {
        spans::lost(self.call(), call.service(), request, call.attempts, key);
    }

    /// The call was dropped before it ended.
    pub(crate) fn cancelled(&mut self, call: &CallFacts<'_>) {
        if let Some(span) = self.call() {
            spans::cancelled(span);
        }
        self.end(call, CallOutcome::Cancelled, None);
    }
}
