//! Resend, an API for email.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{ConcurrentRequests, KeyKind, Meaning},
    },
    service::{
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Resend](https://resend.com/docs), at `https://api.resend.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on `POST /emails` and `POST /emails/batch` and on no other endpoint, at most 256 characters | [idempotency keys] |
/// | a repeat within 24 hours gets the same response, and no email is sent again | [idempotency keys] |
/// | 409 `concurrent_idempotent_requests`: the first request is still in progress | [errors] |
/// | 409 `invalid_idempotent_request`: the key was used with another request | [errors] |
///
/// What a repeat gets after an error is not documented: the key is preserved and never replaced. The page and the vendor's
/// SDK for Rust were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::services;
///
/// assert_eq!(services::resend().idempotency().max_length, 256);
/// ```
///
/// [idempotency keys]: https://resend.com/docs/dashboard/emails/idempotency-keys
/// [errors]: https://resend.com/docs/api-reference/errors
pub fn resend() -> Service {
    Service::builder("resend", "https://api.resend.com")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
                .routes_only()
                .max_length(256)
                .retention(DAY)
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response_matching(409, "concurrent_idempotent_requests", Meaning::InProgress)
        .response_matching(409, "invalid_idempotent_request", Meaning::PayloadMismatch)
        .routes(["/emails", "/emails/batch"].map(|path| Route::new(Method::POST, path, Effect::Write).keyed()))
        .sources([
            Source::new(
                "https://resend.com/docs/dashboard/emails/idempotency-keys",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses, Rule::Routes],
            ),
            Source::new("https://docs.rs/crate/resend-rs/0.31.0/source/src/error.rs", "2026-11", [Rule::Errors])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}
