//! One call: the steps that the loop takes, and what they have shown so far.

mod end;
mod send;

use std::{
    ops::ControlFlow::{self, Break, Continue},
    time::Duration,
};

use http::Extensions;
use reqwest::Request;

pub(crate) use self::{end::Ending, send::FailedAttempt};
use crate::{
    attempts::{Attempt, Attempts},
    body,
    budget::Withdrawal,
    decide::{Applied, Decision, History, KeyAction, KeyPlace, Situation, Stop, decide},
    error::{ErrorKind, Failed},
    gates::Places,
    json::{self, Member},
    key::{IdempotencyKey, KeyProblem, WireKey},
    outcome::{Answer, Outcome, Redirected},
    outgoing::{Keep, Outgoing},
    policy::RetryPolicy,
    request::{Claim, Overrides},
    route::{Effect, Guard, Holds},
    service::{Operation, RequestFacts, Service},
    telemetry::{Span, Telemetry},
    time::{self, Clock, Instant},
    verify::{Doubt, Verdict, Verifier},
    window::{Priority, Window},
};

/// What is known of a call before its first attempt.
pub(crate) struct Begun<'a> {
    pub(crate) service: &'a Service,
    pub(crate) operation: Operation<'a>,
    pub(crate) overrides: Overrides,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) span: Span,
}

/// What the attempts of a call have shown so far.
pub(crate) struct Call<'a> {
    begun: &'a Begun<'a>,
    policy: &'a RetryPolicy,
    /// Of the attempt that is being made.
    places: Places,
    telemetry: Telemetry<'a>,
    body_replayable: bool,
    key: Option<WireKey>,
    key_generation: u32,
    started: Instant,
    /// The clock as it was read last: a step that takes no time need not read it again.
    now: Instant,
    history: History,
    attempts: Attempts,
    /// After how many attempts the verifier was asked: never twice about the same ones.
    asked_after: Option<u32>,
    paid: u32,
}

/// What is to be done after an attempt that did not succeed.
pub(crate) enum Step<'a> {
    Fail(Stop),
    Retry(Repeat<'a>),
}

/// The next attempt, as it was decided.
pub(crate) struct Repeat<'a> {
    pub(crate) delay: Duration,
    pub(crate) key: KeyAction,
    tokens: Withdrawal<'a>,
}

impl<'a> Call<'a> {
    pub(crate) fn begin(begun: &'a Begun<'a>, target: RequestFacts<'_>) -> Self {
        let Begun { service, operation, overrides, .. } = begun;
        let started = time::now();
        Self {
            begun,
            policy: overrides.policy(service, operation),
            telemetry: Telemetry::begin(service, operation.effect, &begun.span),
            places: Places::default(),
            body_replayable: target.body.is_some(),
            key: None,
            key_generation: 0,
            started,
            now: started,
            history: History::default(),
            attempts: Attempts::default(),
            asked_after: None,
            paid: 0,
        }
    }

