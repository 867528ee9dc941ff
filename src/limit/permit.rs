//! The right to have one attempt in flight.

use std::borrow::Cow;

use super::{
    arrival::Granted,
    feedback::{Change, Feedback},
    state::Shared,
};
use crate::time::{self, Instant};

/// The right to have one attempt in flight; released when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit<'a> {
    /// Nearly always borrowed: threads that count references to one limit slow each other down.
    shared: Cow<'a, Shared>,
    sent: Instant,
    probe: bool,
    scarce: bool,
    released: bool,
}

impl<'a> Permit<'a> {
    pub(super) fn new(shared: &'a Shared, sent: Instant, granted: Granted) -> Self {
        let Granted { probe, scarce } = granted;
        Self { shared: Cow::Borrowed(shared), sent, probe, scarce, released: false }
    }

    /// The same, of a limit that may be forgotten before it is released.
    pub(super) fn into_owned(mut self) -> Permit<'static> {
        self.released = true;
        let Self { sent, probe, scarce, .. } = self;
        Permit { shared: Cow::Owned(Shared::clone(&self.shared)), sent, probe, scarce, released: false }
    }

    /// Whether another call may have to wait until it is released.
    pub(crate) fn is_scarce(&self) -> bool {
        self.scarce
    }

    /// Whether the attempt finds out if the service is back.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Releases the permit and tells the limiter how the attempt ended.
    pub(crate) fn release(mut self, feedback: Feedback, now: Instant) -> Option<Change> {
        self.released = true;
        self.shared.end(now, self.sent, self.probe, feedback)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.released {
            self.shared.end(time::now(), self.sent, self.probe, Feedback::NoResponse);
        }
    }
}
