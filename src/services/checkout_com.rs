//! Checkout.com, a payments API.

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

/// [Checkout.com](https://www.checkout.com/docs), at `https://api.checkout.com`; accounts with a host of their own set it with
/// [`into_builder`](Service::into_builder).
///
/// | rule | page |
/// |---|---|
/// | `Cko-Idempotency-Key` on the POST endpoints that the page lists, a UUIDv4 advised; kept for 24 hours | [retry a payment] |
/// | only 2xx are stored: after a 4xx or 5xx the same key attempts the payment again | [retry a payment] |
///
/// What a concurrent request with the same key is answered is not documented, and counts as an ordinary conflict. The
/// page was read in 2026-01.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::checkout_com().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [retry a payment]: https://www.checkout.com/docs/payments/manage-payments/retry-a-payment
pub fn checkout_com() -> Service {
    Service::builder("checkout_com", "https://api.checkout.com")
        .idempotency(
            Idempotency::header("Cko-Idempotency-Key", KeyKind::ReplaySuccess).methods([Method::POST]).retention(DAY),
        )
        .error_format(
            ErrorFormat::new()
                .message(["/error_type"])
                .code(["/error_codes/0"])
                .error_type(["/error_type"])
                .request_id_headers(["cko-request-id"])
                .request_id(["/request_id"]),
        )
        .sources([
            Source::new(
                "https://www.checkout.com/docs/payments/manage-payments/retry-a-payment",
                "2026-01",
                [Rule::Key, Rule::Stored, Rule::Retention],
            ),
            Source::new("https://www.checkout.com/docs/developer-resources/codes/error-codes", "2026", [Rule::Errors]),
        ])
        .shipped()
}
