//! Bridge, an API for stablecoin payments.

use std::time::Duration;

use crate::{
    decide::key::KeyKind,
    service::{
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Bridge](https://apidocs.bridge.xyz), at `https://api.bridge.xyz`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on every POST, which requires it, and on no other method; typically a UUID | [idempotency] |
/// | a repeat gets the original response for 24 hours, and 422 afterwards | [idempotency] |
///
/// A repeat must have the same body. What another body is answered, and what a repeat gets after an error, is not
/// described: the key is preserved and never replaced. The page was read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::bridge().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://apidocs.bridge.xyz/api-reference/introduction/idempotence
pub fn bridge() -> Service {
    Service::builder("bridge", "https://api.bridge.xyz")
        .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).retention(DAY))
        .sources([Source::new(
            "https://apidocs.bridge.xyz/api-reference/introduction/idempotence",
            "2026-11",
            [Rule::Key, Rule::Stored, Rule::Retention],
        )])
        .shipped()
}
