//! Fireblocks, a custody API.

use http::Method;

use crate::{
    idempotency::{Idempotency, KeyKind, Meaning},
    service::Service,
    source::{Rule, Source},
};

impl Service {
    /// [Fireblocks](https://developers.fireblocks.com), at `https://api.fireblocks.io`.
    ///
    /// | rule | page |
    /// |---|---|
    /// | `Idempotency-Key` on POST | [changelog] |
    /// | after an internal error the key is answered 400 ("doesn't support the usage of the same idempotency key after an internal error"): [`KeyKind::Poisoned`](crate::KeyKind::Poisoned) | [changelog] |
    ///
    /// That a new key is right only after a look at what happened is this layer's rule, not the page's. The page was read
    /// in 2026.
    ///
    /// ```
    /// use reqwest_safe_retry::{KeyKind, Service};
    ///
    /// assert_eq!(Service::fireblocks().idempotency().kind(), KeyKind::Poisoned);
    /// ```
    ///
    /// [changelog]: https://developers.fireblocks.com/changelog
    pub fn fireblocks() -> Self {
        Self::builder("fireblocks")
            .base_url("https://api.fireblocks.io")
            .idempotency(
                Idempotency::header("Idempotency-Key", KeyKind::Poisoned).keyed([Method::POST]).conflict_saying(
                    400,
                    "same idempotency key after an internal error",
                    Meaning::Burnt,
                ),
            )
            .sources([Source::new(
                "https://developers.fireblocks.com/changelog",
                "2026",
                [Rule::Key, Rule::Stored, Rule::Conflicts],
            )])
            .shipped()
    }
}
