//! Sending an attempt, and what its head says.

use std::{
    future::Future,
    mem,
    ops::ControlFlow::{self, Break, Continue},
};

use http::StatusCode;
use reqwest::Response;
use reqwest_middleware::Next;

use super::{
    call::{Call, Repeat},
    failed::FailedResponse,
    finish::Ending,
    key::CallKey,
    replay::Keep,
};
use crate::{
    decide::{
        class::is_error,
        key::{KeyAction, KeyPlace},
    },
    limit::{aimd::Feedback, limiters::Scope},
    telemetry::spans::{self, Target},
    time,
};

/// The result of an attempt; `None` if the deadline passed first.
pub(crate) type Arrived = Option<reqwest_middleware::Result<Response>>;

impl Call<'_> {
    /// If the attempt is a repeat, it is paid for now, and the key replaced if that was decided.
    pub(crate) fn begin_attempt(&mut self) {
        let Some(repeat) = self.repeat.take() else { return };
        let Repeat { key, tokens } = *repeat;
        self.extensions.reset();
        self.tokens_spent = self.tokens_spent.saturating_add(tokens.spend());
        self.history.begin_repeat(key);
        let rotated = key != KeyAction::Preserve;
        if rotated {
            self.replace_key();
            self.key_generation += 1;
            self.key_first_sent = None;
        }
        self.recorder.retried(rotated);
    }

    fn replace_key(&mut self) {
        let CallKey::Header(key) = &self.key else { return };
        let (replaced, next) = (key.to_key(), key.next());
        self.request.key_replaced(replaced);
        self.key = CallKey::Header(next);
    }

    /// Sends the attempt, which ends at the call's deadline at the latest.
    pub(crate) fn send<'b>(&'b mut self, next: Next<'b>) -> impl Future<Output = Arrived> + Send + use<'b> {
        let mut request = self.request.take(self.keep());
        // What was kept does not have it: the next attempt may carry another one.
        if let (Some(name), CallKey::Header(key)) = (self.plan.idempotency().header_name(), &self.key) {
            request.headers_mut().insert(name.clone(), key.header_value());
        }
        if self.key_first_sent.is_none() && self.key.place() != KeyPlace::Absent {
            self.key_first_sent = Some(self.clock.wall());
        }
        let (before, generation, key) = (self.history.attempts(), self.key_generation, &self.key);
        let (service, method, url) = (self.plan.service, self.request.method(), self.request.url());
        let target = Target { method, url, template: || service.template(method, url) };
        let deadline = self.deadline();
        self.sent = self.now;
        let span = self.recorder.begin_attempt(&target, before, generation, || key.to_key());
        let sent = spans::within(span, next.run(request, self.extensions.get()));
        time::before(deadline, sent)
    }

    /// What may be needed of a request after it is sent. Of a last attempt's that is all of it only if its body is looked
    /// at afterwards.
    fn keep(&self) -> Keep {
        let may_be_repeated = self.body_replayable && self.history.attempts() + 1 < self.plan.policy().max_attempts;
        if may_be_repeated || self.plan.needs_body() { Keep::All } else { Keep::Head }
    }

    /// What the head of the response says: the call's end, or a failed attempt.
    pub(crate) fn read_head(&mut self, arrived: Arrived) -> ControlFlow<Ending, FailedResponse> {
        self.now = time::now();
        let scope = self.release(&arrived);
        match arrived {
            Some(Ok(response)) if is_error(response.status()) => Continue(FailedResponse::Status(response, scope)),
            Some(Ok(response)) => Break(Ok(self.succeed(response))),
            Some(Err(error)) => Continue(FailedResponse::Missing(Some(error))),
            None => Continue(FailedResponse::Missing(None)),
        }
    }

    /// Releases the permits and gives the limiter feedback. Returns the limit that refused the attempt, if one did.
    fn release(&mut self, arrived: &Arrived) -> Option<Scope> {
        let permits = mem::take(&mut self.permits);
        let limiters = self.plan.service.limiters()?;
        let Some(Ok(response)) = arrived else {
            permits.release(Feedback::NoResponse, Scope::All, self.now);
            return None;
        };
        let feedback = match response.status() {
            StatusCode::TOO_MANY_REQUESTS => Feedback::Throttled,
            StatusCode::SERVICE_UNAVAILABLE => Feedback::Unavailable,
            _ => {
                permits.release(Feedback::Response, Scope::All, self.now);
                return None;
            }
        };
        let about_limit_key = self.plan.service.rate_limiting().is_about_limit_key(response.headers());
        let scope = match about_limit_key.then(|| self.limit_key()) {
            Some(Some(limit_key)) => limiters.refuse(limit_key),
            // Whose limit it was is unknown, but it was not everyone's.
            Some(None) if self.plan.service.hooks().limit_key.is_some() => Scope::LimitKey,
            _ => Scope::All,
        };
        permits.release(feedback, scope, self.now);
        Some(scope)
    }
}
