//! The faults of a single request.

use std::time::Duration;

use http::StatusCode;

use crate::close::Close;
use crate::rate_limit::RateLimit;
use crate::scenario::{Delivery, Execution, ExecutionEnd, Extent, FailedKey, GatewayBody, Replacement, Scenario};

/// What goes wrong with one request.
///
/// A fault does not change how the application treats the request: an invalid token or body still gets its 4xx, and a
/// key with a stored result still replays it, if the request reaches the application at all.
///
/// | fault | the client sees | the ledger has | the key holds |
/// |---|---|---|---|
/// | [`stored_500`](Self::stored_500) before, after | 500 | nothing; the write | the 500 |
/// | [`partial_500`](Self::partial_500) | 500 | the first part of the write | the 500 |
/// | [`stuck_key`](Self::stuck_key) before, after | 500, then 409 | nothing; the write | the claim: it stays in progress |
/// | [`gateway`](Self::gateway) before, after | 502, 503, 504, any other | nothing; the write | nothing; the response |
/// | [`dropped`](Self::dropped) before, after | a closed connection | nothing; the write | nothing; the response |
/// | [`stalled`](Self::stalled) before, after | nothing, until it times out | nothing; the write | nothing; the response |
/// | [`truncated`](Self::truncated) | half of the response | the write | the response |
/// | [`late`](Self::late) before, after | the response, late | the write, late; at once | the response |
/// | [`queued`](Self::queued) | the response, late | the write, late | the response, claimed late |
/// | [`duplicated`](Self::duplicated) | the second response | the write, twice unless deduplicated | the first response |
/// | [`restarted`](Self::restarted) | a reset connection | nothing | nothing: it is released |
/// | [`rate_limited`](Self::rate_limited) | 429 | nothing | nothing |
///
/// ```
/// use std::time::Duration;
/// use metronome_simulator::{Fault, Moment};
///
/// // Metronome's gateway times out after 29 s; the application completes the edit later.
/// let fault = Fault::gateway(504, Moment::After).taking(Duration::from_secs(2));
/// assert_ne!(fault, Fault::gateway(504, Moment::After));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) scenario: Scenario,
    /// The response ends in the middle of its body.
    pub(crate) truncated: bool,
}

/// Whether a fault happens before or after the write takes effect. It makes no difference to reads.
///
/// ```
/// use metronome_simulator::{Fault, Metronome, Moment};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
///     let metronome = Metronome::start().await.unwrap();
///     metronome.script([Some(Fault::gateway(504, moment))]);
///     let request = reqwest::Client::new().post(format!("{}/v1/customers", metronome.base_url()));
///     request.bearer_auth(metronome.token()).body(r#"{"name":"Acme"}"#).send().await.unwrap();
///     assert_eq!(metronome.ledger().entries().len(), effects);
/// }
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The write does not take effect, or (for a late response) not yet.
    Before,
    /// The write has taken effect.
    After,
}

impl Fault {
    /// The execution fails with a 500 that is stored under the key and replayed.
    ///
    /// `Before`: the write has no effect. `After`: the write took effect, and the key still holds the 500.
    #[must_use]
    pub const fn stored_500(moment: Moment) -> Self {
        Self::failed(Extent::at(moment), FailedKey::Stored)
    }

    /// The execution fails halfway with a 500 that is stored under the key: the partial creation that Metronome's page
    /// on status codes warns of.
    ///
    /// The first part takes effect: a customer is created without its ingest aliases, which stay free; of a batch of
    /// events, the first half is accepted. The ledger marks these entries as [`partial`](crate::Entry::partial). A write
    /// without parts takes effect whole.
    ///
    /// The response is the same as for the other stored 500s. Only a read shows what was created.
    #[must_use]
    pub const fn partial_500() -> Self {
        Self::failed(Extent::Part, FailedKey::Stored)
    }

    /// The execution fails with a 500 and leaves its key in progress: every later request with the key gets a 409, also
    /// after a [restart](crate::Metronome::restart), until the key is forgotten like a stored result.
    ///
    /// The responses for a stuck key are those for a request that still executes. Only a read shows whether the write took
    /// effect.
    #[must_use]
    pub const fn stuck_key(moment: Moment) -> Self {
        Self::failed(Extent::at(moment), FailedKey::Stuck)
    }

