//! An attempt that did not succeed.

use reqwest::Response;

use crate::{
    decide::outcome::{Failure, Outcome},
    error::{details::ErrorDetails, kind::ErrorKind},
    limit::limiters::Scope,
    service::error_format::ErrorReader,
    wire::body::ErrorBody,
};

/// What an attempt that did not succeed has left, before anything of it is read.
pub(crate) enum FailedResponse {
    /// An error response, and the limit that it refers to, if any.
    Status(Response, Option<Scope>),
    /// No response; without an error the deadline came first.
    Missing(Option<reqwest_middleware::Error>),
}

/// An attempt that did not succeed: its outcome, which is decided on, and the details that an error would show.
pub(crate) struct FailedAttempt {
    pub(super) outcome: Outcome,
    pub(super) kind: ErrorKind,
    pub(super) details: ErrorDetails,
    /// Whose limit it has reached.
    pub(super) scope: Option<Scope>,
    /// The response as it came, without its body; kept if it may become the caller's.
    pub(super) head: Option<Box<http::Response<()>>>,
}

impl FailedAttempt {
    pub(super) fn new(outcome: Outcome, details: ErrorDetails) -> Self {
        Self { kind: ErrorKind::of(&outcome), outcome, details, scope: None, head: None }
    }

    /// Forgets the error's body, which may be large, unless it may become the caller's response.
    pub(super) fn without_body(mut self: Box<Self>, reader: &ErrorReader) -> Box<Self> {
        if self.head.is_none() {
            let ErrorDetails { parts, body, .. } = &self.details;
            parts.get_or_init(|| reader.parts(&body.bytes));
            self.details.body = ErrorBody { truncated: true, ..ErrorBody::default() };
        }
        self
    }

    /// An attempt that was not made.
    pub(super) fn refused(kind: ErrorKind, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, ..Self::new(Failure::NotSent.into(), ErrorDetails::of_cause(cause)) }
    }

    pub(super) fn past_deadline() -> Self {
        Self::new(Failure::Ambiguous.into(), ErrorDetails::past_deadline())
    }
}
