//! Modern Treasury, a payments and ledger API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::key::{ConcurrentRequests, KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Modern Treasury](https://docs.moderntreasury.com), at `https://app.moderntreasury.com/api`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST and, as its SDKs send it, on PATCH; kept for 24 hours; scoped to the API key and **independent of the route** | [idempotent requests] |
/// | only successes are stored: after an interruption or error the next request executes | [idempotent requests] |
/// | 429, 500, 502, 503 and 504 are to be repeated | [idempotent requests] |
/// | 409: the first request is still being stored | [idempotent requests] |
///
/// The page was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::modern_treasury().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotent requests]: https://docs.moderntreasury.com/platform/reference/idempotent-requests
pub fn modern_treasury() -> Service {
    Service::builder("modern_treasury", "https://app.moderntreasury.com/api")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
                .methods([Method::POST, Method::PATCH])
                .retention(DAY)
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response(409, Meaning::InProgress)
        .error_format(
            ErrorFormat::new().message(["/errors/message", "/message"]).code(["/errors/code"]).error_type(["/type"]),
        )
        .sources([
            Source::new(
                "https://docs.moderntreasury.com/platform/reference/idempotent-requests",
                "2026",
                [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses, Rule::Retryable],
            ),
            Source::new("https://docs.moderntreasury.com/platform/reference/errors", "2026", [Rule::Errors]),
            Source::new("https://github.com/Modern-Treasury/modern-treasury-python", "2026-11", [Rule::Key])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}
