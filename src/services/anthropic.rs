//! Anthropic's API, which has no keys.

use crate::{
    decide::status_set::StatusSet,
    service::{
        idempotency::Idempotency,
        rate_limiting::RateLimiting,
        retry_after_source::{RetryAfterSource, RetryAfterUnit},
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

/// [Anthropic](https://docs.claude.com/en/api), at `https://api.anthropic.com`.
///
/// | rule | page |
/// |---|---|
/// | no idempotency keys are documented, and the SDK sends none: [`KeyKind::Unsupported`](crate::KeyKind::Unsupported) | anthropic-sdk-python |
/// | `x-should-retry` says whether to send the request again | anthropic-sdk-python |
/// | `retry-after-ms` is read before `retry-after` | anthropic-sdk-python |
/// | 529, overloaded, may be sent again as other 5xx may | anthropic-sdk-python |
/// | errors have `error.type` and `error.message`, and `request_id` | [errors] |
///
/// The SDK repeats a POST after a 5xx all the same; this layer does not, and its `x-should-retry` does not change that. Where
/// a second answer is as good as the first one, say `.effect(Effect::Idempotent)` for the request. The sources (the SDK of
/// 2026-08-08) were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::anthropic().idempotency().kind, KeyKind::Unsupported);
/// ```
///
/// [errors]: https://docs.claude.com/en/api/errors
pub fn anthropic() -> Service {
    Service::builder("anthropic", "https://api.anthropic.com")
        .idempotency(Idempotency::none())
        .retryable(StatusSet::of(&[408, 425, 429, 500, 529]).with(502..=504))
        .retry_signal("x-should-retry")
        .rate_limiting(RateLimiting::new().retry_after([
            RetryAfterSource::header("retry-after-ms").unit(RetryAfterUnit::Milliseconds),
            RetryAfterSource::default(),
        ]))
        .sources([
            Source::new(
                "https://github.com/anthropics/anthropic-sdk-python",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Signals, Rule::RateLimits, Rule::Retryable],
            )
            .evidence(Evidence::SourceCode),
            Source::new("https://docs.claude.com/en/api/errors", "2026-11", [Rule::Errors]),
        ])
        .shipped()
}
