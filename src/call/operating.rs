//! What a call knows of its operation.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::{
    decide::key::KeySharing,
    durable::{journal::Journal, operation::Operation},
    time::{Clock, Instant},
};

/// What a call with an operation knows of it.
pub(super) struct Operating<'a> {
    /// None if the call goes on from the record of one without.
    pub(super) operation: Option<Operation>,
    /// The digest of the request, if its body is in memory or the caller gave one.
    pub(super) request: Option<Uuid>,
    /// The journal, unless the service has none or the request is a read.
    pub(super) journal: Option<&'a dyn Journal>,
    pub(super) held: Option<Lease>,
    /// When the journal has answered last: what other processes have sent before may be executing since.
    pub(super) answered_at: Option<Instant>,
    /// Whether the journal has said what earlier processes may have sent.
    pub(super) was_begun: bool,
    /// An earlier call has applied the write.
    pub(super) applied_earlier: bool,
    /// Another process has begun the operation since.
    pub(super) fenced: bool,
    /// When it makes sense to try again, if the journal says so.
    pub(super) again_after: Option<Duration>,
}

/// The time for which the call has the operation for itself.
pub(super) struct Lease {
    pub(super) fence: u64,
    /// Before the journal was asked, which may have taken long to answer.
    pub(super) asked: Moment,
    pub(super) lasts: Duration,
}

/// By both clocks: the monotonic one may stop while the machine sleeps.
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) wall: SystemTime,
}

impl Moment {
    /// The longer of what both clocks say.
    pub(super) fn elapsed(&self, clock: &dyn Clock) -> Duration {
        clock.wall().duration_since(self.wall).unwrap_or_default().max(self.at.elapsed())
    }
}

impl<'a> Operating<'a> {
    pub(super) fn new(operation: Option<Operation>, request: Option<Uuid>, journal: Option<&'a dyn Journal>) -> Self {
        Self {
            operation,
            request,
            journal,
            held: None,
            answered_at: None,
            was_begun: false,
            applied_earlier: false,
            fenced: false,
            again_after: None,
        }
    }

    /// Whether the journal has not said yet what earlier processes may have sent.
    pub(super) fn is_to_be_begun(&self) -> bool {
        self.journal.is_some() && !self.was_begun
    }

    /// Which other processes may have used the key.
    pub(super) fn key_sharing(&self) -> KeySharing {
        if self.was_begun { KeySharing::Journaled } else { KeySharing::Derived }
    }
}
