//! Zuora, a billing API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::key::{ConcurrentRequests, KeyKind, Meaning},
    service::{
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Zuora](https://developer.zuora.com), at `https://rest.zuora.com` (other data centres are other base URLs).
///
/// | rule | page |
/// |---|---|
/// | `idempotency-key` on POST and PATCH, fewer than 255 characters; kept for 24 hours | [idempotent requests] |
/// | status, headers and body of the first request are stored, whether it succeeded or failed | [idempotent requests] |
/// | 409: a request with the key is being executed; 422: the key was used with other parameters | [idempotent requests] |
///
/// The page was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::zuora().idempotency().kind, KeyKind::ReplayAll);
/// ```
///
/// [idempotent requests]: https://developer.zuora.com/docs/guides/idempotent-requests
pub fn zuora() -> Service {
    Service::builder("zuora", "https://rest.zuora.com")
        .idempotency(
            Idempotency::header("idempotency-key", KeyKind::ReplayAll)
                .methods([Method::POST, Method::PATCH])
                .max_length(254)
                .retention(DAY)
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response(409, Meaning::InProgress)
        .response(422, Meaning::PayloadMismatch)
        .sources([Source::new(
            "https://developer.zuora.com/docs/guides/idempotent-requests",
            "2026",
            [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses],
        )])
        .shipped()
}
