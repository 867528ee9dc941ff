//! How an attempt ended, as plain data.

use std::{fmt, time::Duration};

use http::StatusCode;

use super::key::Meaning;

/// How an attempt ended.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{Failure, decide::{Outcome, ResponseFacts}};
///
/// assert_eq!(Outcome::from(Failure::NotSent), Outcome::Failure(Failure::NotSent));
/// let Outcome::Response(facts) = ResponseFacts::new(StatusCode::BAD_GATEWAY).into() else { panic!("a response") };
/// assert_eq!(facts.status, 502);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service, or something in front of it, responded.
    Response(ResponseFacts),
    /// There was no response.
    Failure(Failure),
}

impl Outcome {
    pub(crate) fn response(&self) -> Option<&ResponseFacts> {
        match self {
            Self::Response(response) => Some(response),
            Self::Failure(_) => None,
        }
    }
}

impl From<ResponseFacts> for Outcome {
    fn from(response: ResponseFacts) -> Self {
        Self::Response(response)
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What a response says that matters for the next step.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, KeyKind, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, ResponseFacts, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let mut facts = ResponseFacts::new(StatusCode::SERVICE_UNAVAILABLE);
/// facts.retry_signal = Some(false); // such as `x-should-retry: false`
/// let decision = step(&rules, &mut History::default(), &facts.into(), Moment::default()).decision;
/// assert_eq!(decision, Decision::Fail(StopReason::Permanent));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseFacts {
    /// The status of the response; a status in the body is ignored.
    pub status: StatusCode,
    /// What it means, by the service's description.
    pub meaning: Option<Meaning>,
    /// A [`Classifier`](crate::Classifier) says so, and not the description: it proves nothing about what was executed.
    pub is_classified: bool,
    /// The wait that the server asks for; [`Duration::MAX`] if the number does not fit.
    pub retry_after: Option<Duration>,
    /// The service's own word on whether to send the request again.
    pub retry_signal: Option<bool>,
    /// The service says that the same key will execute again.
    pub transient: bool,
    /// The service says that this is a stored response.
    pub replayed: bool,
    /// Whether the client followed a redirect to get this response.
    pub redirect: Redirect,
}

impl ResponseFacts {
    /// A response that says nothing but its status.
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            meaning: None,
            is_classified: false,
            retry_after: None,
            retry_signal: None,
            transient: false,
            replayed: false,
            redirect: Redirect::NotFollowed,
        }
    }

    /// Whether there were too many requests.
    pub(crate) fn is_throttled(&self) -> bool {
        match self.meaning {
            Some(Meaning::Throttled) => true,
            Some(Meaning::Unavailable | Meaning::Final) => false,
            _ => self.status == StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Whether the client followed a redirect, and where to.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, KeyKind, Redirect, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, ResponseFacts, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let mut facts = ResponseFacts::new(StatusCode::SERVICE_UNAVAILABLE);
/// facts.redirect = Redirect::OtherOrigin;
/// let decision = step(&rules, &mut History::default(), &facts.into(), Moment::default()).decision;
/// assert_eq!(decision, Decision::Fail(StopReason::Permanent), "a write that was redirected is not sent again");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Redirect {
    /// None was followed: the response, or a 3xx, is of the request's own URL.
    #[default]
    NotFollowed,
    /// To the same origin. The request before it was answered, and may have been executed.
    SameOrigin,
    /// To another origin, which received the key.
    OtherOrigin,
}

/// How an attempt without a response failed.
///
/// ```
/// use reqwest_safe_retry::{AttemptOutcome, Error, Failure, RequestBuilderExt, SafeRetry, Service};
/// use reqwest_safe_retry::testing::{Reply, ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// for (reply, failure) in [(Reply::no_connection(), Failure::NotSent), (Reply::reset(), Failure::Ambiguous)] {
///     let client = ScriptedTransport::new([reply]).client(SafeRetry::new([Service::metronome()])).unwrap();
///     let error = client.get("https://api.metronome.com/v1/plans").no_retries().send().await.unwrap_err();
///     let attempt = Error::find(&error).unwrap().attempts().iter().next().unwrap();
///     assert_eq!(attempt.outcome(), &AttemptOutcome::Failure(failure));
/// }
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Failure {
    /// There was no connection: refused, unreachable, not resolved, or not made in time.
    NotSent,
    /// The request was returned unprocessed: an HTTP/2 refusal, or a connection that closed before it was used.
    NotProcessed,
    /// The request may have arrived: a timeout, a reset, a truncated response, or anything that is not proved to be
    /// one of the others.
    Ambiguous,
    /// The server's certificate or TLS handshake is not acceptable; nothing was sent.
    Tls,
    /// The request cannot be sent as it is.
    InvalidRequest,
    /// The redirects have no end, or lead to a URL that cannot be requested; the request was sent.
    RedirectLoop,
    /// A middleware below this layer failed for a reason of its own.
    Middleware,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "not sent",
            Self::NotProcessed => "not processed",
            Self::Ambiguous => "no response",
            Self::Tls => "TLS failure",
            Self::InvalidRequest => "invalid request",
            Self::RedirectLoop => "redirect loop",
            Self::Middleware => "middleware failed",
        })
    }
}
