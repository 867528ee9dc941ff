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
    /// With a 500, after this part of the effect.
    Failed(Extent, FailedKey),
    /// Without a response: the process is killed, and the claim of its key is released.
    Killed,
}

/// What the key holds after an execution that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailedKey {
    /// The 500.
    Stored,
    /// The claim of the execution, as if it had not ended.
    Stuck,
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
    /// The gateway loses the response, sends the request once more and forwards the second response.
    Duplicated,
}

/// What the client sees instead of the application's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    Gateway(StatusCode, GatewayBody),
    RateLimited(RateLimit, Option<u64>),
    Closed(Close),
    /// No response on an open connection, for as long as the client waits.
    Stalled,
}

/// The body of a gateway's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GatewayBody {
    Json,
    Html,
    /// It goes on for as long as the client reads.
    Endless,
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
