//! Worldline Direct, a payments API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{ConcurrentRequests, KeyKind, Meaning},
    },
    service::{
        boolean_header::BooleanHeader,
        error_format::ErrorFormat,
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Worldline Direct](https://docs.direct.worldline-solutions.com), at `https://payment.direct.worldline-solutions.com`.
///
/// | rule | page |
/// |---|---|
/// | `X-GCS-Idempotence-Key`, at most 40 ASCII characters, on the 7 endpoints that the page lists and on no other one | [idempotent requests] |
/// | a repeat of a completed request gets the same outcome, **also if its body is another one**; a payment's status may be newer | [idempotent requests] |
/// | 409: the first request is still being processed | [idempotent requests] |
/// | kept for at least 24 hours | [idempotent requests] |
/// | `X-GCS-Idempotence-Request-Timestamp` is on every answer but the first under a key, that 409 too | [idempotent requests] |
///
/// Requests are not compared: a key that is given twice returns another request's answer, which
/// [`refuse_reused_keys`](crate::ServiceBuilder::refuse_reused_keys) keeps from happening within a process. What a repeat gets after an error
/// is not documented: the key is preserved and never replaced. The page was read in 2026-11, the paths in the SDK 6.2.0.
///
/// ```
/// use reqwest_safe_retry::services;
///
/// assert_eq!(services::worldline().idempotency().max_length, 40);
/// ```
///
/// [idempotent requests]: https://docs.direct.worldline-solutions.com/en/integration/api-developer-guide/idempotent-requests
pub fn worldline() -> Service {
    Service::builder("worldline", "https://payment.direct.worldline-solutions.com")
        .idempotency(
            Idempotency::header("X-GCS-Idempotence-Key", KeyKind::ReplaySuccess)
                .routes_only()
                .max_length(40)
                .retention(DAY)
                .concurrent_requests(ConcurrentRequests::Refused)
                .replay_header(BooleanHeader::presence("X-GCS-Idempotence-Request-Timestamp")),
        )
        .response(409, Meaning::InProgress)
        .error_format(
            ErrorFormat::new()
                .message(["/errors/0/message"])
                .code(["/errors/0/errorCode", "/errors/0/code"])
                .error_type(["/errors/0/category"])
                .request_id(["/errorId"]),
        )
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
        .sources([
            Source::new(
                "https://docs.direct.worldline-solutions.com/en/integration/api-developer-guide/idempotent-requests",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses, Rule::Replay, Rule::Routes],
            ),
            Source::new(
                "https://docs.direct.worldline-solutions.com/en/migrate/migration-options/direct-troubleshooting-errors",
                "2026-11",
                [Rule::Errors],
            ),
            Source::new("https://www.npmjs.com/package/onlinepayments-sdk-nodejs", "2026-11", [Rule::Routes])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}

/// The endpoints that take a key.
const KEYED: &[&str] = &[
    "/v2/{merchantId}/payments",
    "/v2/{merchantId}/payments/{paymentId}/cancel",
    "/v2/{merchantId}/payments/{paymentId}/capture",
    "/v2/{merchantId}/payments/{paymentId}/complete",
    "/v2/{merchantId}/payments/{paymentId}/refund",
    "/v2/{merchantId}/payments/{paymentId}/subsequent",
    "/v2/{merchantId}/payouts",
];