    fn service(&self) -> &'a Service {
        self.begun.service
    }

    fn verifier(&self) -> Option<&'a dyn Verifier> {
        self.begun.overrides.verifier(self.service())
    }

    fn operation(&self) -> &'a Operation<'a> {
        &self.begun.operation
    }

    /// The caller's key or a fresh one, where the operation has one.
    pub(crate) fn choose_key(&mut self, request: &Request, extensions: &Extensions) -> reqwest_middleware::Result<()> {
        if !self.operation().keyed {
            return Ok(());
        }
        let (idempotency, target) = (self.service().idempotency(), RequestFacts::of(request));
        let given = if self.contradicts_body(extensions.get(), target) {
            Err(KeyProblem::NotInBody)
        } else {
            WireKey::of_caller(idempotency, request.headers(), extensions.get::<IdempotencyKey>())
        };
        match given {
            Ok(given) => self.key = given.or_else(|| idempotency.makes_keys().then(|| WireKey::fresh(idempotency))),
            Err(problem) => {
                let (kind, shown) = (ErrorKind::InvalidKey, Failed::invalid_key(problem));
                let error = self.error(kind, Stop::Permanent, Applied::No, shown, target);
                return Err(reqwest_middleware::Error::middleware(error));
            }
        }
        self.key_generation = self.key.is_some().into();
        Ok(())
    }

    /// Whether the caller's extension names another key than the body, where the service takes its keys there.
    fn contradicts_body(&self, extension: Option<&IdempotencyKey>, target: RequestFacts<'_>) -> bool {
        let in_body = self.service().idempotency().body_pointer().is_some();
        in_body && extension.is_some_and(|key| self.key_in_body(target).as_ref() != Some(key))
    }

    fn key_in_body(&self, target: RequestFacts<'_>) -> Option<IdempotencyKey> {
        let pointer = self.service().idempotency().body_pointer().filter(|_| self.operation().keyed)?;
        let member = json::member(target.body?, pointer).filter(Member::is_given)?;
        member.into_text().map(IdempotencyKey::new)
    }

    /// The key of the last attempt, in the header or in the body.
    fn current_key(&self, target: RequestFacts<'_>) -> Option<IdempotencyKey> {
        self.key.as_ref().map(WireKey::to_key).or_else(|| self.key_in_body(target))
    }

    fn key_place(&self, target: RequestFacts<'_>) -> KeyPlace {
        match &self.key {
            Some(_) => KeyPlace::Header,
            None if self.key_in_body(target).is_some() => KeyPlace::Body,
            None => KeyPlace::Absent,
        }
    }

    fn time_left(&self) -> Duration {
        self.policy.deadline.saturating_sub(self.started.elapsed())
    }

    fn deadline(&self) -> Option<Instant> {
        self.started.checked_add(self.policy.deadline)
    }

    /// Whether a body that is a stream may be read into memory, so that it can be sent again.
    pub(crate) fn may_buffer(&self) -> bool {
        !self.body_replayable && self.policy.buffered_body > 0
    }

    pub(crate) async fn buffer(&mut self, outgoing: &mut Outgoing) -> reqwest_middleware::Result<()> {
        let Some(request) = outgoing.whole() else { return Ok(()) };
        let read = time::within(self.time_left(), body::buffer(request, self.policy.buffered_body)).await;
        let (stop, shown) = match read {
            Some(Ok(())) => {
                self.body_replayable = outgoing.target().body.is_some();
                self.now = time::now();
                return Ok(());
            }
            Some(Err(error)) => (Stop::Permanent, Failed { source: Some(error), ..Failed::default() }),
            None => (Stop::Deadline, Failed::past_deadline()),
        };
        let error = self.error(ErrorKind::Transport, stop, Applied::No, shown, outgoing.target());
        Err(reqwest_middleware::Error::middleware(error))
    }

    /// What may be needed of a request after it is sent. Of a last attempt's that is all of it only where its body is
    /// looked at afterwards.
    pub(crate) fn keeps(&self) -> Keep {
        let may_be_repeated = self.body_replayable && self.history.attempts() + 1 < self.policy.max_attempts;
        let body_needed = self.operation().guard.is_some()
            || self.service().idempotency().body_pointer().is_some()
            || self.verifier().is_some();
        if may_be_repeated || body_needed { Keep::All } else { Keep::Place }
    }

    fn is_past_deadline(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// Takes a place in the service's window, where there is one at once.
    pub(crate) fn try_enter(&mut self) -> bool {
        if self.is_past_deadline() {
            return false;
        }
        let Some(gates) = self.service().gates() else { return true };
        let Some(places) = gates.try_enter(self.now) else { return false };
        self.places = places;
        self.telemetry.let_in(Duration::ZERO);
        true
    }

    /// Waits for a place in the service's window. Where there is none within the deadline the call has ended.
    pub(crate) async fn queue(&mut self, target: RequestFacts<'_>) -> ControlFlow<Ending> {
        let Some(gates) = self.service().gates().filter(|_| !self.is_past_deadline()) else {
            return Break(self.turn_away(target).await);
        };
        let priority = if self.operation().effect == Effect::Read { Priority::Read } else { Priority::Write };
        let queued = self.now;
        let places = gates.enter(priority, self.time_left(), || self.customer(target)).await;
        self.now = time::now();
        self.telemetry.let_in(self.now - queued);
        match places {
            Some(places) => self.places = places,
            None => return Break(self.turn_away(target).await),
        }
        Continue(())
    }

    fn customer(&self, target: RequestFacts<'_>) -> Option<String> {
        self.service().customer_of(&target)
    }

    fn record(&mut self, outcome: Outcome) {
        let redirected = matches!(outcome, Outcome::Answer(Answer { redirected: Redirected::OtherOrigin, .. }));
        if redirected && self.key.is_some() && !self.attempts.iter().any(Attempt::is_redirected) {
            self.telemetry.redirected();
        }
        self.attempts.push(outcome, self.key_generation);
    }

    /// Adds the attempt to the history and asks the pure function.
    pub(crate) fn decide(&mut self, attempt: &FailedAttempt, target: RequestFacts<'_>) -> Step<'a> {
        let mut situation = self.situation(attempt.outcome, target);
        situation.history = situation.history.after(&situation);
        self.history = situation.history;
        self.record(attempt.outcome);
        loop {
            let decision = decide(&situation);
            match decision {
                Decision::Fail(stop) => {
                    self.telemetry.decided(&situation, decision);
                    self.hold(attempt, target);
                    return Step::Fail(stop);
                }
                Decision::Retry { delay, key, cost } => {
                    if let Some(tokens) = self.service().budget().withdraw(cost) {
                        self.hold(attempt, target);
                        self.attempts.waited(delay, key);
                        self.telemetry.decided(&situation, decision);
                        return Step::Retry(Repeat { delay, key, tokens });
                    }
                    // Another call was quicker.
                    situation.tokens = self.service().budget().tokens();
                }
            }
        }
    }

    /// After a refusal the window may keep everybody waiting, though never for longer than a hint may be.
    fn hold(&self, attempt: &FailedAttempt, target: RequestFacts<'_>) {
        if let (Some(gates), Some(scope)) = (self.service().gates(), attempt.refused) {
            let hint = attempt.shown.retry_after.unwrap_or_default();
            gates.hold(scope, hint.min(self.policy.hint_cap), || self.customer(target));
        }
    }

    fn situation(&self, outcome: Outcome, target: RequestFacts<'_>) -> Situation<'a> {
        Situation {
            effect: self.effect(target, outcome),
            key: self.key_place(target),
            kind: self.service().idempotency().kind(),
            probe: self.service().idempotency().probes(),
            policy: self.policy,
            retryable: self.policy.retry_on.unwrap_or(self.service().retryable()),
            limiter_precedes_execution: self.service().rate_limiting().precedes_execution(),
            effect_is_described: self.operation().claim == Claim::Described,
            body_replayable: self.body_replayable,
            verifier: self.verifier().is_some(),
            outcome,
            history: self.history,
            elapsed: self.now - self.started,
            chance: self.begun.clock.jitter(),
            tokens: self.service().budget().tokens(),
            window: self.service().window() == Window::Adaptive,
        }
    }

    /// The effect of the operation; where the body decides, it is looked at here and not before.
    fn effect(&self, target: RequestFacts<'_>, outcome: Outcome) -> Effect {
        let holds = |guard: &Guard| match guard.holds {
            Holds::Always => true,
            // Without a key, what was lost may have been such an error.
            Holds::UnlessHalfDone => {
                self.key.is_some() && !self.history.met_internal_error() && !outcome.tells_of_internal_error()
            }
        };
        let guard = self.operation().guard.filter(|guard| holds(guard));
        let deduplicated = guard.is_some_and(|guard| {
            target.body.and_then(|body| json::member(body, &guard.pointer)).is_some_and(|member| member.is_given())
        });
        if deduplicated { Effect::Deduplicated } else { self.operation().effect }
    }

    /// The repeat is about to be sent: it is paid, and the key is replaced where that was decided.
    pub(crate) fn begin_repeat(&mut self, Repeat { tokens, key, .. }: Repeat<'_>) {
        self.paid = self.paid.saturating_add(tokens.spend());
        self.telemetry.retried(key != KeyAction::Preserve);
        if key != KeyAction::Preserve {
            self.history = self.history.rotated();
            self.key = Some(WireKey::fresh(self.service().idempotency()));
            self.key_generation += 1;
        }
    }

    /// Time has passed.
    pub(crate) fn woken(&mut self) {
        self.now = time::now();
    }

    /// Asks the verifier, within its own time and the deadline. Silence is [`Verdict::Unknown`].
    pub(crate) async fn verify(&mut self, target: RequestFacts<'_>) -> Verdict {
        let Some(verifier) = self.verifier() else { return Verdict::Unknown };
        self.asked_after = Some(self.history.attempts());
        let key = self.current_key(target);
        let doubt = Doubt {
            service: self.service().name(),
            method: target.method,
            url: target.url,
            body: target.body,
            key: key.as_ref(),
            attempts: &self.attempts,
        };
        let limit = self.policy.verify_timeout.min(self.time_left());
        // In a box, since few calls ask.
        let verdict = Box::pin(time::within(limit, verifier.verify(&doubt))).await.unwrap_or(Verdict::Unknown);
        if let Verdict::NotApplied = verdict {
            self.history = self.history.not_applied(key.is_some());
        }
        self.now = time::now();
        self.attempts.asked(verdict.kind());
        self.telemetry.verified(verdict.kind());
        verdict
    }
}
