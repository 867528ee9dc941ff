//! Before the first attempt: the policy is checked, the body buffered, the key chosen.

use super::{
    call::Call,
    finish::Ending,
    key::{CallKey, InvalidKey},
};
use crate::{
    decide::{history::History, key::KeyAction, stop::StopReason},
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
        let (stop, details) = match time::within(time_left, body::buffer(request, most)).await {
            Some(Ok(())) => {
                self.body_replayable = self.request.body().is_some();
                self.now = time::now();
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
        if !self.plan.keyed {
            return Ok(());
        }
        let earlier = self.extensions.earlier_pass(self.request.method(), self.request.url());
        let Some(request) = self.request.whole() else { return Ok(()) };
        let extension = self.extensions.get().get::<IdempotencyKey>();
        let of_earlier = earlier.as_ref().map(|earlier| &earlier.key);
        match CallKey::resolve(self.plan.idempotency(), request, extension, of_earlier) {
            Ok(key) => self.key = key,
            Err(invalid) => {
                let details = ErrorDetails::of_cause(invalid);
                return Err(self.refuse(ErrorKind::InvalidKey, StopReason::Permanent, details));
            }
        }
        self.key_generation = u32::from(matches!(self.key, CallKey::Header(_)));
        let first_sent = [extension, of_earlier].into_iter().flatten().find_map(IdempotencyKey::first_sent_at);
        if let Some(first_sent) = first_sent {
            self.key_first_sent = Some(first_sent);
            self.history = History::of_used_key();
        }
        self.tokens_spent = earlier.map_or(0, |earlier| earlier.tokens_spent);
        Ok(())
    }

    /// Whether the next attempt would carry a key that the service may have forgotten, and with it that it executed the
    /// write.
    pub(crate) fn key_has_expired(&self) -> bool {
        let is_replaced = self.repeat.as_ref().is_some_and(|repeat| repeat.key != KeyAction::Preserve);
        if self.key_first_sent.is_none() || is_replaced {
            return false;
        }
        let rules = self.rules();
        rules.is_keyed_write() && rules.key_lifetime.is_some_and(|lifetime| lifetime <= self.key_age())
    }

    /// Ends a call whose [key has expired](Self::key_has_expired).
    pub(crate) async fn expire(&mut self) -> Ending {
        self.permits = Permits::default();
        match self.last.take() {
            Some(failed) => self.fail(StopReason::KeyExpired, failed).await,
            None => {
                let details = ErrorDetails::of_cause(InvalidKey::Expired);
                Err(self.refuse(ErrorKind::InvalidKey, StopReason::KeyExpired, details))
            }
        }
    }

    /// Nothing was sent.
    pub(super) fn refuse(
        &mut self,
        kind: ErrorKind,
        stop: StopReason,
        details: ErrorDetails,
    ) -> reqwest_middleware::Error {
        let applied = self.history.applied(self.plan.effect);
        let error = self.error(kind, stop, applied, details);
        reqwest_middleware::Error::middleware(error)
    }
}
