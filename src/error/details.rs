//! What is kept of the last attempt, or of the reason why there was none.

use std::{error::Error as StdError, sync::OnceLock, time::Duration};

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
    pub(crate) scope: Option<Box<str>>,
    /// That a header has.
    pub(crate) request_id: Option<Box<str>>,
    /// What the body says, read when that is first asked for.
    pub(crate) parts: OnceLock<ErrorParts>,
    pub(crate) body: ErrorBody,
    /// Of a call that was turned away before its first attempt.
    pub(crate) queued: Option<Queued>,
    pub(crate) timed_out: bool,
    pub(crate) connecting: bool,
    pub(crate) source: Option<Box<dyn StdError + Send + Sync>>,
}

/// How a call has waited that was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) waited: Duration,
    /// How many attempts could be in flight.
    pub(crate) limit: usize,
}

impl ErrorDetails {
    /// An attempt without a response. The URL is removed from the cause: it may have secrets in its query.
    pub(crate) fn of_failure(failure: Failure, error: reqwest_middleware::Error) -> Self {
        let timed_out = reqwest_error(&error).is_some_and(reqwest::Error::is_timeout);
        let connecting = matches!(failure, Failure::NotSent | Failure::Tls);
        Self { timed_out, connecting, source: Some(shown(without_url(error))), ..Self::default() }
    }

    pub(crate) fn of_cause(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(shown(cause)), ..Self::default() }
    }

    pub(crate) fn past_deadline() -> Self {
        Self { timed_out: true, ..Self::default() }
    }
}

/// The error of a request without the request's URL, which may have secrets in its query.
pub(super) fn without_url(error: reqwest_middleware::Error) -> Box<dyn StdError + Send + Sync> {
    match error {
        reqwest_middleware::Error::Reqwest(error) => error.without_url().into(),
        // Keeps the type of the error, so that `downcast_ref` finds it.
        reqwest_middleware::Error::Middleware(error) => error.reallocate_into_boxed_dyn_error_without_backtrace(),
    }
}

/// The cause, unless it would show a URL: of another request, such as one whose response is the body of this one.
fn shown(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Box<dyn StdError + Send + Sync> {
    let cause = cause.into();
    if names_a_url(&*cause) { Box::new(HiddenCause) } else { cause }
}

/// A URL may have secrets in its query, and within another error it cannot be removed.
pub(super) fn names_a_url(error: &(dyn StdError + 'static)) -> bool {
    let mut causes = causes(error).filter_map(|cause| cause.downcast_ref::<reqwest::Error>());
    causes.any(|error| error.url().is_some())
}

/// Stands for a cause that would show a URL.
#[derive(Debug, thiserror::Error)]
#[error("the cause shows the URL of another request, which may have secrets, and so is not shown here")]
struct HiddenCause;
