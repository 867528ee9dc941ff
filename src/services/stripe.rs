//! Stripe, a payments API: its two generations handle keys differently.

use std::time::Duration;

use http::Method;
use serde::Deserialize;

use super::lenient::lenient;
use crate::{
    decide::key::{ConcurrentRequests, KeyKind, Meaning},
    service::{
        builder::ServiceBuilder,
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Stripe](https://docs.stripe.com/api), the paths under `/v1` at `https://api.stripe.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST, at most 255 characters; kept for at least 24 hours | [requests] |
/// | status and body of the first executed request are stored, a 500 included | [requests], [low-level] |
/// | a key with other parameters is answered 400 with the type `idempotency_error` | stripe-ruby, its tests |
/// | 409 `idempotency_key_in_use`: another request with the key is being executed | [low-level] |
/// | `Stripe-Should-Retry` says whether to send the request again | [low-level] |
/// | `Idempotent-Replayed: true` marks a stored answer | [low-level] |
///
/// Stripe advises against a new key after a 500; without a verifier this layer never makes one. Error bodies are
/// [`ErrorBody`]. The pages were read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::stripe::v1().idempotency().kind, KeyKind::ReplayAll);
/// ```
///
/// [requests]: https://docs.stripe.com/api/idempotent_requests
/// [low-level]: https://docs.stripe.com/error-low-level
pub fn v1() -> Service {
    stripe("stripe_v1", "https://api.stripe.com/v1")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
                .methods([Method::POST])
                .retention(DAY)
                .concurrent_requests(ConcurrentRequests::Refused)
                .replay_header("idempotent-replayed"),
        )
        .response_matching(400, "idempotency_error", Meaning::PayloadMismatch)
        .response(409, Meaning::InProgress)
        .sources([
            Source::new(REQUESTS, "2026", [Rule::Key, Rule::Stored, Rule::Retention]),
            Source::new(LOW_LEVEL, "2026", [Rule::Stored, Rule::Signals, Rule::Replay, Rule::Responses]),
            Source::new("https://github.com/stripe/stripe-ruby", "2026", [Rule::Responses])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}

/// [Stripe](https://docs.stripe.com/api), the paths under `/v2` at `https://api.stripe.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on POST and DELETE, a UUID advised; kept for 30 days | [requests] |
/// | successes are not repeated; what failed or was done in part is carried on under the same key | [requests] |
/// | `Stripe-Should-Retry` says whether to send the request again | stripe-node |
///
/// The meaning of its conflicts is not documented; those of `/v1` are assumed, which only ever keep the key. The
/// page was read in its preview of 2026-09.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::stripe::v2().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [requests]: https://docs.stripe.com/api/idempotent_requests
pub fn v2() -> Service {
    stripe("stripe_v2", "https://api.stripe.com/v2")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
                .methods([Method::POST, Method::DELETE])
                .retention(30 * DAY),
        )
        .response_matching(400, "idempotency_error", Meaning::PayloadMismatch)
        .response(409, Meaning::InProgress)
        .sources([
            Source::new(REQUESTS, "2026-09", [Rule::Key, Rule::Stored, Rule::Retention]),
            Source::new("https://github.com/stripe/stripe-node", "2026", [Rule::Key, Rule::Signals, Rule::Responses])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}

const REQUESTS: &str = "https://docs.stripe.com/api/idempotent_requests";
const LOW_LEVEL: &str = "https://docs.stripe.com/error-low-level";

fn stripe(name: &'static str, base_url: &'static str) -> ServiceBuilder {
    Service::builder(name, base_url)
        .retry_signal("stripe-should-retry")
        .error_format(
            ErrorFormat::new()
                .message(["/error/message"])
                .code(["/error/code"])
                .error_type(["/error/type"])
                .request_id_headers(["request-id"]),
        )
        .sources([Source::new("https://docs.stripe.com/api/errors", "2026", [Rule::Errors])])
}

/// The body of Stripe's errors, for [`Error::detail`](crate::Error::detail).
///
/// ```
/// use reqwest_safe_retry::services::stripe::ErrorBody;
///
/// let body = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"a_new_one","param":7}}"#;
/// let body: ErrorBody = serde_json::from_str(body)?;
/// assert_eq!(body.error.decline_code.as_deref(), Some("a_new_one"));
/// assert_eq!(body.error.param, None, "a member of another type is passed over");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorObject,
}

/// Stripe's [error object](https://docs.stripe.com/api/errors). Every member may be missing, and every text may be
/// one that Stripe adds tomorrow.
///
/// ```
/// use reqwest_safe_retry::services::stripe::ErrorObject;
///
/// let error: ErrorObject = serde_json::from_str(r#"{"type":"card_error","code":"expired_card","new":1}"#)?;
/// assert_eq!((error.error_type.as_deref(), error.code.as_deref()), (Some("card_error"), Some("expired_card")));
/// assert_eq!(error.doc_url, None);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct ErrorObject {
    /// The type: `api_error`, `card_error`, `idempotency_error`, `invalid_request_error` or another.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub error_type: Option<String>,
    /// A short code for errors that a program can handle.
    #[serde(deserialize_with = "lenient")]
    pub code: Option<String>,
    /// The card issuer's reason for a decline.
    #[serde(deserialize_with = "lenient")]
    pub decline_code: Option<String>,
    /// The parameter that the error is about.
    #[serde(deserialize_with = "lenient")]
    pub param: Option<String>,
    /// A message for people.
    #[serde(deserialize_with = "lenient")]
    pub message: Option<String>,
    /// A page about the code.
    #[serde(deserialize_with = "lenient")]
    pub doc_url: Option<String>,
    /// The failed charge of a card error.
    #[serde(deserialize_with = "lenient")]
    pub charge: Option<String>,
}
