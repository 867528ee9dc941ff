//! Waiting for a permit of the service's concurrency limit.

use std::{ops::ControlFlow, time::Duration};

use super::{call::Call, failed::FailedAttempt, finish::Ending};
use crate::{
    decide::stop::StopReason,
    error::{
        details::{ErrorDetails, Queued},
        kind::ErrorKind,
    },
    limit::{
        arrival::{Arrival, Refusal},
        limiters::{Limiters, Permits},
    },
    time,
};

impl<'a> Call<'a> {
    /// Takes a permit, if there is one at once.
    pub(crate) fn try_admit(&mut self) -> bool {
        let deadline = self.deadline();
        if deadline.is_some_and(|deadline| deadline <= self.now) {
            return false;
        }
        let Some(limiters) = self.limiters() else { return true };
        let Some(permits) = limiters.try_acquire(self.plan.limit_group(), self.now, deadline) else {
            return false;
        };
        self.permits = permits;
        self.recorder.admitted(Duration::ZERO);
        true
    }

    /// Waits for a permit. If there is none within the deadline the call has ended.
    pub(crate) async fn wait_for_permit(&mut self) -> ControlFlow<Ending> {
        let Some(limiters) = self.limiters().filter(|_| !self.is_past_deadline()) else {
            return ControlFlow::Break(self.reject().await);
        };
        loop {
            let permits = match self.acquire(limiters).await {
                Ok(permits) => permits,
                Err(ending) => return ControlFlow::Break(ending),
            };
            if !self.needs_lease() {
                self.permits = permits;
                return ControlFlow::Continue(());
            }
            // After a long wait another process may have the operation. It is not asked with a permit in hand.
            drop(permits);
            self.begin_operation().await?;
        }
    }

    async fn acquire(&mut self, limiters: &'a Limiters) -> Result<Permits<'a>, Ending> {
        let queued = self.now;
        let arrival = Arrival {
            priority: self.plan.priority(),
            began: self.started,
            deadline: self.deadline(),
            is_repeat: self.history.attempts() > 0,
            longest_hint: self.plan.policy().max_retry_after,
        };
        let permits = limiters.acquire(self.plan.limit_group(), &arrival, || self.limit_key()).await;
        self.now = time::now();
        self.recorder.admitted(self.now - queued);
        match permits {
            Ok(permits) => Ok(permits),
            Err(refusal) => Err(self.turn_away(refusal, self.now - queued).await),
        }
    }

    /// Ends the call, which has no permit. The error is that of its last attempt, if there was one.
    async fn turn_away(&mut self, refusal: Refusal, waited: Duration) -> Ending {
        let (stop, retry_after) = match refusal {
            Refusal::Deadline => (StopReason::DeadlineExceeded, None),
            Refusal::RetryAfter(hint) => (StopReason::RetryAfterTooLong, Some(hint)),
        };
        let group = self.plan.limit_group();
        let limit = self.limiters().map_or(0, |limiters| limiters.read(group).limit);
        let unsent = || {
            let details =
                ErrorDetails { queued: Some(Queued { waited, limit }), retry_after, ..ErrorDetails::default() };
            Box::new(FailedAttempt { kind: ErrorKind::QueueRefused, details, ..FailedAttempt::past_deadline() })
        };
        let failed = self.last.take().unwrap_or_else(unsent);
        self.fail(stop, failed).await
    }

    /// Ends the call: its deadline has passed.
    async fn reject(&mut self) -> Ending {
        let failed = self.last.take().unwrap_or_else(|| Box::new(FailedAttempt::past_deadline()));
        self.fail(StopReason::DeadlineExceeded, failed).await
    }
}
