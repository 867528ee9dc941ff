//! Sending an attempt, and what its head says.

use std::{
    future::Future,
    mem,
    ops::ControlFlow::{self, Break, Continue},
};

use http::{HeaderMap, StatusCode};
use reqwest::Response;
use reqwest_middleware::Next;

use super::{
    call::{self, Call, Repeat},
    failed::FailedResponse,
    finish::Ending,
    key::WireKey,
};
use crate::{
    decide::{
        class::is_error,
        key::{KeyAction, KeyPlace, Meaning},
        outcome::ResponseFacts,
    },
    limit::{
        feedback::Feedback,
        held,
        limiters::{Limiters, Scope},
    },
    telemetry::spans::{self, Target},
    time,
};

/// The result of an attempt; `None` if the deadline passed first.
pub(crate) type Arrived = Option<reqwest_middleware::Result<Response>>;

impl Call<'_> {
    /// If the attempt is a repeat, it is paid for now, and the key replaced if that was decided.
    pub(crate) fn begin_attempt(&mut self) {
        self.is_probe = self.permits.is_probe();
        let Some(repeat) = self.repeat.take() else { return };
        let Repeat { key, tokens } = *repeat;
        self.extensions.reset();
        // What waited behind a closed limit adds no load.
        if !self.is_probe {
            self.tokens_spent = self.tokens_spent.saturating_add(tokens.spend());
        }
        self.history.begin_repeat(key);
        let rotated = key != KeyAction::Preserve;
        if rotated {
            if let Some(key) = self.key.replaceable() {
                self.replace_key(key.next(self.plan.idempotency()));
            }
            self.key_generation += 1;
            self.key_first_sent = None;
        }
        let call = call::facts(&self.plan, &self.request, &self.attempts);
        self.recorder.retried(&call, self.attempts.last_wait(), key, self.key_generation);
    }

    /// The next attempt carries this key.
    pub(super) fn replace_key(&mut self, next: WireKey) {
        let is_same = self.key.replaceable().is_some_and(|key| key.header_value() == next.header_value());
        if let Some(replaced) = self.used_keys(self.key.to_key()).pop().filter(|_| !is_same) {
            self.request.key_replaced(replaced);
        }
        self.key.replace(next);
    }

    /// Sends the attempt, which ends at the call's deadline at the latest.
    pub(crate) fn send<'b>(&'b mut self, next: Next<'b>) -> impl Future<Output = Arrived> + Send + use<'b> {
        let mut request = self.request.take();
        // What was kept does not have it: the next attempt may carry another one.
        self.key.write_to(&mut request, self.plan.idempotency());
        if self.key_first_sent.is_none() && self.key.place() != KeyPlace::Absent {
            self.key_first_sent = Some(self.clock.wall());
        }
        let (before, generation, key) = (self.history.attempts(), self.key_generation, &self.key);
        let (service, method, url) = (self.plan.service, self.request.method(), self.request.url());
        let target = Target { method, url, template: || service.template(method, url) };
        let deadline = self.deadline();
        let scarce_of = self.permits.is_scarce().then(|| self.limiters().map_or(0, Limiters::id));
        self.sent = self.now;
        let span = self.recorder.begin_attempt(&target, before, generation, || key.to_key());
        let sent = spans::within(span, next.run(request, self.extensions.get()));
        let sent = match scarce_of {
            Some(service) => held::within(service, sent),
            None => sent,
        };
        time::before(deadline, sent)
    }

    /// What the head of the response says: the call's end, or a failed attempt.
    pub(crate) fn read_head(&mut self, arrived: Arrived) -> ControlFlow<Ending, FailedResponse> {
        self.now = time::now();
        let scope = self.release_by_head(&arrived);
        match arrived {
            Some(Ok(response)) if self.has_failed(&response) => Continue(FailedResponse::Status(response, scope)),
            Some(Ok(response)) => Break(Ok(self.succeed(response))),
            Some(Err(error)) => Continue(FailedResponse::Missing(Some(error))),
            None => Continue(FailedResponse::Missing(None)),
        }
    }

    fn has_failed(&self, response: &Response) -> bool {
        is_error(response.status()) && !self.is_stored_success(response)
    }

    /// Releases the permits, unless the limiter's feedback depends on the body of an error. Returns the limit that refused the
    /// attempt, if one did.
    fn release_by_head(&mut self, arrived: &Arrived) -> Option<Scope> {
        match arrived {
            Some(Ok(response)) if self.has_failed(response) && self.plan.judges_load_by_body(response.status()) => None,
            Some(Ok(response)) => self.release(feedback(response.status(), None), response.headers()),
            _ => self.release(Feedback::NoResponse, &HeaderMap::new()),
        }
    }

    /// Releases the permits, if that was not done by the head, now that it is known what the response means.
    pub(super) fn release_by_meaning(&mut self, response: &ResponseFacts, headers: &HeaderMap) -> Option<Scope> {
        self.release(feedback(response.status, response.meaning), headers)
    }

    /// Releases the permits and gives the limiter feedback. Returns the limit that refused the attempt, if one did.
    fn release(&mut self, feedback: Feedback, headers: &HeaderMap) -> Option<Scope> {
        let permits = mem::take(&mut self.permits);
        let limiters = self.limiters()?;
        let is_refused = matches!(feedback, Feedback::Throttled | Feedback::Unavailable);
        let scope = is_refused.then(|| self.refusing(limiters, headers));
        if let Some(change) = permits.release(feedback, scope.unwrap_or(Scope::All), self.now) {
            self.recorder.limit_changed(self.plan.service.name(), change, self.plan.limit_group_name());
        }
        scope
    }

    /// Whose limit a refusal refers to.
    fn refusing(&self, limiters: &Limiters, headers: &HeaderMap) -> Scope {
        if !self.plan.service.rate_limiting().is_about_limit_key(headers) {
            return Scope::All;
        }
        match self.limit_key() {
            Some(limit_key) => limiters.refuse(&limit_key),
            // Whose limit it was is unknown, but it was not everyone's.
            None if self.plan.service.has_limit_keys() => Scope::LimitKey,
            None => Scope::All,
        }
    }
}

/// What a response says about the load of the service: by its meaning, or else by its status. An error of the service's own,
/// a 501 and what a rule calls final say nothing about it.
fn feedback(status: StatusCode, meaning: Option<Meaning>) -> Feedback {
    match (meaning, status.as_u16()) {
        (Some(Meaning::Throttled), _) => return Feedback::Throttled,
        (Some(Meaning::Unavailable), _) => return Feedback::Unavailable,
        (Some(Meaning::Final), 500..) => return Feedback::Failed,
        (Some(Meaning::Final), _) => return Feedback::Response,
        _ => {}
    }
    match status.as_u16() {
        429 => Feedback::Throttled,
        500 | 501 | 505 => Feedback::Failed,
        ..200 | 600.. => Feedback::NoResponse,
        501..600 => Feedback::Unavailable,
        _ => Feedback::Response,
    }
}
