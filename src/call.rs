//! One call: the steps that the loop takes, and what they have shown so far.

use std::time::Duration;

use http::{
    Extensions, HeaderMap, Method, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};
use reqwest_middleware::Next;

use crate::{
    attempts::{Attempt, Attempts},
    body,
    budget::Withdrawal,
    decide::{Applied, Decision, History, KeyAction, KeyPlace, Situation, Stop, decide},
    error::{Error, ErrorKind, Failed, Inner},
    gates::{Places, Scope},
    idempotency::Meaning,
    json::{self, Member},
    key::{IdempotencyKey, KeyProblem, WireKey},
    middleware::Ending,
    outcome::{Answer, Failure, Outcome, Redirected},
    policy::RetryPolicy,
    request::{Claim, Overrides},
    route::{Effect, Guard, Holds},
    service::{FinalStatus, Operation, RequestFacts, Service},
    size::Ended,
    telemetry::{self, Telemetry},
    time::{self, Clock, Instant},
    verify::{Doubt, Verdict, Verifier},
    window::{Priority, Window},
};

/// What is known of a call before its first attempt, and what its attempts have shown.
pub(crate) struct Call<'a> {
    service: &'a Service,
    policy: &'a RetryPolicy,
    verifier: Option<&'a dyn Verifier>,
    clock: &'a dyn Clock,
    operation: Operation<'a>,
    telemetry: Telemetry<'a>,
    method: Method,
    body_replayable: bool,
    key: Option<WireKey>,
    key_generation: u32,
    started: Instant,
    history: History,
    attempts: Attempts,
    /// After how many attempts the verifier was asked: never twice about the same ones.
    asked_after: Option<u32>,
    paid: u32,
}

/// What is kept of a request that is being sent: all of it where it may be needed again, else what an error shows.
pub(crate) enum Kept {
    Request(Request),
    Url(Url),
}

/// Where a request went, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    url: &'a Url,
    /// Where it was in memory; a request without a body has an empty one.
    body: Option<&'a [u8]>,
}

/// An attempt that did not succeed: what the decision needs of it, and what an error would show.
pub(crate) struct FailedAttempt {
    outcome: Outcome,
    kind: ErrorKind,
    shown: Failed,
    /// Whose limit it has met.
    refused: Option<Scope>,
    /// The answer as it came, but for its body; kept where it may become the caller's.
    response: Option<http::Response<()>>,
}

/// How sending ended; `None` where the deadline came first.
type Sent = Option<reqwest_middleware::Result<Response>>;

/// There is no place in the window within the deadline.
#[derive(Debug)]
pub(crate) struct Full;

impl FailedAttempt {
    fn new(outcome: Outcome, shown: Failed) -> Self {
        Self { outcome, kind: ErrorKind::of(outcome), shown, refused: None, response: None }
    }

    fn past_deadline() -> Self {
        Self::new(Outcome::Failure(Failure::Ambiguous), Failed::past_deadline())
    }
}

/// What the loop is told to do next.
pub(crate) enum Step<'a> {
    Fail(Stop),
    Retry { delay: Duration, key: KeyAction, tokens: Withdrawal<'a> },
}

impl<'a> Call<'a> {
    /// Fixes everything that does not change between attempts, and puts the key into the request.
    pub(crate) fn begin(
        service: &'a Service,
        operation: Operation<'a>,
        overrides: &'a Overrides,
        clock: &'a dyn Clock,
        mut request: Request,
        extensions: &Extensions,
    ) -> Result<(Self, Request), Error> {
        let operation = match overrides.effect() {
            Some(effect) => operation.claimed(effect, request.method(), service),
            None => operation,
        };
        let mut call = Self {
            service,
            policy: overrides.policy(service, &operation),
            verifier: overrides.verifier(service),
            clock,
            telemetry: Telemetry::begin(service, &operation, request.method(), request.url()),
            operation,
            method: request.method().clone(),
            body_replayable: is_in_memory(&request),
            key: None,
            key_generation: 0,
            started: time::now(),
            history: History::default(),
            attempts: Attempts::default(),
            asked_after: None,
            paid: 0,
        };
        if call.operation.keyed {
            let idempotency = service.idempotency();
            if call.contradicts_body(extensions.get(), Target::of(&request)) {
                return Err(call.invalid_key(KeyProblem::NotInBody, &request));
            }
            match WireKey::of_caller(idempotency, request.headers(), extensions.get::<IdempotencyKey>()) {
                Ok(given) => call.key = given.or_else(|| idempotency.makes_keys().then(|| WireKey::fresh(idempotency))),
                Err(problem) => return Err(call.invalid_key(problem, &request)),
            }
        }
        call.key_generation = call.key.is_some().into();
        call.write_key(&mut request);
        Ok((call, request))
    }

