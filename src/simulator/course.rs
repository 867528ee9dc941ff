//! The course that a request takes, as data: how it is executed, and what the client sees of that.

use std::time::Duration;

use http::StatusCode;

use super::fault::{Close, RateLimit};

/// The course that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// The client sees the application's answer, if that comes to one.
    Answered { execution: Execution, way: Way },
    /// The client sees something else; without an execution the application never hears of the request.
    Hidden { execution: Option<Execution>, seen: Seen },
}

/// How the application goes about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Execution {
    /// Spent before the key is claimed.
    pub(super) queued: Duration,
    /// Spent between the claim and the effect.
    pub(super) takes: Duration,
    pub(super) end: End,
}

/// What an execution comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its true answer.
    Complete,
    /// A 500, with this much done.
    Broken(Extent),
    /// Nothing: the process that executed it is gone, and the claim of its key.
    Forgotten,
}

/// How much of a write takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Nothing,
    /// That which comes first.
    Part,
    Whole,
}

/// How the application's answer gets to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Straight,
    /// This much late.
    Late(Duration),
    /// Without the second half of its body.
    Cut,
    /// The answer is lost behind the gateway, which delivers the request once more and hands on what comes then.
    Twice,
}

/// What the client sees in place of the application's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Gateway(StatusCode),
    Throttled(RateLimit, Option<u64>),
    Closed(Close),
    /// An open connection, for as long as the client waits.
    Nothing,
}

impl Course {
    /// The course of a request that meets no fault.
    pub(super) const HONEST: Self = Self::Answered { execution: Execution::PROMPT, way: Way::Straight };

    pub(super) fn execution_mut(&mut self) -> Option<&mut Execution> {
        match self {
            Self::Answered { execution, .. } => Some(execution),
            Self::Hidden { execution, .. } => execution.as_mut(),
        }
    }
}

impl Execution {
    pub(super) const PROMPT: Self = Self { queued: Duration::ZERO, takes: Duration::ZERO, end: End::Complete };

    pub(super) const fn is_prompt(&self) -> bool {
        self.queued.is_zero() && self.takes.is_zero()
    }
}
