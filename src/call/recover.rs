//! After a failed attempt: read it, decide, wait, verify. The cold path of a call.

use std::{
    ops::ControlFlow::{self, Break, Continue},
    time::Duration,
};

use super::{
    call::{self, Call, Repeat},
    failed::FailedAttempt,
    finish::Ending,
    read::Unread,
};
use crate::{
    decide::{
        decision::{self, Decision, Step},
        effect::Effect,
        key::{KeyAction, Meaning},
        outcome::{Outcome, Redirect},
        rules::Moment,
        stop::StopReason,
    },
    limit::budget::Withdrawal,
    time,
    verify::{InDoubtWrite, Verdict},
};

impl<'a> Call<'a> {
    /// Waits until the next attempt may be made, or ends the call. What few calls need is in boxes of its own.
    pub(crate) async fn recover(&mut self, failed: Result<Box<FailedAttempt>, Box<Unread>>) -> ControlFlow<Ending> {
        let failed = match failed {
            Ok(failed) => failed,
            Err(unread) => Box::pin(self.read_rest(unread)).await,
        };
        let decided = self.decide(&failed);
        let failed = self.or_the_one_before(failed);
        let (delay, repeat) = match decided {
            Ok(decided) => decided,
            Err(stop) if self.has_nobody_to_ask(&failed) => {
                let applied = self.applied();
                return Break(self.conclude(failed, stop, applied));
            }
            Err(stop) => return Break(Box::pin(self.fail(stop, failed)).await),
        };
        // An error after the wait has all of the body only if a verdict can be its reason.
        let needs_verdict = repeat.key == KeyAction::VerifyThenRotate;
        let reader = self.plan.service.error_reader();
        let mut failed = if needs_verdict { failed } else { failed.without_body(reader) };
        Box::pin(time::sleep(delay)).await;
        self.now = time::now();
        if repeat.key != KeyAction::Preserve {
            failed = match Box::pin(self.may_rotate(repeat.key, failed)).await {
                Continue(failed) => failed,
                Break(ending) => return Break(ending),
            };
        }
        self.last = Some(failed.without_body(reader));
        self.repeat = Some(Box::new(repeat));
        Continue(())
    }

    /// Before another key is sent: the verifier is asked where that was decided, and the journal told.
    async fn may_rotate(
        &mut self,
        key: KeyAction,
        failed: Box<FailedAttempt>,
    ) -> ControlFlow<Ending, Box<FailedAttempt>> {
        if key == KeyAction::VerifyThenRotate {
            match self.verify().await {
                Verdict::NotApplied => {}
                Verdict::Applied(response) => return Break(self.verified_applied(response, failed).await),
                Verdict::Unknown => return Break(self.fail(StopReason::Unverified, failed).await),
            }
        }
        match self.rotate_operation().await {
            Ok(()) => Continue(failed),
            Err(stop) => Break(self.fail(stop, failed).await),
        }
    }

    /// A key that was used with another request means that an earlier attempt of this call was, as this one does not
    /// change: the error of that attempt says more.
    fn or_the_one_before(&mut self, failed: Box<FailedAttempt>) -> Box<FailedAttempt> {
        let meaning = failed.outcome.response().and_then(|response| response.meaning);
        let last = if meaning == Some(Meaning::PayloadMismatch) && self.history.key_is_in_doubt() {
            self.last.take()
        } else {
            None
        };
        last.unwrap_or(failed)
    }