    pub(crate) fn span(&self) -> telemetry::Span {
        self.telemetry.call()
    }

    fn invalid_key(self, problem: KeyProblem, request: &Request) -> Error {
        let (kind, shown) = (ErrorKind::InvalidKey, Failed::invalid_key(problem));
        self.error(kind, Stop::Permanent, Applied::No, shown, Target::of(request))
    }

    /// Whether the caller's extension names another key than the body, where the service takes its keys there.
    fn contradicts_body(&self, extension: Option<&IdempotencyKey>, target: Target<'_>) -> bool {
        let in_body = self.service.idempotency().body_pointer().is_some();
        in_body && extension.is_some_and(|key| self.key_in_body(target).as_ref() != Some(key))
    }

    fn key_in_body(&self, target: Target<'_>) -> Option<IdempotencyKey> {
        let pointer = self.service.idempotency().body_pointer().filter(|_| self.operation.keyed)?;
        let member = json::member(target.body?, pointer).filter(Member::is_given)?;
        member.into_text().map(IdempotencyKey::new)
    }

    /// The key of the last attempt, in the header or in the body.
    fn current_key(&self, target: Target<'_>) -> Option<IdempotencyKey> {
        self.key.as_ref().map(WireKey::to_key).or_else(|| self.key_in_body(target))
    }

    fn key_place(&self, target: Target<'_>) -> KeyPlace {
        match &self.key {
            Some(_) => KeyPlace::Header,
            None if self.key_in_body(target).is_some() => KeyPlace::Body,
            None => KeyPlace::Absent,
        }
    }

    fn time_left(&self) -> Duration {
        self.policy.deadline.saturating_sub(self.started.elapsed())
    }

    fn write_key(&self, request: &mut Request) {
        if let (Some(name), Some(key)) = (self.service.idempotency().header_name(), &self.key) {
            request.headers_mut().insert(name.clone(), key.header_value().clone());
        }
    }

    /// Reads a body that is a stream into memory, where the policy allows it, so that it can be sent again.
    pub(crate) async fn buffer(mut self, mut request: Request) -> Result<(Self, Request), Error> {
        if self.body_replayable || self.policy.buffered_body == 0 {
            return Ok((self, request));
        }
        let read = time::within(self.time_left(), body::buffer(&mut request, self.policy.buffered_body)).await;
        let (stop, shown) = match read {
            Some(Ok(())) => {
                self.body_replayable = is_in_memory(&request);
                return Ok((self, request));
            }
            Some(Err(error)) => (Stop::Permanent, Failed { source: Some(error), ..Failed::default() }),
            None => (Stop::Deadline, Failed::past_deadline()),
        };
        Err(self.error(ErrorKind::Transport, stop, Applied::No, shown, Target::of(&request)))
    }

    /// What may be needed of a request after it is sent. A last attempt's request is cloned only where its body is
    /// looked at afterwards.
    pub(crate) fn keep(&self, request: &Request) -> Kept {
        let may_be_repeated = self.body_replayable && self.history.attempts() + 1 < self.policy.max_attempts;
        let body_needed = self.operation.guard.is_some()
            || self.service.idempotency().body_pointer().is_some()
            || self.verifier.is_some();
        let whole = if may_be_repeated || body_needed { request.try_clone() } else { None };
        whole.map_or_else(|| Kept::Url(request.url().clone()), Kept::Request)
    }

    /// A place in the service's window, waited for within the deadline.
    pub(crate) async fn enter(&self, target: Target<'_>) -> Result<Option<Places>, Full> {
        if self.time_left().is_zero() {
            return Err(Full);
        }
        let Some(gates) = self.service.gates() else { return Ok(None) };
        let priority = if self.operation.effect == Effect::Read { Priority::Read } else { Priority::Write };
        let queued = self.telemetry.queued();
        let places = gates.enter(priority, self.time_left(), || self.customer(target)).await;
        self.telemetry.let_in(queued);
        places.map(Some).ok_or(Full)
    }

