//! Fireblocks, a custody API.

use http::Method;

use crate::{
    decide::key::{KeyKind, Meaning},
    service::{
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

/// [Fireblocks](https://developers.fireblocks.com), at `https://api.fireblocks.io`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST | [changelog] |
/// | after an internal error the key is answered 400 ("doesn't support the usage of the same idempotency key after an internal error"): [`KeyKind::InvalidatedByError`](crate::KeyKind::InvalidatedByError) | [changelog] |
///
/// That a new key is right only after a look at what happened is this layer's rule, not the page's. The page was read
/// in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::fireblocks().idempotency().kind, KeyKind::InvalidatedByError);
/// ```
///
/// [changelog]: https://developers.fireblocks.com/changelog
pub fn fireblocks() -> Service {
    Service::builder("fireblocks", "https://api.fireblocks.io")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::InvalidatedByError)
                .methods([Method::POST])
                .response_matching(400, "same idempotency key after an internal error", Meaning::KeyInvalidated),
        )
        .sources([Source::new(
            "https://developers.fireblocks.com/changelog",
            "2026",
            [Rule::Key, Rule::Stored, Rule::Responses],
        )])
        .shipped()
}
