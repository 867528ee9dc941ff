//! Square, a payments API with its key in the body.

use http::Method;

use crate::{
    decide::key::{KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

/// [Square](https://developer.squareup.com), at `https://connect.squareup.com`.
///
/// | rule | page |
/// |---|---|
/// | the key is the body's `idempotency_key`, put there by the caller | [idempotency] |
/// | a success is returned again; details differ from API to API: [`KeyKind::ReplaySuccess`](crate::KeyKind::ReplaySuccess) | [idempotency] |
/// | 400 `IDEMPOTENCY_KEY_REUSED`: the key was used with other parameters | quoted in public |
///
/// A key in the body is only ever preserved. The page was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::square().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency
pub fn square() -> Service {
    Service::builder("square", "https://connect.squareup.com")
        .idempotency(
            Idempotency::body_member("/idempotency_key", KeyKind::ReplaySuccess)
                .methods([Method::POST])
                .response_matching(400, "IDEMPOTENCY_KEY_REUSED", Meaning::PayloadMismatch),
        )
        .error_format(
            ErrorFormat::new()
                .message(["/errors/0/detail"])
                .code(["/errors/0/code"])
                .error_type(["/errors/0/category"]),
        )
        .sources([
            Source::new(
                "https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency",
                "2026",
                [Rule::Key, Rule::Stored],
            ),
            Source::new(
                "https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency",
                "2026",
                [Rule::Responses],
            )
            .evidence(Evidence::Quoted),
            Source::new("https://developer.squareup.com/docs/build-basics/handling-errors", "2026", [Rule::Errors]),
        ])
        .shipped()
}
