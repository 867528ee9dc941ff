//! How an attempt without a response failed, told by the types of the error's causes and never by their texts.

use std::{error::Error as StdError, io};

use hyper_util::client::legacy;
use reqwest::Url;

use super::{
    causes::{causes, reqwest_error},
    redirect::is_same,
};
use crate::decide::outcome::Failure;

/// How the request to `requested` failed.
pub(crate) fn classify(error: &reqwest_middleware::Error, requested: &Url) -> Failure {
    reqwest_error(error).map_or(Failure::Middleware, |error| of_client(error, requested))
}

/// An error that names another URL is of a hop that a redirect led to, or of a request that a middleware below made for
/// itself, perhaps after this one was answered.
fn of_client(error: &reqwest::Error, requested: &Url) -> Failure {
    if error.url().is_some_and(|url| is_same(url, requested)) {
        of_request(error)
    } else if error.is_redirect() {
        Failure::RedirectLoop
    } else if error.is_builder() {
        of_another_builder(error)
    } else {
        Failure::Ambiguous
    }
}

/// A redirect may lead to a scheme that cannot be requested, and then the request before it was sent.
fn of_another_builder(error: &reqwest::Error) -> Failure {
    let sendable = error.url().is_none_or(|url| matches!(url.scheme(), "http" | "https"));
    if sendable { Failure::Middleware } else { Failure::RedirectLoop }
}

fn of_request(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::InvalidRequest;
    }
    if error.is_redirect() {
        return Failure::RedirectLoop;
    }
    if error.is_status() {
        return Failure::Middleware;
    }
    // A body, or something to decode, comes after a response head: the request was executed, whatever ended the stream.
    if error.is_body() || error.is_decode() || causes(error).any(is_own_body) {
        return Failure::Ambiguous;
    }
    if error.is_connect() {
        return if is_tls(error) { Failure::Tls } else { Failure::NotSent };
    }
    if causes(error).any(was_not_processed) { Failure::NotProcessed } else { Failure::Ambiguous }
}

/// A certificate that is refused is an `io::Error` of this kind within the connection's own. A resolver's error may be one
/// too.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut io_errors = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    !error.is_dns() && io_errors.any(|error| error.kind() == io::ErrorKind::InvalidData)
}

/// The request's own body failed while it was sent. Causes below are the body's: if it comes out of another connection,
/// the fate of that one says nothing about this one.
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
