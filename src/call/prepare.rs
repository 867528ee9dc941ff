//! Before the first attempt: the policy is checked, the body buffered, the key chosen.

use std::time::SystemTime;

use super::{
    call::Call,
    failed::FailedAttempt,
    finish::Ending,
    key::{CallKey, InvalidKey},
};
use crate::{
    decide::{
        effect::Effect,
        history::History,
        key::{ConcurrentRequests, KeyAction},
        stop::StopReason,
    },
    error::{details::ErrorDetails, kind::ErrorKind},
    key::IdempotencyKey,
    limit::limiters::Permits,
    time,
    wire::body,
};

impl Call<'_> {
    /// Whether [`prepare`](Self::prepare) has anything to do.
    pub(crate) fn needs_preparation(&self) -> bool {
        self.plan.invalid_policy().is_some() || self.may_buffer()
    }

    /// # Errors
    ///
    /// If the policy is invalid, or the body fails while it is buffered or does not end in time.
    pub(crate) async fn prepare(&mut self) -> Result<(), reqwest_middleware::Error> {
        if let Some(invalid) = self.plan.invalid_policy() {
            let details = ErrorDetails::of_cause(invalid.clone());
            return Err(self.refuse(ErrorKind::InvalidPolicy, StopReason::Permanent, details));
        }
        self.buffer().await
    }

    fn may_buffer(&self) -> bool {
        !self.body_replayable && self.plan.policy().buffer_bodies > 0
    }

    /// Reads a body that is a stream into memory, so that it can be sent again.
    async fn buffer(&mut self) -> Result<(), reqwest_middleware::Error> {
        let (time_left, most) = (self.time_left(), self.plan.policy().buffer_bodies);
        let Some(request) = self.request.whole() else { return Ok(()) };
        let buffered = time::within(time_left, body::buffer(request, most)).await;
        self.now = time::now();
        let (stop, details) = match buffered {
            Some(Ok(())) => {
                self.body_replayable = self.request.body().is_some();
                return Ok(());
            }
            Some(Err(error)) => (StopReason::Permanent, ErrorDetails::of_cause(error)),
            None => (StopReason::DeadlineExceeded, ErrorDetails::past_deadline()),
        };
        Err(self.refuse(ErrorKind::Transport, stop, details))
    }

    /// The caller's key, that of an earlier pass of the request, or a fresh one, if the operation has one.
    ///
    /// # Errors
    ///
    /// If the caller's key cannot be sent.
    pub(crate) fn choose_key(&mut self) -> Result<(), reqwest_middleware::Error> {
        let given = self.given_key();
        let given = given.map_err(|invalid| self.invalid_key(invalid))?;
        if !self.plan.keyed {
            return match given {
                Some(_) if self.needs_lease() => Ok(()),
                Some(_) if self.plan.effect == Effect::Write => Err(self.invalid_key(InvalidKey::NotTaken)),
                _ => self.check_for_operation(),
            };
        }
        // Before the key can be refused: what was sent with it may have been applied.
        if let Some(first_sent) = given.as_ref().and_then(IdempotencyKey::first_sent_at) {
            self.key_was_sent(first_sent);
        }
        self.key = self.resolve_key(given.as_ref()).map_err(|invalid| self.invalid_key(invalid))?;
        if self.key.is_known() {
            self.check_use_of_key().map_err(|invalid| self.invalid_key(invalid))?;
        } else {
            self.check_for_operation()?;
        }
        if self.extensions.has_earlier_pass() {
            self.resume();
        }
        self.key_generation = u32::from(self.key.place().is_replaceable());
        Ok(())
    }

    fn resolve_key(&mut self, given: Option<&IdempotencyKey>) -> Result<CallKey, InvalidKey> {
        let idempotency = self.plan.idempotency();
        if let Some(pointer) = &idempotency.body_member {
            return self.key_in_body(pointer, given);
        }
        let Some(request) = self.request.whole() else { return Ok(CallKey::None) };
        CallKey::resolve(idempotency, request, given)
    }

    /// Where every write needs an operation or a key of the caller's, this one has neither.
    fn check_for_operation(&mut self) -> Result<(), reqwest_middleware::Error> {
        if !self.plan.service.requires_operation() || self.effect() != Effect::Write {
            return Ok(());
        }
        Err(self.refuse(ErrorKind::OperationRequired, StopReason::Permanent, ErrorDetails::default()))
    }

    fn invalid_key(&mut self, invalid: InvalidKey) -> reqwest_middleware::Error {
        let (kind, stop) = match invalid {
            InvalidKey::OtherRequest | InvalidKey::UsedBefore => (ErrorKind::PayloadMismatch, StopReason::Permanent),
            InvalidKey::MayBeSent => (ErrorKind::InvalidKey, StopReason::NotIdempotent),
            _ => (ErrorKind::InvalidKey, StopReason::Permanent),
        };
        self.refuse(kind, stop, ErrorDetails::of_cause(invalid))
    }

    /// The key was sent before the call.
    fn key_was_sent(&mut self, first_sent: SystemTime) {
        self.key_first_sent = Some(first_sent);
        self.history = History::of_used_key();
    }

    /// Goes on with the key of an earlier pass of the same request, unless the caller gives another one.
    fn resume(&mut self) {
        let Some(request) = self.request.fingerprint() else { return };
        let Some(earlier) = self.extensions.take_earlier_pass(&request) else { return };
        let given = self.key.to_key().filter(|_| !self.key.is_fresh());
        let known = [Some(&earlier.given), earlier.key.to_key().as_ref()].map(Option::<&IdempotencyKey>::cloned);
        if given.is_some() && !known.contains(&given) {
            return;
        }
        self.given_key = given.map(Box::new);
        self.key = earlier.key;
        self.tokens_spent = earlier.tokens_spent;
        if let Some(first_sent) = earlier.first_sent {
            self.key_was_sent(first_sent);
        }
    }

    /// Whether the key was used before this call, the service may still be executing that earlier request, and it would
    /// execute the first attempt of this call as well.
    pub(crate) fn key_may_be_in_use(&self) -> bool {
        // The journal knows more, and is asked first.
        self.history.attempts() == 0 && self.may_be_executed_beside() && !self.needs_lease()
    }

    /// Whether the service would execute the next attempt beside one that was sent before.
    pub(super) fn may_be_executed_beside(&self) -> bool {
        let executes_both = self.plan.idempotency().concurrent_requests == ConcurrentRequests::Executed;
        executes_both && self.history.is_in_doubt() && self.rules().is_keyed_write()
    }

    /// Waits until nothing is executing any more that was sent before the call began.
    ///
    /// # Errors
    ///
    /// If it is not known how long that takes, or there is not the time.
    pub(crate) async fn wait_for_earlier_request(&mut self) -> Result<(), reqwest_middleware::Error> {
        let Err(stop) = self.wait_until_unused().await else { return Ok(()) };
        let applied = self.end_operation(self.applied(), stop.as_str()).await;
        let error = self.error(ErrorKind::InvalidKey, stop, applied, ErrorDetails::of_cause(InvalidKey::InUse));
        Err(reqwest_middleware::Error::middleware(error))
    }

    /// What was sent before the call began, or before the journal has answered it, may be executed for so long.
    async fn wait_until_unused(&mut self) -> Result<(), StopReason> {
        let answered_at = self.operating.as_ref().and_then(|operating| operating.answered_at);
        let began = answered_at.unwrap_or(self.started);
        let by_journal = || self.holds_operation().then(|| self.history.earlier_until());
        let left = match self.plan.idempotency().longest_execution {
            Some(longest) => Some(longest.saturating_sub(began.elapsed())),
            None => by_journal().map(|until| until.saturating_sub(self.started.elapsed())),
        };
        match left {
            Some(left) if left < self.time_left() => time::sleep(left).await,
            Some(_) => return Err(StopReason::DeadlineExceeded),
            None => return Err(StopReason::NotIdempotent),
        }
        self.now = time::now();
        Ok(())
    }

    /// Whether the next attempt would carry a key that the service may have forgotten, and with it that it executed the
    /// write.
    pub(crate) fn key_has_expired(&self) -> bool {
        let is_replaced = self.repeat.as_ref().is_some_and(|repeat| repeat.key != KeyAction::Preserve);
        if self.key_first_sent.is_none() || is_replaced {
            return false;
        }
        let lifetime = self.plan.idempotency().key_lifetime();
        lifetime.is_some_and(|lifetime| lifetime <= self.key_age()) && self.rules().is_keyed_write()
    }

    /// Ends the call because its [key has expired](Self::key_has_expired).
    pub(crate) async fn expire(&mut self) -> Ending {
        self.permits = Permits::default();
        let unsent = || Box::new(FailedAttempt::refused(ErrorKind::InvalidKey, InvalidKey::Expired));
        let failed = self.last.take().unwrap_or_else(unsent);
        self.fail(StopReason::KeyExpired, failed).await
    }

    /// Nothing was sent.
    pub(super) fn refuse(
        &mut self,
        kind: ErrorKind,
        stop: StopReason,
        details: ErrorDetails,
    ) -> reqwest_middleware::Error {
        let applied = self.applied();
        let error = self.error(kind, stop, applied, details);
        reqwest_middleware::Error::middleware(error)
    }
}
