//! Plaid, a banking API with its key in the body.

use std::time::Duration;

use http::Method;

use crate::{
    decide::key::KeyKind,
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Plaid](https://plaid.com/docs), at `https://production.plaid.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | transfers take the body's `idempotency_key`, at most 50 characters, put there by the caller; kept for 48 hours | [API] |
/// | the key is an attribute of what was created: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | [API] |
/// | the same key is to be used after a failed connection | [API] |
///
/// Every operation of this API is a POST: add the reads that you use with [`route`](crate::ServiceBuilder::route), or they
/// count as writes without a key. The page was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::plaid().idempotency().kind, KeyKind::ResourceKey);
/// ```
///
/// [API]: https://plaid.com/docs/api/products/transfer/
pub fn plaid() -> Service {
    Service::builder("plaid", "https://production.plaid.com")
        .idempotency(
            Idempotency::body_member("/idempotency_key", KeyKind::ResourceKey)
                .methods([Method::POST])
                .max_length(50)
                .retention(2 * DAY),
        )
        .error_format(
            ErrorFormat::new()
                .message(["/error_message"])
                .code(["/error_code"])
                .error_type(["/error_type"])
                .request_id(["/request_id"]),
        )
        .sources([
            Source::new(
                "https://plaid.com/docs/api/products/transfer/",
                "2026",
                [Rule::Key, Rule::Stored, Rule::Retention],
            ),
            Source::new("https://plaid.com/docs/errors/", "2026", [Rule::Errors]),
        ])
        .shipped()
}
