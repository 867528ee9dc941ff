//! The right to have one attempt in flight.

use super::{
    aimd::{Feedback, Sample},
    state::{Shared, State},
};
use crate::time::{self, Instant};

/// The right to have one attempt in flight; released when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    shared: Shared,
    sent: Instant,
    epoch: u64,
    released: bool,
}

impl Permit {
    pub(super) fn new(shared: &Shared, state: &State, now: Instant) -> Self {
        Self { shared: shared.clone(), sent: now, epoch: state.aimd.epoch(), released: false }
    }

    /// Releases the permit and tells the limiter how the attempt ended.
    pub(crate) fn release(mut self, feedback: Feedback, now: Instant) {
        self.released = true;
        self.give_feedback(feedback, now);
    }

    fn give_feedback(&self, feedback: Feedback, now: Instant) {
        let mut state = self.shared.lock();
        let busy = !state.waiting.is_empty() || 2 * state.in_flight > state.aimd.limit();
        let sample = Sample { epoch: self.epoch, round_trip: now - self.sent, now: now - state.began, busy };
        state.aimd.record(feedback, sample);
        state.in_flight -= 1;
        state.grant();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.released {
            self.give_feedback(Feedback::NoResponse, time::now());
        }
    }
}
