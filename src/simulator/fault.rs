//! What can go wrong with one request.

use std::time::Duration;

use http::StatusCode;

use super::course::{Course, End, Execution, Extent, Seen, Way};

/// What happens to one request instead of a prompt, honest answer.
///
/// A fault never replaces a refusal: a request without a valid token or with an invalid body is answered
/// with its 4xx wherever the fault lets it reach the application, and a key that holds a result replays it.
///
/// | fault | the client sees | the ledger then holds | the key then holds |
/// |---|---|---|---|
/// | [`stored_500`](Self::stored_500) before, after | 500 | nothing; the write | the 500 |
/// | [`partial_500`](Self::partial_500) | 500 | the first part of the write | the 500 |
/// | [`gateway`](Self::gateway) before, after | 502, 503, 504, 500 | nothing; the write | nothing; the true answer |
/// | [`dropped`](Self::dropped) before, after | a closed connection | nothing; the write | nothing; the true answer |
/// | [`stalled`](Self::stalled) before, after | nothing, until it gives up | nothing; the write | nothing; the true answer |
/// | [`truncated`](Self::truncated) | an answer that breaks off | the write | the true answer |
/// | [`late`](Self::late) before, after | the true answer, late | the write, late; at once | the true answer |
/// | [`queued`](Self::queued) | the true answer, late | the write, late | the true answer, claimed late |
/// | [`duplicated`](Self::duplicated) | the second answer | the write, twice where nothing guards it | the first answer |
/// | [`restarted`](Self::restarted) | a reset connection | nothing, ever | nothing: it is free again |
/// | [`rate_limited`](Self::rate_limited) | 429 | nothing | nothing |
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
#[non_exhaustive]
pub enum Close {
    /// An orderly end of the stream (FIN): the client sees an incomplete message.
    Orderly,
    /// An orderly end of the answering half alone: the connection is still read from until the client closes it.
    Half,
    /// A reset (RST): the client sees a connection error.
    Reset,
    /// A reset after the status line of a 200, which says nothing about the write: it is sent before the effect
    /// as well as after it. A client has no answer until its head is whole.
    Midway,
}

/// Whose rate limit a 429 names in `X-Metronome-Rate-Limit-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The whole organisation's.
    Client,
    /// One customer's.
    Customer,
}

impl Fault {
    /// The execution begins and breaks: a 500 that is stored under the key and replayed.
    ///
    /// `Before`: nothing was created. `After`: the effect took place, and yet 500 is what the key holds.
    #[must_use]
    pub const fn stored_500(moment: Moment) -> Self {
        let extent = match moment {
            Moment::Before => Extent::Nothing,
            Moment::After => Extent::Whole,
        };
        Self::executed(Execution { end: End::Broken(extent), ..Execution::PROMPT })
    }

    /// The execution breaks halfway, with a 500 that is stored under the key: the partial creation that Metronome's
    /// status-code page warns of.
    ///
    /// The part that comes first takes effect: a customer is there without its ingest aliases, which stay free; of a
    /// batch the first half of the events is accepted. The ledger marks these entries as
    /// [`partial`](super::Entry::partial). A write that has no parts takes effect as a whole.
    ///
    /// What is half there is neither applied nor not applied. No answer tells it from the other stored 500s: only
    /// a look at what is there can.
    #[must_use]
    pub const fn partial_500() -> Self {
        Self::executed(Execution { end: End::Broken(Extent::Part), ..Execution::PROMPT })
    }

    /// The gateway answers 502, 503 or 504 (or its own 500) in the application's place; this is never stored.
    ///
    /// `Before`: the application never hears of the request. `After`: it executes it and stores its true
    /// answer under the key. A number that is no status is answered as 502.
    ///
    /// A 500 of the gateway looks like a stored one and is none. Together with [`taking`](Self::taking) it breaks what
    /// Metronome documents, that a 500 is the result of an execution that is over: no client can be right about it.
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

    /// The connection stays open and is never answered, before or after the application executes the request: it ends
    /// when the client gives up. A client without a timeout waits for ever.
    #[must_use]
    pub const fn stalled(moment: Moment) -> Self {
        Self::hidden(moment, Seen::Nothing)
    }

    /// The true answer breaks off in the middle of its body, short of its `Content-Length`; one without a body arrives
    /// whole. The effect took place, and its status says so.
    #[must_use]
    pub const fn truncated() -> Self {
        Self::answered(Execution::PROMPT, Way::Cut)
    }

    /// The true answer comes late.
    ///
    /// `Before`: the key is claimed at once and the effect takes place after `by`, even if the client has
    /// given up by then. `After`: the effect takes place at once, the answer is sent after `by`.
    #[must_use]
    pub const fn late(by: Duration, moment: Moment) -> Self {
        match moment {
            Moment::Before => Self::executed(Execution { takes: by, ..Execution::PROMPT }),
            Moment::After => Self::answered(Execution::PROMPT, Way::Late(by)),
        }
    }

    /// The request is held up on its way: only after `by` does the application claim the key and execute,
    /// even if the client has given up by then.
    ///
    /// Unlike [`late`](Self::late), a repeat that arrives meanwhile finds the key unclaimed. A key protects from it for
    /// as long as it is kept: a request held up for longer than that is executed as if it were a new one.
    #[must_use]
    pub const fn queued(by: Duration) -> Self {
        Self::executed(Execution { queued: by, ..Execution::PROMPT })
    }

    /// A proxy that got no answer delivers the request a second time, and hands on the answer to that.
    ///
    /// The second copy is handled like any other request: with a key it replays the first one's answer, with a
    /// `uniqueness_key` or an alias alone it is refused although the write has just taken effect, and with nothing of
    /// the kind the write takes effect twice, without the client having sent it twice.
    ///
    /// With [`taking`](Self::taking) the second copy arrives while the first still executes, and a key gets it a 409:
    /// the client is told of a conflict with itself, and the write takes effect afterwards.
    #[must_use]
    pub const fn duplicated() -> Self {
        Self::answered(Execution::PROMPT, Way::Twice)
    }

    /// The process that executes the request dies before the effect: the connection is reset, the claim of the key is
    /// forgotten, so that the same key executes again, and this execution never takes effect.
    ///
    /// Effect and stored result come about in one step: a restart between the two, which would have the same key
    /// execute twice, is not modelled, since no client could do anything about it. See also
    /// [`Metronome::restart`](super::Metronome::restart).
    #[must_use]
    pub const fn restarted() -> Self {
        Self::executed(Execution { end: End::Forgotten, ..Execution::PROMPT })
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
        Self::answered(execution, Way::Straight)
    }

    const fn answered(execution: Execution, way: Way) -> Self {
        Self { course: Course::Answered { execution, way } }
    }

    const fn hidden(moment: Moment, seen: Seen) -> Self {
        let execution = match moment {
            Moment::Before => None,
            Moment::After => Some(Execution::PROMPT),
        };
        Self { course: Course::Hidden { execution, seen } }
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
