//! The error of a call: what the service said, why there was no further attempt, whether the write took effect.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use http::{Method, StatusCode};
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::{
    attempts::{Attempts, Met},
    body::ErrorBody,
    decide::{Applied, Stop},
    error_format::Parts,
    idempotency::Meaning,
    json,
    key::{IdempotencyKey, KeyProblem},
    outcome::{Answer, Failure, Outcome, causes},
    route::Effect,
};

/// A call that did not succeed.
///
/// It answers three questions: [`kind`](Self::kind), what the last answer said; [`stop`](Self::stop), why there was no
/// further attempt; [`applied`](Self::applied), whether the write took effect.
///
/// `Display` and `Debug` show service, method, path, status, attempts, times and the service's own message and code;
/// never a key, a query string, user information, a header or the rest of the body.
pub struct Error(Box<Inner>);

pub(crate) struct Inner {
    pub(crate) service: Cow<'static, str>,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) effect: Effect,
    pub(crate) kind: ErrorKind,
    pub(crate) stop: Stop,
    pub(crate) applied: Applied,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) attempts: Attempts,
    pub(crate) failed: Failed,
}

/// What is kept of the last attempt, or of the reason why there was none.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    pub(crate) status: Option<StatusCode>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) scope: Option<String>,
    pub(crate) parts: Parts,
    pub(crate) body: ErrorBody,
    pub(crate) timed_out: bool,
    pub(crate) connecting: bool,
    pub(crate) source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What the last answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400: the request is malformed.
    BadRequest,
    /// 401: the token is missing or not valid.
    Unauthorized,
    /// 403: the token does not allow this.
    Forbidden,
    /// 404: what the request names does not exist.
    NotFound,
    /// 409: the request conflicts with the state of what it names.
    Conflict,
    /// 422: the request is well-formed and makes no sense.
    Unprocessable,
    /// Another 4xx.
    Client,
    /// 429: too many requests.
    RateLimited,
    /// 5xx: the service, or something in front of it, failed.
    Server,
    /// There was no answer.
    Transport,
    /// An earlier request with this key is still being executed.
    KeyInProgress,
    /// The key was used before with other parameters: every intention needs a key of its own.
    KeyReused,
    /// The key has become unusable.
    KeyBurnt,
    /// What the write would create is there already.
    AlreadyExists,
    /// The key cannot be sent; nothing was.
    InvalidKey,
}

impl ErrorKind {
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failure(_) => Self::Transport,
            Outcome::Answer(answer) => Self::of_answer(answer),
        }
    }

    fn of_answer(answer: Answer) -> Self {
        match answer.meaning {
            Some(Meaning::InProgress) => return Self::KeyInProgress,
            Some(Meaning::OtherParameters) => return Self::KeyReused,
            Some(Meaning::Burnt | Meaning::RotateAtOnce) => return Self::KeyBurnt,
            Some(Meaning::AlreadyExists) => return Self::AlreadyExists,
            None => {}
        }
        match answer.status.as_u16() {
            400 => Self::BadRequest,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            422 => Self::Unprocessable,
            429 => Self::RateLimited,
            500.. => Self::Server,
            _ => Self::Client,
        }
    }
}

