//! Sending an attempt, and reading what came of it.

use std::{
    future::Future,
    mem,
    ops::ControlFlow::{self, Break, Continue},
};

use http::{
    Extensions, HeaderMap, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use reqwest::{Response, ResponseBuilderExt};
use reqwest_middleware::Next;

use super::{Call, end::Ending};
use crate::{
    attempts::Attempts,
    body,
    decide::KeyPlace,
    error::{Error, ErrorKind, Failed},
    gates::Scope,
    idempotency::Meaning,
    outcome::{Answer, Failure, Outcome, Redirected},
    outgoing::Outgoing,
    route::Effect,
    service::{FinalStatus, RequestFacts},
    size::Ended,
    telemetry, time,
};

/// An attempt that did not succeed: what the decision needs of it, and what an error would show.
pub(crate) struct FailedAttempt {
    pub(super) outcome: Outcome,
    pub(super) kind: ErrorKind,
    pub(super) shown: Failed,
    /// Whose limit it has met.
    pub(super) refused: Option<Scope>,
    /// The answer as it came, but for its body; kept where it may become the caller's.
    pub(super) response: Option<http::Response<()>>,
}

/// What came of an attempt that did not succeed.
pub(crate) enum Missed {
    /// A 4xx or 5xx, whose body is to be read, and whose limit it has met.
    Refused(Response, Option<Scope>),
    /// No answer.
    Failed(Box<FailedAttempt>),
}

/// What arrived; `None` where the deadline came first.
pub(crate) type Arrived = Option<reqwest_middleware::Result<Response>>;

impl FailedAttempt {
    fn new(outcome: Outcome, shown: Failed) -> Self {
        Self { outcome, kind: ErrorKind::of(outcome), shown, refused: None, response: None }
    }

    pub(super) fn past_deadline() -> Self {
        Self::new(Outcome::Failure(Failure::Ambiguous), Failed::past_deadline())
    }
}

impl Call<'_> {
    /// Tells the window how the attempt ended, and whose limit it has met.
    fn leave(&mut self, sent: &Arrived, target: RequestFacts<'_>) -> Option<Scope> {
        let places = mem::take(&mut self.places);
        let gates = self.service().gates()?;
        let Some(Ok(response)) = sent else {
            places.give_back(Ended::Unanswered, Scope::All, self.now);
            return None;
        };
        let ended = match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Ended::Throttled,
            StatusCode::SERVICE_UNAVAILABLE => Ended::Down,
            _ => {
                places.give_back(Ended::Answered, Scope::All, self.now);
                return None;
            }
        };
        let one_customers = self.service().rate_limiting().scope(response.headers()) == Some("customer");
        let scope = match one_customers.then(|| self.customer(target)) {
            Some(Some(customer)) => gates.refuse_customer(customer),
            // Whose limit it was can no longer be told, but it was not that of all.
            Some(None) if self.service().tells_customers() => Scope::Customer,
            _ => Scope::All,
        };
        places.give_back(ended, scope, self.now);
        Some(scope)
    }

    /// Begins an attempt, which ends at the call's deadline at the latest.
    pub(crate) fn send<'b>(
        &mut self,
        outgoing: &mut Outgoing,
        extensions: &'b mut Extensions,
        next: Next<'b>,
    ) -> impl Future<Output = Arrived> + Send + use<'b> {
        let mut request = outgoing.depart(self.keeps());
        // What was kept has it not: the next attempt may carry another one.
        if let (Some(name), Some(key)) = (self.service().idempotency().header_name(), &self.key) {
            request.headers_mut().insert(name.clone(), key.header_value());
        }
        let span = self.attempt_span(outgoing.target());
        let sent = telemetry::within(&span, next.run(request, extensions));
        self.telemetry.sent(span);
        time::before(self.deadline(), sent)
    }

    /// What an attempt has come to, as far as its head tells: the call's end, or what it has missed.
    pub(crate) fn learn(&mut self, arrived: Arrived, target: RequestFacts<'_>) -> ControlFlow<Ending, Missed> {
        self.now = time::now();
        let scope = self.leave(&arrived, target);
        let failed = match arrived {
            Some(Ok(response)) if is_carried_out(&response) => return Break(self.hand_on(Ok(response))),
            Some(Ok(response)) if is_error(response.status()) => return Continue(Missed::Refused(response, scope)),
            Some(Ok(response)) => return Break(Ok(self.succeed(response, target))),
            Some(Err(error)) if self.is_own_error(&error, target) => return Break(self.hand_on(Err(error))),
            Some(Err(error)) => {
                let failure = Failure::of(&error, target.url);
                FailedAttempt::new(Outcome::Failure(failure), Failed::without_answer(failure, error))
            }
            None => FailedAttempt::past_deadline(),
        };
        Continue(Missed::Failed(Box::new(failed)))
    }

    /// Whether another layer below has ended this very request: repeats of its repeats would multiply.
    fn is_own_error(&self, error: &reqwest_middleware::Error, target: RequestFacts<'_>) -> bool {
        let reqwest_middleware::Error::Middleware(error) = error else { return false };
        error.downcast_ref::<Error>().is_some_and(|error| {
            error.service() == self.service().name()
                && error.method() == target.method
                && error.path() == target.url.path()
        })
    }

    fn attempt_span(&self, target: RequestFacts<'_>) -> telemetry::Span {
        let sending = (target.method, target.url);
        let which = (self.history.attempts(), self.key_generation);
        self.telemetry.attempt(sending, which, || self.current_key(target))
    }

    /// An error's body is read here, once.
    pub(crate) async fn read(&mut self, missed: Missed, target: RequestFacts<'_>) -> Box<FailedAttempt> {
        let (mut response, refused) = match missed {
            Missed::Refused(response, scope) => (response, scope),
            Missed::Failed(failed) => return failed,
        };
        let policy = self.policy;
        let (status, headers) = (response.status(), mem::take(response.headers_mut()));
        let redirected = Redirected::between(target.url, response.url());
        let kept = (self.service().final_status() == FinalStatus::Response).then(|| head(&mut response, &headers));
        let patience = policy.error_body_timeout.min(self.time_left());
        let body = body::read(response, policy.max_error_body, patience).await;

        let parts = self.service().error_format().read(&headers, &body.bytes);
        let idempotency = self.service().idempotency();
        let texts = [&parts.code, &parts.error_type, &parts.message].map(|part| part.as_deref().unwrap_or_default());
        let rate_limiting = self.service().rate_limiting();
        let mut answer = Answer::new(status);
        let key = self.key_place(target);
        answer.meaning = idempotency.meaning(status, &texts).filter(|meaning| self.applies(*meaning, key));
        answer.hint = rate_limiting.read(&headers, || self.begun.clock.wall());
        answer.retry_signal = self.service().retry_signal().and_then(|signal| signal.read(&headers));
        answer.transient = idempotency.is_transient(&headers);
        answer.replayed = idempotency.is_replay(&headers);
        answer.redirected = redirected;

        let scope = rate_limiting.scope(&headers).map(str::to_owned);
        let shown = Failed { status: Some(status), retry_after: answer.hint, scope, parts, body, ..Failed::default() };
        self.now = time::now();
        Box::new(FailedAttempt { refused, response: kept, ..FailedAttempt::new(Outcome::Answer(answer), shown) })
    }

    /// A request without a key has no conflict about one. That something else is being executed still holds for what
    /// may be repeated anyway.
    fn applies(&self, meaning: Meaning, key: KeyPlace) -> bool {
        let has_key = key != KeyPlace::Absent;
        match meaning {
            Meaning::AlreadyExists => true,
            Meaning::InProgress => has_key || self.operation().effect != Effect::Write,
            Meaning::OtherParameters | Meaning::Burnt | Meaning::RotateAtOnce => has_key,
        }
    }
}

/// All of a response but its body. What described the body on the wire no longer does.
fn head(response: &mut Response, headers: &HeaderMap) -> http::Response<()> {
    let mut head = http::Response::builder().url(response.url().clone()).body(()).unwrap_or_default();
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    head.extensions_mut().extend(mem::take(response.extensions_mut()));
    *head.headers_mut() = headers.clone();
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers_mut().remove(name);
    }
    head
}

/// Whether the response has another layer's account: its call has ended.
fn is_carried_out(response: &Response) -> bool {
    response.extensions().get::<Attempts>().is_some()
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
