//! What a limit is told of attempts, and what it says.

use std::time::Duration;

/// How an attempt ended, as far as the limit is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// A response that says nothing about the load.
    Response,
    /// There are too many: 429.
    Throttled,
    /// The service is down, or something in front of it cannot reach it.
    Unavailable,
    /// An error of the service's own, such as a 500. It says nothing about the load, but the service is reachable.
    Failed,
    /// No response: that says nothing about the service's limit.
    NoResponse,
}

/// Whether an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    /// While the limit is closed: one at a time.
    Probe,
    At(Duration),
    /// When an attempt in flight has ended.
    WhenReleased,
}

/// What has changed with the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Closed,
    Reopened,
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) sent: Duration,
    pub(super) probe: bool,
    pub(super) feedback: Feedback,
    /// This one included.
    pub(super) in_flight: usize,
    /// Successes that were not counted before; this one included, if it is one.
    pub(super) accepted: u32,
}

impl Change {
    pub(super) fn between(was_closed: bool, is_closed: bool) -> Option<Self> {
        match (was_closed, is_closed) {
            (false, true) => Some(Self::Closed),
            (true, false) => Some(Self::Reopened),
            _ => None,
        }
    }
}
