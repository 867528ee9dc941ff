//! How a call ends: in a response with its attempts, or in an error.

use std::mem;

use reqwest::Response;

use super::{
    call::{self, Call},
    failed::FailedAttempt,
};
use crate::{
    decide::{
        effect::Effect,
        key::KeyPlace,
        outcome::{Redirect, ResponseFacts},
        stop::{Applied, StopReason},
    },
    error::{
        details::ErrorDetails,
        error::{Error, Inner},
        kind::ErrorKind,
    },
    verify::Verdict,
};

/// A response, or the layer's error in that of the chain.
pub(crate) type Ending = reqwest_middleware::Result<Response>;

impl Call<'_> {
    /// Puts the attempts into the response, which is otherwise returned as it is.
    pub(super) fn succeed(&mut self, mut response: Response) -> Response {
        self.limits().budget.deposit(self.tokens_spent.max(1));
        let facts = ResponseFacts {
            redirect: self.redirect(response.url()),
            replayed: self.plan.idempotency().is_replay(response.headers()) || self.is_stored_success(&response),
            ..ResponseFacts::new(response.status())
        };
        self.warn_of_redirect(facts.redirect);
        self.attempts.push_response(&facts, self.key_generation);
        if self.key.is_known() || self.given_key.is_some() || self.request.replaced_key().is_some() {
            self.show_keys(self.key.to_key());
        }
        self.attempts.finish(self.now - self.started);
        let (sent, now) = (self.sent, self.now);
        let request = if self.attempts.count() > 1 { self.request_line() } else { None };
        let call = call::facts(&self.plan, &self.request, &self.attempts);
        self.recorder.succeeded(&call, (facts.status, facts.replayed), || now - sent, request);
        response.extensions_mut().insert(mem::take(&mut self.attempts));
        response
    }

    /// Whether the service sends a stored success again under an error's status.
    pub(super) fn is_stored_success(&self, response: &Response) -> bool {
        self.plan.idempotency().replay_status == Some(response.status().as_u16())
            && self.key.place() != KeyPlace::Absent
            && self.redirect(response.url()) == Redirect::NotFollowed
    }

    /// The verifier has found the write: its response is the call's, or an error says that it was applied.
    pub(super) async fn verified_applied(&mut self, found: Option<Response>, failed: Box<FailedAttempt>) -> Ending {
        self.end_operation(Applied::Yes, "").await;
        let Some(mut response) = found else {
            let error = self.error(failed.kind, StopReason::Permanent, Applied::Yes, failed.details);
            return Err(reqwest_middleware::Error::middleware(error));
        };
        self.limits().budget.deposit(self.tokens_spent);
        self.show_keys(self.key.to_key());
        self.attempts.finish(self.now - self.started);
        let request = self.request_line();
        self.recorder.verified_applied(&call::facts(&self.plan, &self.request, &self.attempts), request);
        response.extensions_mut().insert(mem::take(&mut self.attempts));
        Ok(response)
    }

    /// No further attempt. A write in doubt, or one whose result exists, is asked about once more, unless that was done after
    /// this attempt.
    pub(super) async fn fail(&mut self, stop: StopReason, failed: Box<FailedAttempt>) -> Ending {
        if self.is_asked_about(&failed) {
            self.wait_for_verdict().await;
            if let Verdict::Applied(response) = self.verify().await {
                return self.verified_applied(response, failed).await;
            }
        }
        let applied = self.end_operation(self.applied(), stop.as_str()).await;
        self.conclude(failed, stop, applied)
    }

    /// Whether neither a verifier nor a journal has a say in how the call [fails](Self::fail).
    pub(super) fn has_nobody_to_ask(&self, failed: &FailedAttempt) -> bool {
        !self.holds_operation() && !self.is_asked_about(failed)
    }

    fn is_asked_about(&self, failed: &FailedAttempt) -> bool {
        let in_doubt = || self.applied() == Applied::Unknown;
        let asked = self.verified_after == self.history.attempts();
        // What exists may be what this write was to create, made by an earlier call.
        let exists = failed.kind == ErrorKind::AlreadyExists && self.plan.effect != Effect::Read;
        self.plan.verifier().is_some() && (exists || in_doubt()) && !asked && !self.time_left().is_zero()
    }

    pub(super) fn conclude(&mut self, mut failed: Box<FailedAttempt>, stop: StopReason, applied: Applied) -> Ending {
        let head = failed.head.take();
        let error = self.error(failed.kind, stop, applied, failed.details);
        match head {
            Some(head) => Ok(error.into_response(*head)),
            None => Err(reqwest_middleware::Error::middleware(error)),
        }
    }

    pub(super) fn error(
        &mut self,
        kind: ErrorKind,
        stop: StopReason,
        applied: Applied,
        details: ErrorDetails,
    ) -> Error {
        let key = self.key.to_key();
        if self.attempts.count() > 0 || self.key.is_known() {
            self.show_keys(key.clone());
        }
        let key = key.map(|key| self.with_first_use(key));
        self.attempts.finish(self.now - self.started);
        self.leave_key(key.clone());
        let follow_up = self.follow_up(kind, stop, applied, &details);
        let method = self.request.method().clone();
        let error = Error::new(Inner {
            callee: self.plan.service.callee(),
            method,
            request: self.request.take_head(self.plan.idempotency().header_name().cloned()),
            effect: self.plan.effect,
            kind,
            stop,
            applied,
            key,
            attempts: mem::take(&mut self.attempts),
            details,
            follow_up,
        });
        self.recorder.failed(&call::facts(&self.plan, &self.request, error.attempts()), &error);
        error
    }
}