impl Error {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Box::new(inner))
    }

    /// The layer's error within another one, if there is one: in a [`reqwest_middleware::Error`], an
    /// [`anyhow::Error`] (also with context added) or any `dyn std::error::Error` that has one of them among its causes.
    ///
    /// Use it instead of `downcast_ref` and of walking `source()`: `reqwest_middleware::Error` is transparent to both
    /// and hides the error that a middleware returned.
    ///
    /// ```
    /// use reqwest_safe_retry::{Error, ErrorKind};
    ///
    /// fn is_missing(error: &reqwest_middleware::Error) -> bool {
    ///     Error::find(error).is_some_and(|error| error.kind() == ErrorKind::NotFound)
    /// }
    ///
    /// let other = reqwest_middleware::Error::middleware(std::io::Error::other("something else"));
    /// assert!(!is_missing(&other));
    /// ```
    pub fn find<E: Searchable + ?Sized>(error: &E) -> Option<&Self> {
        error.search()
    }

    /// What the last answer said.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Why there was no further attempt.
    pub fn stop(&self) -> Stop {
        self.0.stop
    }

    /// Whether the write took effect. A read is always [`Applied::No`].
    pub fn applied(&self) -> Applied {
        self.0.applied
    }

    /// The status of the last answer; `None` where there was none.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.failed.status
    }

    /// 404: what the request names does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// 429: too many requests, or no place for one within the deadline.
    pub fn is_rate_limited(&self) -> bool {
        self.kind() == ErrorKind::RateLimited
    }

    /// What the write would create is there already.
    pub fn is_already_exists(&self) -> bool {
        self.kind() == ErrorKind::AlreadyExists
    }

    /// Whether nobody can tell from here if the write took effect: look before it is sent again under another key.
    pub fn is_in_doubt(&self) -> bool {
        self.applied() == Applied::Unknown
    }

    /// The service's own message; empty where it sent none.
    pub fn message(&self) -> &str {
        self.0.failed.parts.message.as_deref().unwrap_or_default()
    }

    /// The service's own code.
    pub fn code(&self) -> Option<&str> {
        self.0.failed.parts.code.as_deref()
    }

    /// The service's own type or name of the error.
    pub fn error_type(&self) -> Option<&str> {
        self.0.failed.parts.error_type.as_deref()
    }

    /// The error's body as a type of the service's or your own; `None` where it is not of that form.
    ///
    /// ```no_run
    /// # use reqwest_safe_retry::Error;
    /// #[derive(serde::Deserialize)]
    /// struct AlertConflict {
    ///     conflicting_id: String,
    /// }
    ///
    /// # fn example(error: &Error) {
    /// if let Some(conflict) = error.detail::<AlertConflict>() {
    ///     println!("conflicts with {}", conflict.conflicting_id);
    /// }
    /// # }
    /// ```
    pub fn detail<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(json::without_mark(self.body())).ok()
    }

    /// The error's body as it came, up to [`max_error_body`](crate::RetryPolicy::max_error_body); it may hold what the
    /// request held.
    pub fn body(&self) -> &[u8] {
        &self.0.failed.body.bytes
    }

    /// Whether the body was longer than what was read of it, or broke off.
    pub fn is_truncated(&self) -> bool {
        self.0.failed.body.truncated
    }

    /// The service's id of the last request, for its support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.failed.parts.request_id.as_deref()
    }

    /// The wait that the last answer asked for; [`Duration::MAX`] where the number was larger than any.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.failed.retry_after
    }

    /// Whose limit was met, in the service's words (Metronome: `client` or `customer`).
    pub fn rate_limit_scope(&self) -> Option<&str> {
        self.0.failed.scope.as_deref()
    }

    /// The key of the last attempt. Sending the same write again under it is safe for as long as the service keeps
    /// keys; a write under another key may double it while [`applied`](Self::applied) is not [`Applied::No`].
    pub fn key(&self) -> Option<&IdempotencyKey> {
        self.0.key.as_ref()
    }

    /// What each attempt met.
    pub fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The path of the request, without its query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether the last attempt ended because a time had passed: its own, the connection's, or the call's deadline.
    pub fn is_timeout(&self) -> bool {
        self.0.failed.timed_out
    }

    /// Whether the last attempt found no connection.
    pub fn is_connect(&self) -> bool {
        self.0.failed.connecting
    }

    /// The last answer as it came, for callers who look at statuses themselves.
    pub(crate) fn into_response(self, head: http::Response<()>) -> Response {
        let Inner { failed, attempts, stop, applied, .. } = *self.0;
        let mut response = Response::from(head.map(|()| failed.body.bytes));
        response.extensions_mut().insert(attempts);
        response.extensions_mut().insert(applied);
        response.extensions_mut().insert(stop);
        response
    }

    fn met(&self) -> Option<Met> {
        self.0.attempts.iter().last().map(|attempt| attempt.met())
    }
}

