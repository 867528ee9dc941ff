//! Increase, a banking API.

use http::Method;

use crate::{
    decide::key::{KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        rate_limiting::RateLimiting,
        retry_after_source::{RetryAfterSource, RetryAfterUnit},
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

/// [Increase](https://increase.com/documentation), at `https://api.increase.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST, at most 200 characters; no expiry is stated | [idempotency keys] |
/// | the key is an attribute of what was created, and lists can be filtered by it: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | [idempotency keys] |
/// | 409 `idempotency_key_already_used_error`: the key was used for another object; an identical repeat is answered with 200 | [idempotency keys] |
/// | `Idempotent-Replayed: true` marks an answer that creates nothing | [idempotency keys] |
/// | `x-should-retry` says whether to send the request again, and `retry-after-ms` when | its SDKs |
///
/// A verifier is easy here: list by `idempotency_key`, with [`FetchByKey`](crate::FetchByKey). Error bodies are
/// [`problem::ProblemDetails`](crate::services::problem::ProblemDetails). The pages were read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::increase().idempotency().kind, KeyKind::ResourceKey);
/// ```
///
/// [idempotency keys]: https://increase.com/documentation/idempotency-keys
pub fn increase() -> Service {
    Service::builder("increase", "https://api.increase.com")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ResourceKey)
                .methods([Method::POST, Method::PATCH])
                .max_length(200)
                .replay_header("idempotent-replayed"),
        )
        .response_matching(409, "idempotency_key_already_used_error", Meaning::PayloadMismatch)
        .retry_signal("x-should-retry")
        .rate_limiting(RateLimiting::new().retry_after([
            RetryAfterSource::header("retry-after-ms").unit(RetryAfterUnit::Milliseconds),
            RetryAfterSource::default(),
        ]))
        .error_format(ErrorFormat::new().message(["/detail", "/title"]).error_type(["/type"]))
        .sources([
            Source::new(
                "https://increase.com/documentation/idempotency-keys",
                "2026",
                [Rule::Key, Rule::Stored, Rule::Responses, Rule::Replay],
            ),
            Source::new("https://increase.com/documentation/errors", "2026", [Rule::Errors]),
            Source::new("https://github.com/Increase/increase-python", "2026", [Rule::Signals, Rule::RateLimits])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}
