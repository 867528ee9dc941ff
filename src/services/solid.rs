//! Solid, a banking API.

use http::Method;

use crate::{
    decide::key::{KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

/// [Solid](https://docs.solidfi.com), at `https://api.solidfi.com`.
///
/// | rule | page |
/// |---|---|
/// | `idempotency-key` on POST and PATCH (in `/v1` named `sd-idempotency-key`) | [documentation] |
/// | every status except that of the rate limit is stored: [`KeyKind::ReplayAll`](crate::KeyKind::ReplayAll) | [idempotency] |
/// | 409 `EC_QLDB_OCC_ERROR_RETRY`: nothing happened, to be sent with a new key | [documentation] |
///
/// After a 500 the stored error comes back under the same key, so that only a verdict leads to a new one. A 502 or 504 of
/// the service's own is stored too, but cannot be told from one of a gateway. The pages were read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::solid().idempotency().kind, KeyKind::ReplayAll);
/// ```
///
/// [documentation]: https://docs.solidfi.com
/// [idempotency]: https://docs.solidfi.com/v2/api-reference/getting-started/idempotency
pub fn solid() -> Service {
    Service::builder("solid", "https://api.solidfi.com")
        .idempotency(Idempotency::header("idempotency-key", KeyKind::ReplayAll).methods([Method::POST, Method::PATCH]))
        .response_matching(409, "EC_QLDB_OCC_ERROR_RETRY", Meaning::NotApplied)
        .error_format(
            ErrorFormat::new()
                .message(["/errorMessage", "/sysMessage"])
                .code(["/errorCode"])
                .request_id_headers(["x-request-id"])
                .request_id(["/requestId"]),
        )
        .sources([
            Source::new("https://docs.solidfi.com", "2026", [Rule::Key, Rule::Responses, Rule::Errors]),
            Source::new(
                "https://docs.solidfi.com/v2/api-reference/getting-started/idempotency",
                "2026-11",
                [Rule::Stored],
            ),
        ])
        .shipped()
}
