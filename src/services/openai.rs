//! OpenAI's API, which has no keys.

use crate::service::{
    error_format::ErrorFormat,
    idempotency::Idempotency,
    rate_limiting::RateLimiting,
    retry_after_source::{RetryAfterSource, RetryAfterUnit},
    service::Service,
    source::{Evidence, Rule, Source},
};

/// [OpenAI](https://platform.openai.com/docs), at `https://api.openai.com`.
///
/// | rule | page |
/// |---|---|
/// | no idempotency keys are documented, and the SDK sends none: [`KeyKind::Unsupported`](crate::KeyKind::Unsupported) | openai-python |
/// | `x-should-retry` says whether to send the request again | openai-python |
/// | `retry-after-ms` is read before `retry-after` | openai-python |
///
/// The SDK repeats a POST after a 5xx all the same; this layer does not, and its `x-should-retry` does not change that.
/// The source was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::openai().idempotency().kind, KeyKind::Unsupported);
/// ```
pub fn openai() -> Service {
    Service::builder("openai", "https://api.openai.com")
        .idempotency(Idempotency::none())
        .retry_signal("x-should-retry")
        .rate_limiting(RateLimiting::new().retry_after([
            RetryAfterSource::header("retry-after-ms").unit(RetryAfterUnit::Milliseconds),
            RetryAfterSource::default(),
        ]))
        .error_format(ErrorFormat::new().message(["/error/message"]).code(["/error/code"]).error_type(["/error/type"]))
        .sources([Source::new(
            "https://github.com/openai/openai-python",
            "2026",
            [Rule::Key, Rule::Stored, Rule::Signals, Rule::RateLimits, Rule::Errors],
        )
        .evidence(Evidence::SourceCode)])
        .shipped()
}
