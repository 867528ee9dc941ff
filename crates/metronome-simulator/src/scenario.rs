//! What happens to a request, as data: how the application executes it, and what the client sees.

use std::time::Duration;

use http::StatusCode;

use crate::close::Close;
use crate::rate_limit::RateLimit;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The client gets the application's response.
    Answered { execution: Execution, delivery: Delivery },
    /// The client gets something else. Without an execution, the request does not reach the application.
    Replaced { execution: Option<Execution>, replacement: Replacement },
}

/// How the application executes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    /// The delay before the key is claimed.
    pub(crate) queued: Duration,
    /// The delay between the claim and the effect.
    pub(crate) takes: Duration,
    pub(crate) end: ExecutionEnd,
}

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExecutionEnd {
    /// With the application's own response.
    Completed,
    /// With a stored 500, after this part of the effect.
    Failed(Extent),
    /// Without a response: the process is killed, and the claim of its key is released.
    Killed,
}

/// How much of a write takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Nothing,
    /// The first part.
    Part,
    Whole,
}

/// How the application's response is delivered to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Normal,
    Delayed(Duration),
    /// Without the second half of its body.
    Truncated,
    /// The gateway loses the response, sends the request once more and forwards the second response.
    Duplicated,
}

/// What the client sees instead of the application's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    Gateway(StatusCode),
    RateLimited(RateLimit, Option<u64>),
    Closed(Close),
    /// No response on an open connection, for as long as the client waits.
    Stalled,
}

impl Scenario {
    /// A request without a fault.
    pub(crate) const NORMAL: Self = Self::Answered { execution: Execution::IMMEDIATE, delivery: Delivery::Normal };

    pub(crate) fn execution_mut(&mut self) -> Option<&mut Execution> {
        match self {
            Self::Answered { execution, .. } => Some(execution),
            Self::Replaced { execution, .. } => execution.as_mut(),
        }
    }
}

impl Execution {
    pub(crate) const IMMEDIATE: Self =
        Self { queued: Duration::ZERO, takes: Duration::ZERO, end: ExecutionEnd::Completed };

    pub(crate) const fn is_immediate(&self) -> bool {
        self.queued.is_zero() && self.takes.is_zero()
    }
}

impl Extent {
    /// A description for reports.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Nothing => "before the effect",
            Self::Part => "after a part of the effect",
            Self::Whole => "after the effect",
        }
    }
}
