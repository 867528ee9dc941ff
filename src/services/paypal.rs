//! PayPal's REST APIs.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::lenient::lenient;
use crate::{
    decide::key::{KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Rule, Source},
    },
};

/// [PayPal](https://developer.paypal.com), at `https://api-m.paypal.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | `PayPal-Request-Id` on POST, at most 38 characters; not every API takes it | [idempotency] |
/// | a repeat is answered with the **latest** state, not with the first response: [`KeyKind::ReplaySuccess`] | [idempotency] |
/// | timeouts and 5xx are to be repeated with the same id, for as long as the API keeps it; how long differs from API to API | [idempotency] |
/// | 409 `PREVIOUS_REQUEST_IN_PROGRESS`; `PAYPAL_REQUEST_ID_PREVIOUSLY_USED` (422): a different request needs a new id | [errors] |
/// | error bodies have `name`, `message`, `debug_id` and `details` | [errors] |
///
/// Error bodies are [`ErrorBody`]. The pages were read in 2026; the length of the id
/// is from a public quotation.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::paypal().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://developer.paypal.com/api/rest/reference/idempotency/
/// [errors]: https://developer.paypal.com/api/rest/reference/orders/v2/errors/
pub fn paypal() -> Service {
    Service::builder("paypal", "https://api-m.paypal.com")
        .idempotency(
            Idempotency::header("PayPal-Request-Id", KeyKind::ReplaySuccess)
                .methods([Method::POST])
                .max_length(38)
                .response_matching(409, "PREVIOUS_REQUEST_IN_PROGRESS", Meaning::InProgress)
                .response_matching(422, "PAYPAL_REQUEST_ID_PREVIOUSLY_USED", Meaning::PayloadMismatch),
        )
        .error_format(
            ErrorFormat::new()
                .message(["/message"])
                .code(["/details/0/issue", "/name"])
                .error_type(["/name"])
                .request_id_headers(["paypal-debug-id"])
                .request_id(["/debug_id"]),
        )
        .sources([
            Source::new(
                "https://developer.paypal.com/api/rest/reference/idempotency/",
                "2026",
                [Rule::Key, Rule::Stored],
            ),
            Source::new(
                "https://developer.paypal.com/api/rest/reference/orders/v2/errors/",
                "2026",
                [Rule::Responses, Rule::Errors],
            ),
        ])
        .shipped()
}

/// The body of PayPal's errors, for [`Error::detail`](crate::Error::detail).
///
/// ```
/// use reqwest_safe_retry::services::paypal::ErrorBody;
///
/// let body: ErrorBody = serde_json::from_str(r#"{"name":"UNPROCESSABLE_ENTITY","details":[{"issue":"X"}],"debug_id":1}"#)?;
/// assert_eq!((body.name.as_deref(), body.debug_id, body.details.len()), (Some("UNPROCESSABLE_ENTITY"), None, 1));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
#[non_exhaustive]
pub struct ErrorBody {
    /// The unique name of the error.
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    /// What happened.
    #[serde(deserialize_with = "lenient")]
    pub message: Option<String>,
    /// PayPal's id of the request, for its support.
    #[serde(deserialize_with = "lenient")]
    pub debug_id: Option<String>,
    /// More about the error, each with an `issue`.
    #[serde(deserialize_with = "list")]
    pub details: Vec<Value>,
}

fn list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or_default())
}
