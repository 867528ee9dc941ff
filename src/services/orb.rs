//! Orb, a usage-based billing API.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{ConcurrentRequests, KeyKind, Meaning},
    },
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Orb](https://docs.withorb.com), at `https://api.withorb.com/v1`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST and PATCH, at most 64 characters; kept for 48 hours | [API reference] |
/// | executed results are stored; the same key may be used after an error only if it says `Transient-Error: true`: [`KeyKind::Signalled`](crate::KeyKind::Signalled) | [API reference] |
/// | 409: a request with the key is being executed, or had other parameters; it is not stored, and safe to repeat | [API reference] |
/// | `Idempotent-Replayed: true` marks a stored answer | [API reference] |
/// | `x-should-retry` says whether to send the request again | its SDKs |
/// | events carry keys of their own; a batch that fails with a 5xx is to be sent again as a whole | [API reference] |
///
/// Error bodies are [`problem::ProblemDetails`](crate::services::problem::ProblemDetails). The page was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::orb().idempotency().kind, KeyKind::Signalled);
/// ```
///
/// [API reference]: https://docs.withorb.com/api-reference
pub fn orb() -> Service {
    Service::builder("orb", "https://api.withorb.com/v1")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::Signalled)
                .methods([Method::POST, Method::PATCH])
                .max_length(64)
                .retention(2 * DAY)
                .concurrent_requests(ConcurrentRequests::Refused)
                .transient_header("transient-error")
                .replay_header("idempotent-replayed"),
        )
        .response(409, Meaning::InProgress)
        .retry_signal("x-should-retry")
        .routes([Route::new(Method::POST, "/ingest", Effect::Deduplicated).unkeyed()])
        .error_format(ErrorFormat::new().message(["/detail", "/title"]).error_type(["/type"]))
        .sources([
            Source::new(
                "https://docs.withorb.com/api-reference",
                "2026",
                [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses, Rule::Signals, Rule::Replay, Rule::Routes],
            ),
            Source::new("https://github.com/orbcorp/orb-python", "2026", [Rule::Key, Rule::Signals, Rule::Errors])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}
