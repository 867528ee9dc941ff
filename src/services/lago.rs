//! Lago, a usage-based billing API whose events carry ids.

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{KeyKind, Meaning},
    },
    service::{
        builder::ServiceBuilder,
        error_format::ErrorFormat,
        idempotency::Idempotency,
        rate_limiting::RateLimiting,
        retry_after_source::RetryAfterSource,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

/// [Lago](https://docs.getlago.com), at `https://api.getlago.com/api/v1` (or wherever you host it), whatever stores its events.
///
/// | rule | page |
/// |---|---|
/// | the API has no keys | lago-api |
/// | a 429 says in `x-ratelimit-reset` how many seconds to wait | lago-python-client |
/// | an event has a `transaction_id`, by which Postgres recognises a repeat, and ClickHouse only if the organisation deduplicates | lago-api |
///
/// Not every organisation deduplicates, so events count as writes without a key: they are sent again only if they provably
/// were not executed. [`lago_deduplicated`] sends them again. The source was read in its version of 2026-08-21.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::lago().idempotency().kind, KeyKind::Unsupported);
/// ```
pub fn lago() -> Service {
    described("lago").shipped()
}

/// [Lago](lago) if its events are deduplicated: with Postgres as their store, or with ClickHouse for an organisation that
/// has `clickhouse_deduplication_enabled`.
///
/// | rule | page |
/// |---|---|
/// | an event's `transaction_id` plays the key's part: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | lago-api |
/// | Postgres answers a repeated event with 422 and `transaction_id: value_already_exist` | lago-api |
/// | a batch with a repeated event is rolled back as a whole, so that a repeat doubles nothing | lago-api |
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::lago_deduplicated().idempotency().kind, KeyKind::ResourceKey);
/// ```
pub fn lago_deduplicated() -> Service {
    let keys = Idempotency::body_member("/event/transaction_id", KeyKind::ResourceKey).routes_only();
    described("lago_deduplicated")
        .idempotency(keys)
        .routes([
            Route::new(Method::POST, "/events", Effect::Write).keyed(),
            Route::new(Method::POST, "/events/batch", Effect::Deduplicated),
        ])
        .shipped()
}

const VALUE_EXISTS: &str = "value_already_exist";

fn described(name: &'static str) -> ServiceBuilder {
    Service::builder(name, "https://api.getlago.com/api/v1")
        .response_matching(422, VALUE_EXISTS, Meaning::AlreadyExists)
        .rate_limiting(
            RateLimiting::new().retry_after([
                RetryAfterSource::default(),
                RetryAfterSource::header("x-ratelimit-reset").only_on([429]),
            ]),
        )
        .error_format(ErrorFormat::new().message(["/error"]).code(["/error_details/transaction_id/0", "/code"]))
        .sources([
            Source::new(
                "https://github.com/getlago/lago-api",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Responses, Rule::Routes, Rule::Errors],
            )
            .evidence(Evidence::SourceCode),
            Source::new("https://github.com/getlago/lago-python-client", "2026-11", [Rule::RateLimits])
                .evidence(Evidence::SourceCode),
        ])
}