impl Failed {
    /// An attempt without an answer. The URL is taken out of the cause: it may have secrets in its query.
    pub(crate) fn without_answer(failure: Failure, error: reqwest_middleware::Error) -> Self {
        let timed_out = causes_of(&error)
            .find_map(|cause| cause.downcast_ref::<reqwest::Error>())
            .is_some_and(reqwest::Error::is_timeout);
        let connecting = matches!(failure, Failure::NotSent | Failure::Untrusted);
        let source: Box<dyn StdError + Send + Sync> = match error {
            reqwest_middleware::Error::Reqwest(error) => Box::new(error.without_url()),
            reqwest_middleware::Error::Middleware(error) if names_a_url(&error) => Box::new(HiddenCause),
            reqwest_middleware::Error::Middleware(error) => error.into(),
        };
        Self { timed_out, connecting, source: Some(source), ..Self::default() }
    }

    pub(crate) fn invalid_key(problem: KeyProblem) -> Self {
        Self { source: Some(Box::new(problem)), ..Self::default() }
    }

    pub(crate) fn past_deadline() -> Self {
        Self { timed_out: true, ..Self::default() }
    }
}

/// A URL may have secrets in its query, and within another error it cannot be taken out.
fn names_a_url(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().flat_map(causes).filter_map(|cause| cause.downcast_ref::<reqwest::Error>());
    causes.any(|error| error.url().is_some())
}

/// Stands for a cause that would show a URL.
#[derive(Debug, thiserror::Error)]
#[error("a middleware below failed with an error that shows a URL, and so is not shown here")]
struct HiddenCause;

fn causes_of(error: &reqwest_middleware::Error) -> Box<dyn Iterator<Item = &(dyn StdError + 'static)> + '_> {
    match error {
        reqwest_middleware::Error::Reqwest(error) => Box::new(causes(error)),
        reqwest_middleware::Error::Middleware(error) => Box::new(error.chain().flat_map(causes)),
    }
}

/// Text from outside, on one line, short, and without the key should the service repeat it.
struct Quoted<'a> {
    text: &'a str,
    key: Option<&'a IdempotencyKey>,
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 300;
        let text = match self.key {
            Some(key) => Cow::Owned(self.text.replace(key.as_str(), "<key>")),
            None => Cow::Borrowed(self.text),
        };
        for char in text.chars().take(MOST) {
            if char.is_control() { f.write_str(" ")? } else { write!(f, "{char}")? }
        }
        if text.chars().nth(MOST).is_some() { f.write_str("...") } else { Ok(()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { service, method, path, attempts, .. } = &*self.0;
        write!(f, "{service}: {method} {path}: ")?;
        match (self.kind(), self.status(), self.met()) {
            (ErrorKind::InvalidKey, ..) => f.write_str("invalid idempotency key, nothing was sent")?,
            (_, Some(status), _) => write!(f, "{status}")?,
            (_, None, Some(_)) if self.is_timeout() => f.write_str("timed out")?,
            (_, None, Some(met)) => write!(f, "{met}")?,
            (_, None, None) => f.write_str("not sent")?,
        }
        let quoted = |text| Quoted { text, key: self.key() };
        if let Some(code) = self.code() {
            write!(f, " [{}]", quoted(code))?;
        }
        if !self.message().is_empty() {
            write!(f, " \"{}\"", quoted(self.message()))?;
        }
        let count = attempts.count();
        let times = if count == 1 { "attempt" } else { "attempts" };
        write!(f, " after {count} {times} in {}ms; {}", attempts.elapsed().as_millis(), self.0.stop)?;
        if self.0.effect == Effect::Read { Ok(()) } else { write!(f, "; {}", self.0.applied) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("message", &format_args!("{self}"))
            .field("kind", &self.0.kind)
            .field("stop", &self.0.stop)
            .field("applied", &self.0.applied)
            .field("key", &self.0.key)
            .field("attempts", &format_args!("{}", self.0.attempts))
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    /// The transport's error, or what is wrong with the key.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.failed.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "another attempt would not help",
            Self::NotIdempotent => "not repeated, since without a key it could be applied twice",
            Self::BodyNotReplayable => "not repeated, since its body is a stream",
            Self::Attempts => "all attempts are used up",
            Self::Unverified => "not repeated under a new key, since nothing proves that it was not applied",
            Self::RetryAfter => "the server asks for a longer wait than the policy allows",
            Self::Deadline => "the deadline leaves no time for another attempt",
            Self::Budget => "the retry budget is used up",
        })
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "it was not applied",
            Self::Yes => "it was applied",
            Self::Unknown => "it may have been applied: check before sending it again",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a call through the layer ends in, taken out of [`reqwest_middleware::Error`] by `?`.
///
/// ```
/// use reqwest_safe_retry::{CallError, Service};
///
/// #[derive(Debug, thiserror::Error)]
/// enum BillingError {
///     #[error("there is no such customer")]
///     NoSuchCustomer,
///     #[error(transparent)]
///     Call(#[from] CallError),
/// }
///
/// async fn customer(client: &reqwest_middleware::ClientWithMiddleware, url: &str) -> Result<String, BillingError> {
///     let response = client.get(url).send().await.map_err(CallError::from).map_err(|error| match error {
///         CallError::Service(error) if error.is_not_found() => BillingError::NoSuchCustomer,
///         other => other.into(),
///     })?;
///     Ok(response.status().to_string())
/// }
///
/// async fn status(client: &reqwest_middleware::ClientWithMiddleware, url: &str) -> reqwest_safe_retry::Result<u16> {
///     Ok(client.get(url).send().await?.status().as_u16())
/// }
/// ```
#[non_exhaustive]
pub enum CallError {
    /// The layer's error.
    Service(Error),
    /// Another one: of a request to a host that no service names, or of another middleware above the layer.
    Other(reqwest_middleware::Error),
}

/// A result whose error is the layer's where it has one.
pub type Result<T, E = CallError> = std::result::Result<T, E>;

impl From<reqwest_middleware::Error> for CallError {
    fn from(error: reqwest_middleware::Error) -> Self {
        match error {
            reqwest_middleware::Error::Middleware(error) => match error.downcast::<Error>() {
                Ok(error) => Self::Service(error),
                Err(other) => Self::Other(reqwest_middleware::Error::Middleware(other)),
            },
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            // It may show the whole URL, with whatever its query holds.
            Self::Other(reqwest_middleware::Error::Middleware(error)) if !names_a_url(error) => error.fmt(f),
            Self::Other(_) => f.write_str("the request failed"),
        }
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => f.debug_tuple("Service").field(error).finish(),
            Self::Other(_) => f.debug_tuple("Other").field(&format_args!("{self}")).finish(),
        }
    }
}

impl StdError for CallError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Service(error) => error.source(),
            Self::Other(error) => Some(error),
        }
    }
}

