//! A call that asks for a permit, and the answers it can get.

use std::time::Duration;

use super::control::Control;
use crate::time::Instant;

/// Writes go before reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Write,
    Read,
}

impl Priority {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Write => Self::Read,
            Self::Read => Self::Write,
        }
    }
}

/// A position in the queue: writes before reads, then by when the call began.
pub(super) type Ticket = (Priority, Duration, u64);

/// A call that asks for a permit.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) priority: Priority,
    /// When the call began: a call that was refused keeps its place.
    pub(crate) began: Instant,
    /// None if it is too far away to be expressed.
    pub(crate) deadline: Option<Instant>,
    pub(crate) is_repeat: bool,
    /// The longest wait that the service may ask for.
    pub(crate) longest_hint: Duration,
}

impl Arrival {
    /// The time that an attempt needs, at most seven eighths of the call's whole time. Otherwise one slow attempt could turn
    /// away all later calls unsent, and nothing would show that attempts are fast again.
    pub(super) fn needed(&self, control: &Control) -> Duration {
        let most = self.deadline.map_or(Duration::MAX, |deadline| (deadline - self.began) / 8 * 7);
        control.needed().min(most)
    }
}

/// What can be seen of a limiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) waiting: usize,
    /// How long no attempt starts, if the limit is closed.
    pub(crate) paused: Option<Duration>,
}

/// Why a call gets no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It could not end in time.
    Deadline,
    /// The service asks for a longer wait than the policy allows.
    RetryAfter(Duration),
}

/// What kind of permit is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// The limit is closed: the attempt finds out if the service is back.
    pub(super) probe: bool,
    /// Another call may have to wait until it is released.
    pub(super) scarce: bool,
}

/// What a waiting call does next.
pub(super) enum Next {
    Start(Granted),
    Refuse(Refusal),
    /// It asks again then, or when it is notified.
    Wait(Option<Instant>),
}
