//! How an attempt ended, as plain data: what the answer's head and body say, or how the transport failed.

use std::{error::Error as StdError, io, iter, time::Duration};

use http::StatusCode;
use hyper_util::client::legacy;
use reqwest::Url;

use crate::idempotency::Meaning;

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
    /// A 5xx that is the application's own, and no gateway's; or the word that one was met under the key.
    pub(crate) fn tells_of_internal_error(self) -> bool {
        let Self::Answer(answer) = self else { return false };
        let is_own = answer.status.is_server_error() && !matches!(answer.status.as_u16(), 502..=504);
        is_own || answer.meaning == Some(Meaning::Burnt)
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
    /// Whether it is the answer to a redirect that was followed, and not the service's first word on the request.
    pub redirected: Redirected,
}

/// Where a redirect that the client followed has led.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Redirected {
    /// None was followed.
    #[default]
    No,
    /// To the same origin. The request before it was answered, and may have been executed.
    SameOrigin,
    /// To another origin: the key has been taken along.
    OtherOrigin,
}

impl Redirected {
    /// `answered_by` is the URL of a response; one that a middleware has rebuilt may have lost its own.
    pub(crate) fn between(sent_to: &Url, answered_by: &Url) -> Self {
        if sent_to == answered_by {
            return Self::No;
        }
        let same_origin = sent_to.host_str() == answered_by.host_str()
            && sent_to.port_or_known_default() == answered_by.port_or_known_default()
            && sent_to.scheme() == answered_by.scheme();
        if is_same(sent_to, answered_by) || answered_by.host_str() == Some("no.url.provided.local") {
            Self::No
        } else if same_origin {
            Self::SameOrigin
        } else {
            Self::OtherOrigin
        }
    }
}

/// The same place, fragments apart, which are not sent.
fn is_same(one: &Url, other: &Url) -> bool {
    one.port_or_known_default() == other.port_or_known_default()
        && one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.path() == other.path()
        && one.query() == other.query()
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
            redirected: Redirected::No,
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
    pub(crate) fn of(error: &reqwest_middleware::Error, sent_to: &Url) -> Self {
        match error {
            reqwest_middleware::Error::Reqwest(error) => Self::of_client(error, sent_to),
            reqwest_middleware::Error::Middleware(error) => error
                .chain()
                .flat_map(causes)
                .find_map(|cause| cause.downcast_ref::<reqwest::Error>())
                .map_or(Self::Middleware, |error| Self::of_client(error, sent_to)),
        }
    }

    /// An error that names another URL is of a hop that a redirect led to, or of a request that a middleware below made for
    /// itself, perhaps after this one was answered.
    fn of_client(error: &reqwest::Error, sent_to: &Url) -> Self {
        if error.url().is_some_and(|url| is_same(url, sent_to)) {
            Self::of_reqwest(error)
        } else if error.is_redirect() {
            Self::RedirectLoop
        } else if error.is_builder() {
            Self::of_another_builder(error)
        } else {
            Self::Ambiguous
        }
    }

    /// A redirect may lead to a scheme that cannot be sent to, and then the request before it was sent.
    fn of_another_builder(error: &reqwest::Error) -> Self {
        let sendable = error.url().is_none_or(|url| matches!(url.scheme(), "http" | "https"));
        if sendable { Self::Middleware } else { Self::RedirectLoop }
    }

    fn of_reqwest(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::Unsendable;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_elsewhere_was_redirected() {
        let sent_to: Url = "https://api.example.com/v1/things?q=1".parse().unwrap();
        for (answered_by, expected) in [
            ("https://api.example.com/v1/things?q=1", Redirected::No),
            ("https://api.example.com:443/v1/things?q=1#fragment", Redirected::No),
            // What a middleware has rebuilt may have lost its URL.
            ("http://no.url.provided.local/", Redirected::No),
            ("https://api.example.com/v1/things", Redirected::SameOrigin),
            ("https://api.example.com/v2/things?q=1", Redirected::SameOrigin),
            ("http://api.example.com/v1/things?q=1", Redirected::OtherOrigin),
            ("https://api.example.com:8443/v1/things?q=1", Redirected::OtherOrigin),
            ("https://elsewhere.example.com/v1/things?q=1", Redirected::OtherOrigin),
        ] {
            assert_eq!(Redirected::between(&sent_to, &answered_by.parse().unwrap()), expected, "{answered_by}");
        }
    }
}
