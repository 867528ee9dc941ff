//! Waiting for a permit of the service's concurrency limit.

use std::{ops::ControlFlow, time::Duration};

use super::{call::Call, failed::FailedAttempt, finish::Ending};
use crate::{decide::stop::StopReason, error::kind::ErrorKind, time};

impl Call<'_> {
    /// Takes a permit, if there is one at once.
    pub(crate) fn try_admit(&mut self) -> bool {
        if self.is_past_deadline() {
            return false;
        }
        let Some(limiters) = self.plan.service.limiters() else { return true };
        let Some(permits) = limiters.try_acquire(self.now) else { return false };
        self.permits = permits;
        self.recorder.admitted(Duration::ZERO);
        true
    }

    /// Waits for a permit. If there is none within the deadline the call has ended.
    pub(crate) async fn wait_for_permit(&mut self) -> ControlFlow<Ending> {
        let Some(limiters) = self.plan.service.limiters().filter(|_| !self.is_past_deadline()) else {
            return ControlFlow::Break(self.reject(ErrorKind::Transport).await);
        };
        let queued = self.now;
        let permits = limiters.acquire(self.plan.priority(), self.time_left(), || self.limit_key()).await;
        self.now = time::now();
        self.recorder.admitted(self.now - queued);
        match permits {
            Some(permits) => {
                self.permits = permits;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(self.reject(ErrorKind::RateLimited).await),
        }
    }

    /// Ends the call: its deadline leaves no time for an attempt. The error is that of the last one, if there was one.
    async fn reject(&mut self, kind: ErrorKind) -> Ending {
        let unsent = || Box::new(FailedAttempt { kind, ..FailedAttempt::past_deadline() });
        let failed = self.last.take().unwrap_or_else(unsent);
        self.fail(StopReason::DeadlineExceeded, failed).await
    }
}
