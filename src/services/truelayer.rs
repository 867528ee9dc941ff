//! TrueLayer, a payments API whose requests are signed together with their key.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{ConcurrentRequests, KeyKind, Meaning},
    },
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [TrueLayer's Payments v3](https://docs.truelayer.com), at `https://api.truelayer.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on many endpoints, of which these are the 10 that its SDK sends one for; a UUIDv4 advised | [idempotency], truelayer-dotnet |
/// | requests after the first one with a key are not executed; a key is valid for 30 days | [idempotency] |
/// | 409 *Idempotency-Key Concurrency Conflict*: another request with the key is in progress | [errors] |
/// | 422 *Idempotency-Key Reuse*: the key was used with another request | [errors] |
///
/// The signature (`Tl-Signature`) covers the key: sign below the layer, where each attempt already has its key. What a repeat
/// gets after an error is not documented: the key is preserved and never replaced. Error bodies are
/// [`problem::ProblemDetails`](crate::services::problem::ProblemDetails). The pages (the first one of 2026-06-02) and the SDK
/// (of 2025-11-28) were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::truelayer().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://docs.truelayer.com/docs/idempotency-for-payment-requests
/// [errors]: https://docs.truelayer.com/docs/payments-api-errors
pub fn truelayer() -> Service {
    Service::builder("truelayer", "https://api.truelayer.com")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
                .routes_only()
                .retention(30 * DAY)
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response_matching(409, "Idempotency-Key Concurrency Conflict", Meaning::InProgress)
        .response_matching(422, "Idempotency-Key Reuse", Meaning::PayloadMismatch)
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
        .error_format(
            ErrorFormat::new()
                .message(["/detail", "/title"])
                .code(["/title"])
                .error_type(["/type"])
                .request_id(["/trace_id"]),
        )
        .sources([
            Source::new(
                "https://docs.truelayer.com/docs/idempotency-for-payment-requests",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Retention],
            ),
            Source::new(
                "https://docs.truelayer.com/docs/payments-api-errors",
                "2026-11",
                [Rule::Responses, Rule::Errors],
            ),
            Source::new("https://github.com/TrueLayer/truelayer-dotnet", "2026-11", [Rule::Routes])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}

/// The endpoints that take a key.
const KEYED: &[&str] = &[
    "/v3/mandates",
    "/v3/mandates/{id}/authorization-flow",
    "/v3/mandates/{id}/authorization-flow/actions/consent",
    "/v3/mandates/{id}/authorization-flow/actions/provider-selection",
    "/v3/mandates/{id}/revoke",
    "/v3/payments",
    "/v3/payments/{id}/actions/cancel",
    "/v3/payments/{id}/authorization-flow",
    "/v3/payments/{id}/refunds",
    "/v3/payouts",
];