    /// The gateway responds instead of the application, usually with 502, 503 or 504, but any status will do: a 500 of its
    /// own, a 499, what a content delivery network says (520 to 530). The response is not stored.
    ///
    /// `Before`: the request does not reach the application. `After`: the application executes it and stores its own
    /// response under the key. An invalid status becomes 502. A redirect has a `Location`: that of the request itself, where
    /// a client that follows it sends the request again.
    ///
    /// A client cannot tell a gateway's 500 from a stored one. With [`taking`](Self::taking) it also breaks Metronome's
    /// promise that a 500 means the execution is over: no client can handle that correctly.
    #[must_use]
    pub fn gateway(status: u16, moment: Moment) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        Self::replaced(moment, Replacement::Gateway(status, GatewayBody::Json))
    }

    /// The connection is closed without a response, before or after the application executes the request.
    #[must_use]
    pub const fn dropped(close: Close, moment: Moment) -> Self {
        Self::replaced(moment, Replacement::Closed(close))
    }

    /// The connection stays open without a response, before or after the application executes the request.
    ///
    /// A client without a timeout waits for ever.
    #[must_use]
    pub const fn stalled(moment: Moment) -> Self {
        Self::replaced(moment, Replacement::Stalled)
    }

    /// The write takes effect, and the response ends in the middle of its body, short of its `Content-Length`.
    ///
    /// A response without a body arrives whole. See [`with_truncated_body`](Self::with_truncated_body) for errors.
    #[must_use]
    pub const fn truncated() -> Self {
        Self::executed(Execution::IMMEDIATE).with_truncated_body()
    }

    /// The response is late.
    ///
    /// `Before`: the key is claimed at once and the write takes effect after `by`, even if the client has timed out.
    /// `After`: the write takes effect at once, and the response is sent after `by`.
    #[must_use]
    pub const fn late(by: Duration, moment: Moment) -> Self {
        match moment {
            Moment::Before => Self::executed(Execution { takes: by, ..Execution::IMMEDIATE }),
            Moment::After => Self::answered(Execution::IMMEDIATE, Delivery::Delayed(by)),
        }
    }

    /// The request is delayed in front of the application, which claims the key and executes only after `by`, even if
    /// the client has timed out.
    ///
    /// Unlike with [`late`](Self::late), a retry during the delay finds the key unclaimed. A request that is delayed for
    /// longer than keys are kept is executed as a new one.
    #[must_use]
    pub const fn queued(by: Duration) -> Self {
        Self::executed(Execution { queued: by, ..Execution::IMMEDIATE })
    }

    /// A proxy gets no response, sends the request a second time and forwards the second response.
    ///
    /// The application treats the second copy like any other request. With a key it replays the first response. With
    /// only a `uniqueness_key` or an ingest alias it is rejected, although the write has just taken effect. With neither,
    /// the write takes effect twice.
    ///
    /// With [`taking`](Self::taking) the second copy arrives during the first execution. If it has a key, the client gets
    /// a 409, and the write takes effect afterwards.
    #[must_use]
    pub const fn duplicated() -> Self {
        Self::answered(Execution::IMMEDIATE, Delivery::Duplicated)
    }

    /// The application is killed before the effect: the connection is reset, the key is released, and this execution
    /// never takes effect. The next request with the same key executes.
    ///
    /// An effect and its stored result are one step. A crash between the two, after which the same key executes twice,
    /// is not simulated: no client can handle it. See also [`Metronome::restart`](crate::Metronome::restart).
    #[must_use]
    pub const fn restarted() -> Self {
        Self::executed(Execution { end: ExecutionEnd::Killed, ..Execution::IMMEDIATE })
    }

    /// A 429, with `Retry-After` in seconds if given. The request does not execute and the 429 is not stored.
    #[must_use]
    pub const fn rate_limited(limit: RateLimit, retry_after: Option<u64>) -> Self {
        Self::replaced(Moment::Before, Replacement::RateLimited(limit, retry_after))
    }

    /// Sets the time between the claim of the key and the effect.
    ///
    /// A gateway's response or a dropped connection does not wait for it: the write completes in the background. Has no
    /// effect on a fault that keeps the request from the application.
    #[must_use]
    pub fn taking(mut self, duration: Duration) -> Self {
        if let Some(execution) = self.scenario.execution_mut() {
            execution.takes = duration;
        }
        self
    }

    /// The gateway's response is an HTML page. Has no effect on other faults.
    #[must_use]
    pub fn with_html_body(self) -> Self {
        self.with_gateway_body(GatewayBody::Html)
    }

    /// The gateway's response has a body that never ends. Has no effect on other faults.
    ///
    /// A client that reads a body to its end reads this one until it times out.
    #[must_use]
    pub fn with_endless_body(self) -> Self {
        self.with_gateway_body(GatewayBody::Endless)
    }

    /// The response of this fault ends in the middle of its body. What is stored under the key is whole.
    ///
    /// Has no effect on a fault without a response.
    #[must_use]
    pub const fn with_truncated_body(mut self) -> Self {
        self.truncated = true;
        self
    }

    fn with_gateway_body(mut self, new: GatewayBody) -> Self {
        if let Scenario::Replaced { replacement: Replacement::Gateway(_, body), .. } = &mut self.scenario {
            *body = new;
        }
        self
    }

    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.scenario, Scenario::Replaced { replacement: Replacement::Gateway(_, GatewayBody::Endless), .. })
    }

    pub(crate) const fn failed(extent: Extent, key: FailedKey) -> Self {
        Self::executed(Execution { end: ExecutionEnd::Failed(extent, key), ..Execution::IMMEDIATE })
    }

    pub(crate) const fn executed(execution: Execution) -> Self {
        Self::answered(execution, Delivery::Normal)
    }

    const fn answered(execution: Execution, delivery: Delivery) -> Self {
        Self { scenario: Scenario::Answered { execution, delivery }, truncated: false }
    }

    const fn replaced(moment: Moment, replacement: Replacement) -> Self {
        let execution = match moment {
            Moment::Before => None,
            Moment::After => Some(Execution::IMMEDIATE),
        };
        Self { scenario: Scenario::Replaced { execution, replacement }, truncated: false }
    }
}

impl Extent {
    const fn at(moment: Moment) -> Self {
        match moment {
            Moment::Before => Self::Nothing,
            Moment::After => Self::Whole,
        }
    }
}
