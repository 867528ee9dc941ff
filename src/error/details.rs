//! What is kept of the last attempt, or of the reason why there was none.

use std::{error::Error as StdError, time::Duration};

use http::StatusCode;

use crate::{
    decide::outcome::Failure,
    service::error_format::ErrorParts,
    wire::{
        body::ErrorBody,
        causes::{causes, reqwest_error},
    },
};

/// What is kept of the last attempt, or of the reason why there was none.
#[derive(Debug, Default)]
pub(crate) struct ErrorDetails {
    pub(crate) status: Option<StatusCode>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) scope: Option<String>,
    pub(crate) parts: ErrorParts,
    pub(crate) body: ErrorBody,
    pub(crate) timed_out: bool,
    pub(crate) connecting: bool,
    pub(crate) source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ErrorDetails {
    /// An attempt without a response. The URL is removed from the cause: it may have secrets in its query.
    pub(crate) fn of_failure(failure: Failure, error: reqwest_middleware::Error) -> Self {
        let timed_out = reqwest_error(&error).is_some_and(reqwest::Error::is_timeout);
        let connecting = matches!(failure, Failure::NotSent | Failure::Tls);
        let source: Box<dyn StdError + Send + Sync> = match error {
            reqwest_middleware::Error::Reqwest(error) => Box::new(error.without_url()),
            reqwest_middleware::Error::Middleware(error) if names_a_url(&error) => Box::new(HiddenCause),
            reqwest_middleware::Error::Middleware(error) => error.into(),
        };
        Self { timed_out, connecting, source: Some(source), ..Self::default() }
    }

    pub(crate) fn of_cause(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(cause.into()), ..Self::default() }
    }

    pub(crate) fn past_deadline() -> Self {
        Self { timed_out: true, ..Self::default() }
    }
}

/// A URL may have secrets in its query, and within another error it cannot be removed.
pub(super) fn names_a_url(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().flat_map(causes).filter_map(|cause| cause.downcast_ref::<reqwest::Error>());
    causes.any(|error| error.url().is_some())
}

/// Stands for a cause that would show a URL.
#[derive(Debug, thiserror::Error)]
#[error("a middleware below failed with an error that shows a URL, and so is not shown here")]
struct HiddenCause;
