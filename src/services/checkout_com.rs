//! Checkout.com, a payments API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{ConcurrentRequests, KeyKind},
    },
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        route::Route,
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
/// | `Cko-Idempotency-Key` on the 8 endpoints that the page lists and on no other one, a UUIDv4 advised | [retry a payment] |
/// | kept for 24 hours, unless the account has another time | [retry a payment] |
/// | only 2xx are stored: after a 4xx or 5xx the same key attempts the payment again | [retry a payment] |
///
/// Of concurrent requests with the same key only one is processed; what the other is answered is not documented, and counts as
/// an ordinary conflict. The
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
            Idempotency::header("Cko-Idempotency-Key", KeyKind::ReplaySuccess)
                .routes_only()
                .concurrent_requests(ConcurrentRequests::Refused)
                .retention(DAY),
        )
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
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
                [Rule::Key, Rule::Stored, Rule::Retention, Rule::Routes],
            ),
            Source::new("https://www.checkout.com/docs/developer-resources/codes/error-codes", "2026", [Rule::Errors]),
        ])
        .shipped()
}

/// The endpoints that take a key.
const KEYED: &[&str] = &[
    "/payment-contexts",
    "/payments",
    "/payments/{id}/authorizations",
    "/payments/{id}/cancellations",
    "/payments/{id}/captures",
    "/payments/{id}/refunds",
    "/payments/{id}/voids",
    "/transfers",
];
