//! Increase, a banking API.

use http::Method;

use crate::{
    error_format::ErrorFormat,
    idempotency::{Idempotency, KeyKind, Meaning},
    service::Service,
    source::{Evidence, Rule, Source},
};

impl Service {
    /// [Increase](https://increase.com/documentation), at `https://api.increase.com`.
    ///
    /// | rule | page |
    /// |---|---|
    /// | `Idempotency-Key` on POST, at most 200 characters; no expiry is stated | [idempotency keys] |
    /// | the key is an attribute of what was created, and lists can be filtered by it: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | [idempotency keys] |
    /// | 409 `idempotency_key_already_used_error` with the `resource_id` of what is there | [idempotency keys] |
    /// | `Idempotent-Replayed: true` marks an answer that creates nothing | [idempotency keys] |
    /// | `x-should-retry` says whether to send the request again | its SDKs |
    ///
    /// A verifier is easy here: list by `idempotency_key`. Error bodies are
    /// [`problem::ProblemDetails`](crate::problem::ProblemDetails). The pages were read in 2026.
    ///
    /// ```
    /// use reqwest_safe_retry::{KeyKind, Service};
    ///
    /// assert_eq!(Service::increase().idempotency().kind(), KeyKind::ResourceKey);
    /// ```
    ///
    /// [idempotency keys]: https://increase.com/documentation/idempotency-keys
    pub fn increase() -> Self {
        Self::builder("increase")
            .base_url("https://api.increase.com")
            .idempotency(
                Idempotency::header("Idempotency-Key", KeyKind::ResourceKey)
                    .keyed([Method::POST])
                    .max_length(200)
                    .conflict_saying(409, "idempotency_key_already_used_error", Meaning::AlreadyExists)
                    .replay_marker("idempotent-replayed"),
            )
            .retry_signal("x-should-retry")
            .error_format(ErrorFormat::new().message(["/detail", "/title"]).error_type(["/type"]))
            .sources([
                Source::new(
                    "https://increase.com/documentation/idempotency-keys",
                    "2026",
                    [Rule::Key, Rule::Stored, Rule::Conflicts, Rule::Replay],
                ),
                Source::new("https://increase.com/documentation/errors", "2026", [Rule::Errors]),
                Source::new("https://github.com/Increase/increase-python", "2026", [Rule::Signals])
                    .evidenced(Evidence::SourceCode),
            ])
            .shipped()
    }
}
