//! Dwolla, a payments API.

use std::time::Duration;

use crate::{
    decide::key::{ConcurrentRequests, KeyKind, Meaning},
    service::{
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Dwolla](https://developers.dwolla.com), at `https://api.dwolla.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST, a UUID advised | [idempotency key] |
/// | a repeat of a success gets its 201 again, if the body is **exactly the same**: another body is another request | [idempotency key] |
/// | 409: the first request is still being processed | [idempotency key] |
/// | kept for 24 hours | [idempotency key] |
/// | after a 500 the key may stay locked, with 409, for these 24 hours: look whether the write took effect, and use a new key if not | [incident of 2025-02-07] |
///
/// Another body under a used key is another write, which [`refuse_reused_keys`](crate::ServiceBuilder::refuse_reused_keys) keeps
/// from happening within a process. What a repeat gets after an error is not documented otherwise, so the key is preserved and never replaced: such a write ends
/// in doubt, and the verifier is asked before. How long a lock lasts at least is known of one incident only; where you know it,
/// [`in_progress_for`](Idempotency::in_progress_for) lets the layer go on with a new key after a verdict. The pages were read
/// in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::dwolla().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency key]: https://developers.dwolla.com/docs/api-reference/api-fundamentals/idempotency-key
/// [incident of 2025-02-07]: https://status.dwolla.com/incidents/bkl5393wxlhf
pub fn dwolla() -> Service {
    Service::builder("dwolla", "https://api.dwolla.com")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
                .retention(DAY)
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response(409, Meaning::InProgress)
        .sources([
            Source::new(
                "https://developers.dwolla.com/docs/api-reference/api-fundamentals/idempotency-key",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses],
            ),
            Source::new("https://status.dwolla.com/incidents/bkl5393wxlhf", "2026-11", [Rule::Responses]),
        ])
        .shipped()
}
