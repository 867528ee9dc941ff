//! What the last response said.

use std::fmt;

use crate::decide::{
    key::Meaning,
    outcome::{Outcome, ResponseFacts},
};

/// What the last response said, or why nothing was sent.
///
/// ```
/// use reqwest_safe_retry::ErrorKind;
///
/// assert_eq!(ErrorKind::NotFound.to_string(), "not found");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400: the request is malformed.
    BadRequest,
    /// 401: the token is missing or invalid.
    Unauthorized,
    /// 403: the token does not allow this.
    Forbidden,
    /// 404: what the request names does not exist.
    NotFound,
    /// 409: the request conflicts with the state of what it names.
    Conflict,
    /// 422: the request is well-formed but invalid.
    Unprocessable,
    /// Another 4xx.
    Client,
    /// 429, or what the description calls [throttled](crate::Meaning::Throttled): too many requests.
    RateLimited,
    /// The concurrency limit left no time for an attempt, or the service asks for too long a wait; nothing was sent.
    QueueRefused,
    /// 5xx, or what the description calls [unavailable](crate::Meaning::Unavailable): the service, or something in front of it,
    /// failed; or a status below 200 or above 599, which is handled alike.
    Server,
    /// There was no response.
    Transport,
    /// An earlier request with this key is still executing.
    KeyInProgress,
    /// The key was used before with another request: every operation needs its own key.
    PayloadMismatch,
    /// The key has become unusable.
    KeyInvalidated,
    /// What the write would create exists already.
    AlreadyExists,
    /// The key cannot be sent; nothing was.
    InvalidKey,
    /// The retry policy of the request contradicts itself or the service; nothing was sent.
    InvalidPolicy,
    /// The service takes writes only with an [`Operation`](crate::Operation) or a key of the caller's, and the request has
    /// neither; nothing was sent.
    OperationRequired,
    /// The journal could not record that the operation begins; nothing was sent.
    JournalUnavailable,
    /// Another process works on the operation; nothing was sent.
    RunningElsewhere,
    /// An earlier call has ended the operation, and [`applied`](crate::Error::applied) says how. Either its response cannot
    /// be fetched any more, or the entry in the journal was purged. Nothing was sent.
    OperationEnded,
    /// No service of the layer covers the request's URL, and the layer refuses such requests; nothing was sent.
    UnknownHost,
}

impl ErrorKind {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Failure(_) => Self::Transport,
            Outcome::Response(response) => Self::of_response(response),
        }
    }

    fn of_response(response: &ResponseFacts) -> Self {
        match response.meaning {
            Some(Meaning::InProgress) => Self::KeyInProgress,
            Some(Meaning::PayloadMismatch) => Self::PayloadMismatch,
            Some(Meaning::KeyInvalidated | Meaning::NotApplied) => Self::KeyInvalidated,
            Some(Meaning::AlreadyExists) => Self::AlreadyExists,
            Some(Meaning::Throttled) => Self::RateLimited,
            Some(Meaning::Unavailable) => Self::Server,
            Some(Meaning::Final) | None => Self::of_status(response.status.as_u16()),
        }
    }

    const fn of_status(status: u16) -> Self {
        match status {
            400 => Self::BadRequest,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            422 => Self::Unprocessable,
            429 => Self::RateLimited,
            500.. | ..200 => Self::Server,
            _ => Self::Client,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRequest => "bad request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Unprocessable => "unprocessable",
            Self::Client => "client error",
            Self::RateLimited => "rate limited",
            Self::QueueRefused => "no room in the queue",
            Self::Server => "server error",
            Self::Transport => "no response",
            Self::KeyInProgress => "an earlier request with this key is in progress",
            Self::PayloadMismatch => "the key was used with another request",
            Self::KeyInvalidated => "the key is no longer usable",
            Self::AlreadyExists => "already exists",
            Self::InvalidKey => "invalid idempotency key",
            Self::InvalidPolicy => "invalid retry policy",
            Self::OperationRequired => "the write names no operation and has no key: name one with `operation`",
            Self::JournalUnavailable => "the journal is not available",
            Self::RunningElsewhere => "another process works on the operation",
            Self::OperationEnded => "an earlier call has ended the operation",
            Self::UnknownHost => "no service covers this URL",
        })
    }
}
