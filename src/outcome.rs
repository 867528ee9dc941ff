//! How an attempt ended, as plain data: what the answer's head and body say, or how the transport failed.

use std::{error::Error as StdError, io, iter, time::Duration};

use http::StatusCode;
use hyper_util::client::legacy;

use crate::{idempotency::Meaning, middleware::NestedLayers};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service, or something in front of it, answered.
    Answer(Answer),
    /// There was no answer.
    Failure(Failure),
}

impl Outcome {
    /// A 5xx that is the application's own, and no gateway's.
    pub(crate) fn is_internal_error(self) -> bool {
        matches!(self, Self::Answer(answer) if answer.status.is_server_error() && !matches!(answer.status.as_u16(), 502..=504))
    }
}

/// What an answer says that matters for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status of the response; a status in the body counts for nothing.
    pub status: StatusCode,
    /// What it says about the key, where the service's description can tell.
    pub meaning: Option<Meaning>,
    /// The wait that the server asks for; [`Duration::MAX`] where the number was larger than any.
    pub hint: Option<Duration>,
    /// The service's own word on whether the request should be sent again.
    pub retry_signal: Option<bool>,
    /// The service says that the same key will execute again.
    pub transient: bool,
    /// The service says that this is a stored answer, repeated.
    pub replayed: bool,
    /// The answer came from another origin than the request was sent to: a redirect took the key along.
    pub redirected: bool,
}

impl Answer {
    /// An answer that says nothing but its status.
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            meaning: None,
            hint: None,
            retry_signal: None,
            transient: false,
            replayed: false,
            redirected: false,
        }
    }
}

/// How an attempt failed that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// There was no connection: refused, unreachable, not resolved, or not made in time.
    NotSent,
    /// The request was given back unprocessed: an HTTP/2 refusal, or a connection that closed before it was used.
    NotProcessed,
    /// The request may have arrived: a timeout, a reset, an answer cut off. What cannot be told apart is this.
    Ambiguous,
    /// The server's certificate or TLS handshake is not acceptable; nothing was sent.
    Untrusted,
    /// The request cannot be sent as it is.
    Unsendable,
    /// The redirects have no end, or lead where nothing can be sent; the request was sent.
    RedirectLoop,
    /// A middleware below this layer failed for a reason of its own.
    Middleware,
}

impl Failure {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not sent",
            Self::NotProcessed => "not processed",
            Self::Ambiguous => "no answer",
            Self::Untrusted => "TLS failure",
            Self::Unsendable => "cannot be sent",
            Self::RedirectLoop => "redirect loop",
            Self::Middleware => "middleware failed",
        }
    }

    /// What a failed attempt met, told by the types of the error's causes and never by their texts.
    pub(crate) fn of(error: &reqwest_middleware::Error) -> Self {
        match error {
            reqwest_middleware::Error::Reqwest(error) => Self::of_reqwest(error),
            // The layer below has refused the request before it was sent.
            reqwest_middleware::Error::Middleware(error) if error.is::<NestedLayers>() => Self::Unsendable,
            reqwest_middleware::Error::Middleware(error) => error
                .chain()
                .flat_map(causes)
                .find_map(|cause| cause.downcast_ref::<reqwest::Error>())
                .map_or(Self::Middleware, Self::of_reqwest),
        }
    }

    fn of_reqwest(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            // What the layer is asked to send has one of these schemes; a redirect may lead to any, and then the
            // request before it was sent.
            let sendable = error.url().is_none_or(|url| matches!(url.scheme(), "http" | "https"));
            return if sendable { Self::Unsendable } else { Self::RedirectLoop };
        }
        if error.is_redirect() {
            return Self::RedirectLoop;
        }
        if error.is_status() {
            return Self::Middleware;
        }
        if causes(error).any(is_own_body) {
            return Self::Ambiguous;
        }
        if error.is_connect() {
            // A certificate that is refused is an `io::Error` of this kind within the connection's own.
            let untrusted = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
            return if untrusted.map(io::Error::kind).any(|kind| kind == io::ErrorKind::InvalidData) {
                Self::Untrusted
            } else {
                Self::NotSent
            };
        }
        if causes(error).any(was_not_processed) { Self::NotProcessed } else { Self::Ambiguous }
    }
}

/// The request's own body failed while it was sent. Causes below are the body's: where it comes out of another
/// connection, what became of that one says nothing about this one.
fn is_own_body(cause: &(dyn StdError + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user)
}

fn was_not_processed(cause: &(dyn StdError + 'static)) -> bool {
    // An error that occurred on no connection occurred before the request was given to one.
    let on_no_connection = |error: &legacy::Error| error.connect_info().is_none();
    cause.downcast_ref().is_some_and(on_no_connection)
        || cause.downcast_ref().is_some_and(hyper::Error::is_canceled)
        || refused_by_http2(cause)
}

/// RFC 9113, section 8.7: a refused stream was not processed. A GOAWAY that ends a stream as an HTTP/2 error is one
/// that did not cover it; the streams it covers end as `io::Error`s and stay ambiguous.
#[cfg(feature = "http2")]
fn refused_by_http2(cause: &(dyn StdError + 'static)) -> bool {
    cause.downcast_ref::<h2::Error>().is_some_and(|error| {
        error.is_remote()
            && (error.is_go_away() || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)))
    })
}

#[cfg(not(feature = "http2"))]
fn refused_by_http2(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// The error and its causes.
pub(crate) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |cause| next_cause(*cause))
}

/// An `io::Error` names the cause of its payload as its source, and so hides the payload.
fn next_cause<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match cause.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|payload| payload as &(dyn StdError + 'static)),
        None => cause.source(),
    }
}