    /// Adds the attempt to the history, and asks the pure core and then the retry budget.
    fn decide(&mut self, failed: &FailedAttempt) -> Result<(Duration, Repeat<'a>), StopReason> {
        let mut history = self.history.clone();
        let (elapsed, took) = (self.now - self.started, self.now - self.sent);
        let mut moment = Moment::new(elapsed, self.clock.jitter());
        moment.attempt_began = elapsed.saturating_sub(took);
        moment.key_age = self.key_age();
        moment.is_probe = self.is_probe;
        let group = self.plan.limit_group();
        moment.limit_closed = self.limiters().is_some_and(|limiters| limiters.is_closed(group));
        let mut step = decision::step(&self.rules(), &mut history, &failed.outcome, moment);
        self.history = history;
        self.record(&failed.outcome);
        let decided = match step.decision {
            Decision::Fail(stop) => Err(stop),
            Decision::Retry { .. } if !self.request.can_be_sent() => Err(StopReason::BodyNotReplayable),
            Decision::Retry { delay, key, cost, .. } => match self.withdraw(cost) {
                Some(tokens) => Ok((delay, Repeat { key, tokens })),
                None => Err(StopReason::BudgetExhausted),
            },
        };
        match &decided {
            Ok((delay, repeat)) => self.attempts.waited(*delay, repeat.key),
            Err(stop) => step.decision = Decision::Fail(*stop),
        }
        self.hint(failed);
        self.record_step(&failed.outcome, &step, took);
        decided
    }

    fn withdraw(&self, cost: u32) -> Option<Withdrawal<'a>> {
        self.limits().budget.withdraw(cost)
    }

    fn record_step(&mut self, outcome: &Outcome, step: &Step, took: Duration) {
        let call = call::facts(&self.plan, &self.request, &self.attempts);
        self.recorder.decided(&call, outcome, step, took);
    }

    fn record(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Response(response) => {
                self.warn_of_redirect(response.redirect);
                self.attempts.push_response(response, self.key_generation);
            }
            Outcome::Failure(failure) => self.attempts.push_failure(*failure, self.key_generation),
        }
    }

    /// Once per service: a client that follows redirects for one write does so for all.
    pub(super) fn warn_of_redirect(&self, redirect: Redirect) {
        let is_write = self.plan.effect != Effect::Read;
        if redirect != Redirect::NotFollowed && is_write && self.plan.service.is_first_redirect() {
            self.recorder.redirected(self.plan.service.name(), self.request_line(), redirect);
        }
    }

    /// Passes the wait that the service asks for to the concurrency limit.
    fn hint(&self, failed: &FailedAttempt) {
        let limiters = self.limiters();
        if let (Some(limiters), Some(scope), Some(hint)) = (limiters, failed.scope, failed.details.retry_after) {
            let longest = self.plan.policy().max_retry_after;
            limiters.hint(self.plan.limit_group(), scope, (hint, longest), || self.limit_key());
        }
    }

    fn verified_not_applied(&mut self) {
        let mut history = self.history.clone();
        let rules = self.rules();
        if self.now - self.sent >= rules.verdict_counts_after() {
            history.verified_not_applied(&rules, self.now - self.started);
        }
        self.history = history;
    }

    /// Waits until a verdict about the last attempt counts, if the deadline leaves the time.
    pub(super) async fn wait_for_verdict(&mut self) {
        let rules = self.rules();
        let settled_from = self.history.settled_from(&rules).unwrap_or_default();
        let left = rules.verdict_counts_after().saturating_sub(self.sent.elapsed());
        let left = left.max(settled_from.saturating_sub(self.started.elapsed()));
        if !left.is_zero() && left < self.time_left() {
            time::sleep(left).await;
        }
        self.now = time::now();
    }

    /// Asks the verifier, within its own timeout and the deadline. No verdict is [`Verdict::Unknown`].
    pub(super) async fn verify(&mut self) -> Verdict {
        let Some(verifier) = self.plan.verifier() else { return Verdict::Unknown };
        self.verified_after = self.history.attempts();
        let key = self.current_key();
        let (method, url) = (self.request.method(), self.request.url());
        let write = InDoubtWrite {
            service: self.plan.service.name(),
            method,
            url,
            path: self.plan.service.path_or_template(method, url),
            body: self.request.body(),
            key: key.as_ref(),
            attempts: &self.attempts,
        };
        let limit = self.plan.policy().verify_timeout.min(self.time_left());
        let verdict = time::within(limit, verifier.verify(&write)).await.unwrap_or(Verdict::Unknown);
        if let Verdict::NotApplied = verdict {
            self.verified_not_applied();
        }
        self.now = time::now();
        self.attempts.asked(verdict.kind());
        let call = call::facts(&self.plan, &self.request, &self.attempts);
        self.recorder.verified(&call, verdict.kind());
        verdict
    }
}
