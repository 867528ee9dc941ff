//! What can go wrong with one request.

use std::time::Duration;

use http::StatusCode;

use super::answer::Answer;

/// What happens to one request instead of a prompt, honest answer.
///
/// A fault never replaces a refusal: a request without a valid token or with an invalid body is answered
/// with its 4xx wherever the fault lets it reach the application, and a key that holds a result replays it.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::simulator::{Fault, Moment};
///
/// // The answer that Metronome's gateway gives after 29 s, while the edit goes on and completes.
/// let fault = Fault::gateway(504, Moment::After).taking(Duration::from_secs(2));
/// assert_ne!(fault, Fault::gateway(504, Moment::After));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) course: Course,
}

/// Whether a fault strikes before or after the write takes effect. Reads know no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The write does not take effect, or (for a late answer) not yet.
    Before,
    /// The write has taken effect.
    After,
}

/// How a connection is closed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// An orderly end of the stream (FIN): the client sees an incomplete message.
    Orderly,
    /// A reset (RST): the client sees a connection error.
    Reset,
}

/// Whose rate limit a 429 names in `X-Metronome-Rate-Limit-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The whole organisation's.
    Client,
    /// One customer's.
    Customer,
}

/// How the application goes about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Execution {
    /// Spent before the key is claimed.
    pub(super) queued: Duration,
    /// Spent between the claim and the effect.
    pub(super) takes: Duration,
    /// Where the execution breaks with a 500, if it does.
    pub(super) breaks: Option<Moment>,
}

/// The course that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// The client sees the application's answer, this much late.
    Answered { execution: Execution, late: Duration },
    /// The client sees something else; without an execution the application never hears of the request.
    Hidden { execution: Option<Execution>, seen: Seen },
}

/// What the client sees in place of the application's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Gateway(StatusCode),
    Throttled(RateLimit, Option<u64>),
    Closed(Close),
}

impl Fault {
    /// The execution begins and breaks: a 500 that is stored under the key and replayed.
    ///
    /// `Before`: nothing was created. `After`: the effect took place, and yet 500 is what the key holds.
    #[must_use]
    pub const fn stored_500(moment: Moment) -> Self {
        Self::executed(Execution { breaks: Some(moment), ..Execution::PROMPT })
    }

    /// The gateway answers 502, 503 or 504 (or its own 500) in the application's place; this is never stored.
    ///
    /// `Before`: the application never hears of the request. `After`: it executes it and stores its true
    /// answer under the key. A number that is no status is answered as 502.
    #[must_use]
    pub fn gateway(status: u16, moment: Moment) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        Self::hidden(moment, Seen::Gateway(status))
    }

    /// The connection is closed without an answer, before or after the application executes the request.
    #[must_use]
    pub const fn dropped(close: Close, moment: Moment) -> Self {
        Self::hidden(moment, Seen::Closed(close))
    }

    /// The true answer comes late.
    ///
    /// `Before`: the key is claimed at once and the effect takes place after `by`, even if the client has
    /// given up by then. `After`: the effect takes place at once, the answer is sent after `by`.
    #[must_use]
    pub const fn late(by: Duration, moment: Moment) -> Self {
        match moment {
            Moment::Before => Self::executed(Execution { takes: by, ..Execution::PROMPT }),
            Moment::After => Self::answered(Execution::PROMPT, by),
        }
    }

    /// The request is held up on its way: only after `by` does the application claim the key and execute,
    /// even if the client has given up by then.
    ///
    /// Unlike [`late`](Self::late), a repeat that arrives meanwhile finds the key unclaimed.
    #[must_use]
    pub const fn queued(by: Duration) -> Self {
        Self::executed(Execution { queued: by, ..Execution::PROMPT })
    }

    /// A 429, with `Retry-After` in seconds where given. It never reaches execution and is never stored.
    #[must_use]
    pub const fn rate_limited(limit: RateLimit, retry_after: Option<u64>) -> Self {
        Self::hidden(Moment::Before, Seen::Throttled(limit, retry_after))
    }

    /// Lets the execution take this long between the claim of the key and the effect.
    ///
    /// A gateway's answer or a dropped connection does not wait for it: the write goes on unseen. No
    /// difference where the fault keeps the request from the application.
    #[must_use]
    pub fn taking(mut self, duration: Duration) -> Self {
        if let Some(execution) = self.course.execution_mut() {
            execution.takes = duration;
        }
        self
    }

    const fn executed(execution: Execution) -> Self {
        Self::answered(execution, Duration::ZERO)
    }

    const fn answered(execution: Execution, late: Duration) -> Self {
        Self { course: Course::Answered { execution, late } }
    }

    const fn hidden(moment: Moment, seen: Seen) -> Self {
        let execution = match moment {
            Moment::Before => None,
            Moment::After => Some(Execution::PROMPT),
        };
        Self { course: Course::Hidden { execution, seen } }
    }
}

impl Course {
    /// The course of a request that meets no fault.
    pub(super) const HONEST: Self = Self::Answered { execution: Execution::PROMPT, late: Duration::ZERO };

    fn execution_mut(&mut self) -> Option<&mut Execution> {
        match self {
            Self::Answered { execution, .. } => Some(execution),
            Self::Hidden { execution, .. } => execution.as_mut(),
        }
    }
}

impl Seen {
    /// What is sent, or how the connection is closed instead.
    pub(super) fn answer(self) -> Result<Answer, Close> {
        match self {
            Self::Gateway(status) => Ok(Answer::gateway(status)),
            Self::Throttled(limit, retry_after) => Ok(Answer::throttled(limit, retry_after)),
            Self::Closed(close) => Err(close),
        }
    }
}

impl Execution {
    pub(super) const PROMPT: Self = Self { queued: Duration::ZERO, takes: Duration::ZERO, breaks: None };

    pub(super) const fn is_prompt(&self) -> bool {
        self.queued.is_zero() && self.takes.is_zero()
    }
}

impl RateLimit {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Customer => "customer",
        }
    }
}