mod sealed {
    #[allow(unnameable_types)] // Unnameable is what keeps others from implementing it.
    pub trait Sealed {}
}

/// An error that may have an [`Error`] within; for [`Error::find`], and implemented for what is listed there.
pub trait Searchable: sealed::Sealed {
    #[doc(hidden)]
    fn search(&self) -> Option<&Error>;
}

macro_rules! searchable {
    ($($error:ty: $search:expr,)*) => {$(
        impl sealed::Sealed for $error {}
        impl Searchable for $error {
            fn search(&self) -> Option<&Error> {
                let search: fn(&Self) -> Option<&Error> = $search;
                search(self)
            }
        }
    )*};
}

searchable! {
    Error: |error| Some(error),
    reqwest_middleware::Error: |error| within(error),
    anyhow::Error: within_anyhow,
    dyn StdError + 'static: |error| error_and_causes(error),
    dyn StdError + Send + 'static: |error| error_and_causes(error),
    dyn StdError + Send + Sync + 'static: |error| error_and_causes(error),
}

fn error_and_causes<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    causes(error).find_map(within)
}

fn within_anyhow(error: &anyhow::Error) -> Option<&Error> {
    error.downcast_ref::<Error>().or_else(|| error.chain().flat_map(causes).find_map(within))
}

/// In this one link of a chain. `reqwest_middleware::Error` is transparent: what it carries is no link of its own.
fn within<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    match cause.downcast_ref::<reqwest_middleware::Error>() {
        Some(reqwest_middleware::Error::Middleware(error)) => within_anyhow(error),
        Some(reqwest_middleware::Error::Reqwest(error)) => causes(error).find_map(|cause| cause.downcast_ref()),
        None => cause.downcast_ref(),
    }
}
