//! A call whose operation a journal records: begun before anything is sent, ended before the call returns.

use std::{
    mem,
    ops::ControlFlow::{self, Break, Continue},
    time::Duration,
};

use reqwest::Response;

use super::{
    call::Call,
    failed::FailedAttempt,
    finish::Ending,
    key::{InvalidKey, WireKey},
    operating::{Lease, Moment},
};
use crate::{
    decide::{
        effect::Effect,
        history::History,
        key::{ConcurrentRequests, KeyAction, KeyKind, KeyPlace},
        outcome::Redirect,
        stop::{Applied, StopReason},
    },
    durable::{
        answer::{Answer, Held, JournalAnswer},
        entry::{EndedBy, Key},
        journal_error::JournalError,
        settings::JournalSettings,
        step::{Begin, Ended, JournalStep, Proof, Remains},
    },
    error::kind::ErrorKind,
    key::IdempotencyKey,
    time,
};

/// The first and the longest wait before a call looks again whether another process has ended the operation.
const POLLS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

impl Call<'_> {
    /// Whether the operation is to be begun: for the first time, or again because the lease has passed.
    pub(crate) fn needs_lease(&self) -> bool {
        let Some(operating) = self.operating.as_ref().filter(|operating| operating.journal.is_some()) else {
            return false;
        };
        match &operating.held {
            Some(lease) => lease.asked.elapsed(&**self.clock) >= lease.lasts,
            None => !operating.applied_earlier,
        }
    }

    /// Whether an earlier call has applied the write: this one only fetches its response.
    pub(super) fn was_applied_earlier(&self) -> bool {
        self.operating.as_ref().is_some_and(|operating| operating.applied_earlier)
    }

    /// Whether the write took effect, as far as responses and the journal tell.
    pub(super) fn applied(&self) -> Applied {
        let by_history = || self.history.applied(self.plan.effect);
        match &self.operating {
            Some(operating) if operating.applied_earlier => Applied::Yes,
            // An earlier process may have sent the write, or another one may since.
            Some(operating) if operating.fenced || operating.is_to_be_begun() => Applied::Unknown,
            None if self.names_an_operation_in_a_journal() => Applied::Unknown,
            // The call does not go on from the record, which is still what is known of the write.
            None => self.given_record().map_or_else(by_history, |record| record.applied),
            Some(_) => by_history(),
        }
    }

    /// Begins the operation: commit, then send.
    pub(crate) async fn begin_operation(&mut self) -> ControlFlow<Ending> {
        if self.is_past_deadline() {
            // It does not hold the operation, or not any more: another process may have sent the write.
            return self.break_unsent(ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::Unknown);
        }
        let (asked, answer) = self.begin_or_wait().await;
        self.now = time::now();
        if let Some(operating) = &mut self.operating {
            operating.answered_at = Some(self.now);
        }
        match answer {
            Ok(Answer::Begun(held)) => self.hold(held, asked).await,
            Ok(Answer::Applied(held)) => self.fetch(&held, &asked),
            Ok(Answer::RunningElsewhere(left)) => {
                self.again_after(left);
                self.break_unsent(ErrorKind::RunningElsewhere, StopReason::RunningElsewhere, Applied::Unknown)
            }
            Ok(Answer::Closed(applied)) => self.break_unsent(ErrorKind::OperationEnded, StopReason::Permanent, applied),
            Ok(Answer::OtherRequest(applied)) => {
                self.break_unsent(ErrorKind::PayloadMismatch, StopReason::Permanent, applied)
            }
            Ok(_) => self.break_unavailable(JournalError::new("it answered another step")),
            Err(error) => self.break_unavailable(error),
        }
    }

    async fn begin_or_wait(&self) -> (Moment, Result<Answer, JournalError>) {
        let [mut wait, longest] = POLLS;
        loop {
            let asked = Moment { at: time::now(), wall: self.clock.wall() };
            let answer = self.ask(self.begin_step(), self.journal_settings().timeout.min(self.time_left())).await;
            let waits = self.journal_settings().wait_for_running && wait < self.time_left();
            match answer {
                Ok(Answer::RunningElsewhere(left)) if waits => time::sleep(wait.min(left)).await,
                answer => return (asked, answer),
            }
            wait = (wait * 2).min(longest);
        }
    }

    fn begin_step(&self) -> Option<JournalStep> {
        let operating = self.operating.as_ref()?;
        let (method, url) = (self.request.method(), self.request.url());
        let idempotency = self.plan.idempotency();
        let never_expires = idempotency.kind == KeyKind::ResourceKey;
        let begin = Begin {
            request: operating.request?,
            method: method.to_string(),
            path: self.plan.service.path_or_template(method, url),
            key: self.key.to_key().map(|key| Key(key.into())),
            sent: self.history.is_in_doubt().then(|| self.key_age()),
            lease: self.lease(),
            longest_attempt: self.journal_settings().longest_attempt,
            retention: if never_expires { Some(Duration::MAX) } else { idempotency.retention },
        };
        self.with_name(|name| JournalStep::begin(name, begin))
    }

    /// Makes a step from what names the operation in the journal. Of a service with several hosts its scope ends with the
    /// host, which has no space.
    fn with_name(&self, step: impl FnOnce((&str, &str, &str)) -> JournalStep) -> Option<JournalStep> {
        let operation = self.operating.as_ref()?.operation.as_ref()?;
        let of_host = self.host_of_several().map(|host| match operation.scope_name() {
            "" => format!("@{host}"),
            scope => format!("{scope} @{host}"),
        });
        let scope = of_host.as_deref().unwrap_or(operation.scope_name());
        Some(step((self.plan.service.name(), scope, operation.id())))
    }

    pub(super) fn journal_settings(&self) -> &JournalSettings {
        self.plan.service.journal_settings()
    }

    fn lease(&self) -> Duration {
        let idempotency = self.plan.idempotency();
        let executes_both = idempotency.concurrent_requests == ConcurrentRequests::Executed;
        let longest = if executes_both { idempotency.longest_execution.unwrap_or_default() } else { Duration::ZERO };
        self.journal_settings().lease.unwrap_or(self.plan.policy().deadline).saturating_add(longest)
    }

    async fn ask(&self, step: Option<JournalStep>, timeout: Duration) -> Result<Answer, JournalError> {
        let journal = self.operating.as_ref().and_then(|operating| operating.journal);
        let (Some(journal), Some(step)) = (journal, step) else {
            return Err(JournalError::new("the call has no operation"));
        };
        match time::within(timeout, journal.apply(step)).await {
            Some(answer) => answer.map(|JournalAnswer(answer)| answer),
            None => Err(JournalError::new(format!("it did not answer within {timeout:.0?}"))),
        }
    }

    /// The call has the operation for itself: it goes on where the journal says that the process before has left it.
    async fn hold(&mut self, held: Held, asked: Moment) -> ControlFlow<Ending> {
        let (taken, key_protects) = (self.take_key(&held, &asked), self.key_protects(&held, &asked));
        let lease = Lease { fence: held.fence, asked, lasts: self.lease() };
        if let Some(operating) = &mut self.operating {
            (operating.held, operating.was_begun) = (Some(lease), true);
        }
        if let Err(invalid) = taken {
            let applied = if held.earlier.is_some() { Applied::Unknown } else { self.applied() };
            let ended = self.end_operation(applied, StopReason::Permanent.as_str()).await;
            let failed = Box::new(FailedAttempt::refused(ErrorKind::InvalidKey, invalid));
            return Break(self.end_in(failed, StopReason::Permanent, ended));
        }
        // Another process has ended it meanwhile, or its row was lost: what this call has sent is still on its way.
        let own = (self.attempts.count() > 0).then_some(self.journal_settings().longest_attempt);
        let Some(earlier) = held.earlier.or(own) else {
            // What the caller has brought along is older than what the journal says.
            self.history = History::default();
            return if held.is_resolved { self.go_on_after_resolution().await } else { Continue(()) };
        };
        // What is executed last is seen only so much later.
        let earlier = earlier.saturating_add(self.rules().verifier_lag);
        self.history.take_over((self.now - self.started).saturating_add(earlier));
        let rules = self.rules();
        match rules.effect {
            // Without a key, or with another one than this call's.
            Effect::Write if rules.key == KeyPlace::Absent || !self.is_key_of(&held) => {
                Break(self.look_instead(earlier, StopReason::NotIdempotent).await)
            }
            Effect::Write if !key_protects => self.go_on_after_expiry(earlier).await,
            _ if self.may_be_executed_beside() => match self.wait_for_earlier_request().await {
                Ok(()) => Continue(()),
                Err(error) => Break(Err(error)),
            },
            _ => Continue(()),
        }
    }

    /// Whether the service still knows the key when the call's last attempt is made.
    pub(super) fn key_protects(&self, held: &Held, asked: &Moment) -> bool {
        let idempotency = self.plan.idempotency();
        match idempotency.key_lifetime() {
            Some(lifetime) => {
                let age = held.age.saturating_add(asked.elapsed(&**self.clock));
                !held.clock_is_behind && age.saturating_add(self.time_left()) < lifetime
            }
            None => idempotency.kind == KeyKind::ResourceKey,
        }
    }

    /// Whether the call's key is the one that was sent: the service may have been described in another way then.
    pub(super) fn is_key_of(&self, held: &Held) -> bool {
        held.key.as_ref().map(|key| key.0.as_str()) == self.key.to_key().as_ref().map(IdempotencyKey::as_str)
    }

    /// The key of the operation, which the process before may have replaced.
    pub(super) fn take_key(&mut self, held: &Held, asked: &Moment) -> Result<(), InvalidKey> {
        let Some(key) = &held.key else { return Ok(()) };
        if self.key.place().is_replaceable() {
            let key = WireKey::from_raw(self.plan.idempotency(), &key.0)?;
            self.replace_key(key);
            self.rotation_is_recorded();
            self.key_generation = held.generation.saturating_add(1);
        }
        self.key_first_sent = asked.wall.checked_sub(held.age);
        Ok(())
    }

    /// The key that is recorded is that of the next attempt already.
    fn rotation_is_recorded(&mut self) {
        if let Some(repeat) = &mut self.repeat {
            self.history.begin_repeat(mem::replace(&mut repeat.key, KeyAction::Preserve));
        }
    }

    /// Records the key that replaces this one, before it is sent.
    pub(super) async fn rotate_operation(&mut self) -> Result<(), StopReason> {
        let Some(fence) = self.held_fence() else { return Ok(()) };
        let Some(key) = self.key.replaceable() else { return Ok(()) };
        let proof = if self.history.key_is_used_up() { Proof::UsedUp } else { Proof::Verdict };
        let next = key.next(self.plan.idempotency()).to_key();
        let step = self.with_name(|name| JournalStep::rotate(name, fence, next.into(), proof));
        if step.is_none() {
            return Ok(());
        }
        let answer = self.ask(step, self.journal_settings().timeout.min(self.time_left())).await;
        self.now = time::now();
        match answer {
            Ok(Answer::Rotated) => return Ok(()),
            Ok(Answer::TooEarly(left)) => self.again_after(left),
            Ok(_) => {
                self.fence();
                return Err(StopReason::RunningElsewhere);
            }
            Err(error) => {
                self.report_journal(&error);
                return Err(StopReason::JournalUnavailable);
            }
        }
        Err(StopReason::Unverified)
    }

    fn report_journal(&self, error: &JournalError) {
        let (request, key) = (self.request_line(), self.current_key());
        self.recorder.journal_failed(self.plan.service.name(), request, key, error);
    }

    fn held_fence(&self) -> Option<u64> {
        Some(self.operating.as_ref()?.held.as_ref()?.fence)
    }

    fn fence(&mut self) {
        self.again_after(self.lease());
        if let Some(operating) = &mut self.operating {
            (operating.fenced, operating.held) = (true, None);
        }
    }

    pub(super) fn again_after(&mut self, left: Duration) {
        if let Some(operating) = &mut self.operating {
            operating.again_after = Some(left);
        }
    }

    /// Records how the call ends. Returns whether the write took effect: unknown if another process has begun the operation
    /// since, unless it is known to have been applied.
    pub(super) async fn end_operation(&mut self, applied: Applied, stop: &'static str) -> Applied {
        let remains = if self.history.may_be_running() { Remains::Attempts } else { Remains::Nothing };
        self.record_end(Ended { applied, by: EndedBy::Call, stop, remains }).await
    }

    async fn record_end(&mut self, ended: Ended) -> Applied {
        let applied = ended.applied;
        let Some(lease) = self.operating.as_mut().and_then(|operating| operating.held.take()) else { return applied };
        let step = self.with_name(|name| JournalStep::end(name, lease.fence, ended));
        let answer = self.ask(step, self.journal_settings().timeout).await;
        self.now = time::now();
        match answer {
            Ok(Answer::Ended) => applied,
            Ok(_) if applied == Applied::Yes => applied,
            Ok(_) => {
                self.fence();
                Applied::Unknown
            }
            // The operation stays begun: another run finds out.
            Err(error) => {
                self.report_journal(&error);
                applied
            }
        }
    }

    /// Records that the call has a response, and returns it.
    pub(crate) async fn end_with_response(&mut self, ending: Ending) -> Ending {
        // After a redirect that the client has followed it is not the response to the write.
        let is_own = |response: &Response| self.redirect(response.url()) == Redirect::NotFollowed;
        let is_success = |response: &Response| {
            response.status().is_success() && is_own(response) || self.is_stored_success(response)
        };
        let is_success = ending.as_ref().is_ok_and(is_success);
        let applied = if is_success { Applied::Yes } else { Applied::Unknown };
        self.record_end(Ended { by: EndedBy::Response, ..Ended::new(applied) }).await;
        ending
    }

    /// Whether there is an ending to be recorded.
    pub(crate) fn holds_operation(&self) -> bool {
        self.held_fence().is_some()
    }

    fn break_unavailable(&mut self, error: JournalError) -> ControlFlow<Ending> {
        let failed = Box::new(FailedAttempt::refused(ErrorKind::JournalUnavailable, error));
        Break(self.end_in(failed, StopReason::JournalUnavailable, Applied::Unknown))
    }

    pub(super) fn break_unsent(&mut self, kind: ErrorKind, stop: StopReason, applied: Applied) -> ControlFlow<Ending> {
        let failed = Box::new(FailedAttempt { kind, ..FailedAttempt::past_deadline() });
        Break(self.end_in(failed, stop, applied))
    }

    /// Ends the call, which does not hold the operation. The error is that of its last attempt, if there was one.
    fn end_in(&mut self, unsent: Box<FailedAttempt>, stop: StopReason, applied: Applied) -> Ending {
        let failed = self.last.take().unwrap_or(unsent);
        self.conclude(failed, stop, applied)
    }
}