    /// The queue in front of the window leaves no time for an attempt.
    pub(crate) async fn turn_away(self, target: Target<'_>) -> Ending {
        let attempt = FailedAttempt { kind: ErrorKind::RateLimited, ..FailedAttempt::past_deadline() };
        self.fail(Stop::Deadline, attempt, target).await
    }

    fn customer(&self, target: Target<'_>) -> Option<String> {
        self.service.customer_of(&RequestFacts { method: &self.method, url: target.url, body: target.body })
    }

    /// Tells the window how the attempt ended, and whose limit it has met.
    fn leave(&self, places: Option<Places>, sent: &Sent, target: Target<'_>) -> Option<Scope> {
        let (places, gates) = (places?, self.service.gates()?);
        let Some(Ok(response)) = sent else {
            places.give_back(Ended::Unanswered, Scope::All);
            return None;
        };
        let ended = match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Ended::Throttled,
            StatusCode::SERVICE_UNAVAILABLE => Ended::Down,
            _ => {
                places.give_back(Ended::Answered, Scope::All);
                return None;
            }
        };
        let one_customers = self.service.rate_limiting().scope(response.headers()) == Some("customer");
        let scope = match one_customers.then(|| self.customer(target)) {
            Some(Some(customer)) => gates.refuse_customer(customer),
            // Whose limit it was can no longer be told, but it was not that of all.
            Some(None) if self.service.tells_customers() => Scope::Customer,
            _ => Scope::All,
        };
        places.give_back(ended, scope);
        Some(scope)
    }

    /// One attempt, within the call's deadline; an error's body is read here, once.
    pub(crate) async fn send(
        &mut self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
        places: Option<Places>,
        target: Target<'_>,
    ) -> Result<Response, FailedAttempt> {
        let span = self.attempt_span(target);
        let sent = telemetry::within(span.clone(), time::within(self.time_left(), next.run(request, extensions))).await;
        self.telemetry.sent(span);
        let refused = self.leave(places, &sent, target);
        match sent {
            None => Err(FailedAttempt::past_deadline()),
            Some(Err(error)) => {
                let failure = Failure::of(&error, target.url);
                Err(FailedAttempt::new(Outcome::Failure(failure), Failed::without_answer(failure, error)))
            }
            Some(Ok(response)) if is_error(response.status()) => {
                Err(FailedAttempt { refused, ..self.read(response, target).await })
            }
            Some(Ok(response)) => Ok(response),
        }
    }

    fn attempt_span(&self, target: Target<'_>) -> telemetry::Span {
        let sending = (&self.operation, &self.method, target.url);
        let which = (self.history.attempts(), self.key_generation);
        self.telemetry.attempt(sending, which, || self.current_key(target))
    }

    async fn read(&self, mut response: Response, target: Target<'_>) -> FailedAttempt {
        let policy = self.policy;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let redirected = Redirected::between(target.url, response.url());
        let kept = (self.service.final_status() == FinalStatus::Response).then(|| head(&mut response, &headers));
        let patience = policy.error_body_timeout.min(self.time_left());
        let body = body::read(response, policy.max_error_body, patience).await;

        let parts = self.service.error_format().read(&headers, &body.bytes);
        let idempotency = self.service.idempotency();
        let texts = [&parts.code, &parts.error_type, &parts.message].map(|part| part.as_deref().unwrap_or_default());
        let rate_limiting = self.service.rate_limiting();
        let mut answer = Answer::new(status);
        let key = self.key_place(target);
        answer.meaning = idempotency.meaning(status, &texts).filter(|meaning| self.applies(*meaning, key));
        answer.hint = rate_limiting.read(&headers, || self.clock.wall());
        answer.retry_signal = self.service.retry_signal().and_then(|signal| signal.read(&headers));
        answer.transient = idempotency.is_transient(&headers);
        answer.replayed = idempotency.is_replay(&headers);
        answer.redirected = redirected;

        let scope = rate_limiting.scope(&headers).map(str::to_owned);
        let shown = Failed { status: Some(status), retry_after: answer.hint, scope, parts, body, ..Failed::default() };
        FailedAttempt { response: kept, ..FailedAttempt::new(Outcome::Answer(answer), shown) }
    }

    /// A request without a key has no conflict about one. That something else is being executed still holds for what
    /// may be repeated anyway.
    fn applies(&self, meaning: Meaning, key: KeyPlace) -> bool {
        let has_key = key != KeyPlace::Absent;
        match meaning {
            Meaning::AlreadyExists => true,
            Meaning::InProgress => has_key || self.operation.effect != Effect::Write,
            Meaning::OtherParameters | Meaning::Burnt | Meaning::RotateAtOnce => has_key,
        }
    }

    fn record(&mut self, outcome: Outcome) {
        let redirected = matches!(outcome, Outcome::Answer(Answer { redirected: Redirected::OtherOrigin, .. }));
        if redirected && self.key.is_some() && !self.attempts.iter().any(Attempt::is_redirected) {
            self.telemetry.redirected();
        }
        self.attempts.push(outcome, self.key_generation);
    }

    /// Adds the attempt to the history and asks the pure function.
    pub(crate) fn decide(&mut self, attempt: &FailedAttempt, target: Target<'_>) -> Step<'a> {
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
                    if let Some(tokens) = self.service.budget().withdraw(cost) {
                        self.hold(attempt, target);
                        self.attempts.waited(delay, key);
                        self.telemetry.decided(&situation, decision);
                        return Step::Retry { delay, key, tokens };
                    }
                    // Another call was quicker.
                    situation.tokens = self.service.budget().tokens();
                }
            }
        }
    }

    /// After a refusal the window may keep everybody waiting, though never for longer than a hint may be.
    fn hold(&self, attempt: &FailedAttempt, target: Target<'_>) {
        if let (Some(gates), Some(scope)) = (self.service.gates(), attempt.refused) {
            let hint = attempt.shown.retry_after.unwrap_or_default();
            gates.hold(scope, hint.min(self.policy.hint_cap), || self.customer(target));
        }
    }

    fn situation(&self, outcome: Outcome, target: Target<'_>) -> Situation<'a> {
        Situation {
            effect: self.effect(target, outcome),
            key: self.key_place(target),
            kind: self.service.idempotency().kind(),
            probe: self.service.idempotency().probes(),
            policy: self.policy,
            retryable: self.policy.retry_on.unwrap_or(self.service.retryable()),
            limiter_precedes_execution: self.service.rate_limiting().precedes_execution(),
            effect_is_described: self.operation.claim == Claim::Described,
            body_replayable: self.body_replayable,
            verifier: self.verifier.is_some(),
            outcome,
            history: self.history,
            elapsed: self.started.elapsed(),
            chance: self.clock.jitter(),
            tokens: self.service.budget().tokens(),
            window: self.service.window() == Window::Adaptive,
        }
    }

    /// The effect of the operation; where the body decides, it is looked at here and not before.
    fn effect(&self, target: Target<'_>, outcome: Outcome) -> Effect {
        let holds = |guard: &Guard| match guard.holds {
            Holds::Always => true,
            // Without a key, what was lost may have been such an error.
            Holds::UnlessHalfDone => {
                self.key.is_some() && !self.history.met_internal_error() && !outcome.tells_of_internal_error()
            }
        };
        let guard = self.operation.guard.filter(|guard| holds(guard));
        let deduplicated = guard.is_some_and(|guard| {
            target.body.and_then(|body| json::member(body, &guard.pointer)).is_some_and(|member| member.is_given())
        });
        if deduplicated { Effect::Deduplicated } else { self.operation.effect }
    }

    /// The repeat is about to be sent: it is paid, and the key is replaced where that was decided.
    pub(crate) fn retry(&mut self, tokens: Withdrawal<'_>, key: KeyAction, request: &mut Request) {
        self.paid = self.paid.saturating_add(tokens.spend());
        self.telemetry.retried(key != KeyAction::Preserve);
        if key != KeyAction::Preserve {
            self.history = self.history.rotated();
            self.key = Some(WireKey::fresh(self.service.idempotency()));
            self.key_generation += 1;
            self.write_key(request);
        }
    }

    /// Asks the verifier, within its own time and the deadline. Silence is [`Verdict::Unknown`].
    pub(crate) async fn verify(&mut self, target: Target<'_>) -> Verdict {
        let Some(verifier) = self.verifier else { return Verdict::Unknown };
        self.asked_after = Some(self.history.attempts());
        let key = self.current_key(target);
        let doubt = Doubt {
            service: self.service.name(),
            method: &self.method,
            url: target.url,
            body: target.body,
            key: key.as_ref(),
            attempts: &self.attempts,
        };
        let limit = self.policy.verify_timeout.min(self.time_left());
        let verdict = time::within(limit, verifier.verify(&doubt)).await.unwrap_or(Verdict::Unknown);
        if let Verdict::NotApplied = verdict {
            self.history = self.history.not_applied(key.is_some());
        }
        self.attempts.asked(verdict.kind());
        self.telemetry.verified(verdict.kind());
        verdict
    }

    /// Puts the account into the response, which is handed on as it is.
    pub(crate) fn succeed(mut self, mut response: Response, target: Target<'_>) -> Response {
        self.service.budget().deposit(self.paid.max(1));
        let mut answer = Answer::new(response.status());
        answer.redirected = Redirected::between(target.url, response.url());
        self.record(Outcome::Answer(answer));
        self.attempts.finish(self.started.elapsed());
        self.telemetry.succeeded(&self.attempts, answer, response.headers());
        response.extensions_mut().insert(self.attempts);
        response
    }

    /// The verifier has found the write: its response is the call's, or an error says that it was applied.
    pub(crate) fn reconcile(mut self, found: Option<Response>, attempt: FailedAttempt, target: Target<'_>) -> Ending {
        let Some(mut response) = found else {
            return Err(self.end(Stop::Permanent, Applied::Yes, attempt, target));
        };
        self.service.budget().deposit(self.paid);
        self.attempts.reconcile();
        self.attempts.finish(self.started.elapsed());
        self.telemetry.reconciled(&self.attempts);
        response.extensions_mut().insert(self.attempts);
        Ok(response)
    }

    /// No further attempt. A write in doubt is asked about once more, unless that was done after this attempt.
    pub(crate) async fn fail(mut self, stop: Stop, mut attempt: FailedAttempt, target: Target<'_>) -> Ending {
        let effect = self.operation.effect;
        let in_doubt = self.history.applied(effect) == Applied::Unknown;
        let asked = self.asked_after == Some(self.history.attempts());
        if in_doubt && !asked && self.verifier.is_some() && !self.time_left().is_zero() {
            if let Verdict::Applied(response) = self.verify(target).await {
                return self.reconcile(response, attempt, target);
            }
        }
        let applied = self.history.applied(effect);
        let head = attempt.response.take();
        let error = self.end(stop, applied, attempt, target);
        match head {
            Some(head) => Ok(error.into_response(head)),
            None => Err(error),
        }
    }

    fn end(self, stop: Stop, applied: Applied, attempt: FailedAttempt, target: Target<'_>) -> Error {
        self.error(attempt.kind, stop, applied, attempt.shown, target)
    }

    fn error(mut self, kind: ErrorKind, stop: Stop, applied: Applied, failed: Failed, target: Target<'_>) -> Error {
        let key = self.current_key(target);
        self.attempts.finish(self.started.elapsed());
        let error = Error::new(Inner {
            service: self.service.shared_name(),
            method: self.method,
            path: target.url.path().to_owned(),
            effect: self.operation.effect,
            kind,
            stop,
            applied,
            key,
            attempts: self.attempts,
            failed,
        });
        self.telemetry.failed(&error);
        error
    }
}

/// All of a response but its body. What described the body on the wire no longer does.
fn head(response: &mut Response, headers: &HeaderMap) -> http::Response<()> {
    let mut head = http::Response::builder().url(response.url().clone()).body(()).unwrap_or_default();
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    head.extensions_mut().extend(std::mem::take(response.extensions_mut()));
    *head.headers_mut() = headers.clone();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers_mut().remove(name);
    }
    head
}

fn is_in_memory(request: &Request) -> bool {
    request.body().is_none_or(|body| body.as_bytes().is_some())
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

impl Kept {
    pub(crate) fn target(&self) -> Target<'_> {
        match self {
            Self::Request(request) => Target::of(request),
            Self::Url(url) => Target { url, body: None },
        }
    }
}

impl<'a> Target<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        Self { url: request.url(), body: request.body().map_or(Some(&[]), Body::as_bytes) }
    }
}
