//! Fireblocks, a custody API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{KeyKind, Meaning},
    },
    service::{
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Rule, Source},
    },
};

const IDEMPOTENCY: &str = "https://developers.fireblocks.com/reference/api-idempotency";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Fireblocks](https://developers.fireblocks.com), at `https://api.fireblocks.io`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST, at most 40 characters; kept for 24 hours | [idempotency] |
/// | a transaction with an `externalTxId` in its body is created once: a repeat is refused with 400 | [idempotency] |
/// | after an internal error the key is answered 400 ("doesn't support the usage of the same idempotency key after an internal error"): [`KeyKind::InvalidatedByError`](crate::KeyKind::InvalidatedByError) | [changelog] |
///
/// That a new key is right only after a look at what happened is this layer's rule, not the page's. For transactions the
/// service prefers the `externalTxId`, by which a verifier can look a transaction up. The pages were read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::fireblocks().idempotency().kind, KeyKind::InvalidatedByError);
/// ```
///
/// [idempotency]: https://developers.fireblocks.com/reference/api-idempotency
/// [changelog]: https://developers.fireblocks.com/changelog
pub fn fireblocks() -> Service {
    Service::builder("fireblocks", "https://api.fireblocks.io")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::InvalidatedByError)
                .methods([Method::POST])
                .max_length(40)
                .retention(DAY),
        )
        .response_matching(400, "same idempotency key after an internal error", Meaning::KeyInvalidated)
        .routes([Route::new(Method::POST, "/v1/transactions", Effect::Write).deduplicated_by("/externalTxId")])
        .sources([
            Source::new(IDEMPOTENCY, "2026-11", [Rule::Key, Rule::Retention, Rule::Routes]),
            Source::new("https://developers.fireblocks.com/changelog", "2026", [Rule::Stored, Rule::Responses]),
        ])
        .shipped()
}
