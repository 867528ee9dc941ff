//! Values of fields and labels that have no type of their own. They do not change.

use http::{Method, StatusCode};

use crate::{attempts::AttemptOutcome, decide::outcome::Failure};

pub(super) const fn failure(failure: Failure) -> &'static str {
    match failure {
        Failure::NotSent => "not_sent",
        Failure::NotProcessed => "not_processed",
        Failure::Ambiguous => "no_response",
        Failure::Tls => "tls",
        Failure::InvalidRequest => "invalid_request",
        Failure::RedirectLoop => "redirect_loop",
        Failure::Middleware => "middleware",
    }
}

/// Which key the attempt after `before` others carries; one in the body has no generation.
pub(super) const fn key(generation: u32, keyed: bool, before: u32) -> &'static str {
    match (keyed, generation, before) {
        (false, _, _) => "none",
        (true, 0 | 1, 0) => "first",
        (true, 0 | 1, _) => "preserved",
        (true, _, _) => "rotated",
    }
}

pub(super) fn attempt_outcome(outcome: &AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Failure(failed) => failure(*failed),
        AttemptOutcome::Status(status) => status_class(*status),
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "429",
        status if status.is_success() => "2xx",
        status if status.is_redirection() => "3xx",
        status if status.is_client_error() => "4xx",
        _ => "5xx",
    }
}

/// OpenTelemetry's conventions for HTTP: a method outside the known list is `_OTHER`, and its own text another field.
pub(super) fn method(method: &Method) -> (&str, Option<&str>) {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    if KNOWN.contains(method) { (method.as_str(), None) } else { ("_OTHER", Some(method.as_str())) }
}
