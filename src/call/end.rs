//! How a call ends: in an answer with its account, or in an error.

use reqwest::Response;

use super::{Call, send::FailedAttempt};
use crate::{
    decide::{Applied, Stop},
    error::{Error, ErrorKind, Failed, Inner},
    outcome::{Answer, Outcome, Redirected},
    service::RequestFacts,
    verify::Verdict,
};

/// A response, or the layer's error in that of the chain.
pub(crate) type Ending = reqwest_middleware::Result<Response>;

impl Call<'_> {
    /// The queue in front of the window leaves no time for an attempt.
    pub(crate) async fn turn_away(&mut self, target: RequestFacts<'_>) -> Ending {
        let attempt = FailedAttempt { kind: ErrorKind::RateLimited, ..FailedAttempt::past_deadline() };
        self.fail(Stop::Deadline, Box::new(attempt), target).await
    }

    /// What another layer has carried to its end is handed on as it is: it has told everything.
    pub(super) fn hand_on(&mut self, carried_out: Ending) -> Ending {
        self.telemetry.handed_on();
        carried_out
    }

    /// Puts the account into the response, which is handed on as it is.
    pub(super) fn succeed(&mut self, mut response: Response, target: RequestFacts<'_>) -> Response {
        self.service().budget().deposit(self.paid.max(1));
        let mut answer = Answer::new(response.status());
        answer.redirected = Redirected::between(target.url, response.url());
        self.record(Outcome::Answer(answer));
        self.attempts.finish(self.now - self.started);
        self.telemetry.succeeded(&self.attempts, answer, response.headers());
        response.extensions_mut().insert(std::mem::take(&mut self.attempts));
        response
    }

    /// The verifier has found the write: its response is the call's, or an error says that it was applied.
    pub(crate) fn reconcile(
        &mut self,
        found: Option<Response>,
        attempt: Box<FailedAttempt>,
        target: RequestFacts<'_>,
    ) -> Ending {
        let Some(mut response) = found else {
            return Err(self.ended(Stop::Permanent, Applied::Yes, attempt, target));
        };
        self.service().budget().deposit(self.paid);
        self.attempts.reconcile();
        self.attempts.finish(self.started.elapsed());
        self.telemetry.reconciled(&self.attempts);
        response.extensions_mut().insert(std::mem::take(&mut self.attempts));
        Ok(response)
    }

    /// No further attempt. A write in doubt is asked about once more, unless that was done after this attempt.
    pub(crate) async fn fail(
        &mut self,
        stop: Stop,
        mut attempt: Box<FailedAttempt>,
        target: RequestFacts<'_>,
    ) -> Ending {
        let effect = self.operation().effect;
        let in_doubt = self.history.applied(effect) == Applied::Unknown;
        let asked = self.asked_after == Some(self.history.attempts());
        if in_doubt && !asked && self.verifier().is_some() && !self.time_left().is_zero() {
            if let Verdict::Applied(response) = self.verify(target).await {
                return self.reconcile(response, attempt, target);
            }
        }
        let applied = self.history.applied(effect);
        let head = attempt.response.take();
        match head {
            Some(head) => Ok(self.end(stop, applied, attempt, target).into_response(head)),
            None => Err(self.ended(stop, applied, attempt, target)),
        }
    }

    fn ended(
        &mut self,
        stop: Stop,
        applied: Applied,
        attempt: Box<FailedAttempt>,
        target: RequestFacts<'_>,
    ) -> reqwest_middleware::Error {
        reqwest_middleware::Error::middleware(self.end(stop, applied, attempt, target))
    }

    fn end(&mut self, stop: Stop, applied: Applied, attempt: Box<FailedAttempt>, target: RequestFacts<'_>) -> Error {
        self.error(attempt.kind, stop, applied, attempt.shown, target)
    }

    pub(super) fn error(
        &mut self,
        kind: ErrorKind,
        stop: Stop,
        applied: Applied,
        failed: Failed,
        target: RequestFacts<'_>,
    ) -> Error {
        let key = self.current_key(target);
        self.attempts.finish(self.started.elapsed());
        let error = Error::new(Inner {
            service: self.service().shared_name(),
            method: target.method.clone(),
            path: target.url.path().to_owned(),
            effect: self.operation().effect,
            kind,
            stop,
            applied,
            key,
            attempts: std::mem::take(&mut self.attempts),
            failed,
        });
        self.telemetry.failed(&error);
        error
    }
}
