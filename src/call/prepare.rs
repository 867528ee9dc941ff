//! Before the first attempt: the policy is checked, the body buffered, the key chosen.

use http::Extensions;

use super::{call::Call, key::CallKey};
use crate::{
    decide::stop::StopReason,
    error::{details::ErrorDetails, kind::ErrorKind},
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

    /// The caller's key or a fresh one, if the operation has one.
    ///
    /// # Errors
    ///
    /// If the caller's key cannot be sent.
    pub(crate) fn choose_key(&mut self, extensions: &Extensions) -> Result<(), reqwest_middleware::Error> {
        if !self.plan.keyed {
            return Ok(());
        }
        let Some(request) = self.request.whole() else { return Ok(()) };
        match CallKey::resolve(self.plan.idempotency(), request, extensions) {
            Ok(key) => self.key = key,
            Err(invalid) => {
                let details = ErrorDetails::of_cause(invalid);
                return Err(self.refuse(ErrorKind::InvalidKey, StopReason::Permanent, details));
            }
        }
        self.key_generation = u32::from(matches!(self.key, CallKey::Header(_)));
        Ok(())
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
