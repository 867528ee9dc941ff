//! PayPal's REST APIs.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::lenient::lenient;
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
        source::{Rule, Source},
    },
};

const SPECIFICATIONS: &str = "https://github.com/paypal/paypal-rest-api-specifications";

/// [PayPal](https://developer.paypal.com), at `https://api-m.paypal.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | `PayPal-Request-Id` on 20 endpoints: orders, payments, payouts, plans, subscriptions and their captures, products, web profiles, the vault; on no other one | [specifications] |
/// | at most 108 characters for orders, 78 for payments of version 1, 1000 for payouts; not stated for the others | [specifications] |
/// | kept for 3 hours (vault, web profiles), 6 hours (orders), 72 hours (plans, subscriptions, products), 30 days (payments of version 1, payouts), 45 days (payments of version 2) or for ever (orders of version 1) | [specifications] |
/// | a repeat is answered with the **latest** state, not with the first response: [`KeyKind::ReplaySuccess`] | [idempotency] |
/// | timeouts and 5xx are to be repeated with the same id, for as long as the API keeps it | [idempotency] |
/// | 409 `PREVIOUS_REQUEST_IN_PROGRESS`; `PAYPAL_REQUEST_ID_PREVIOUSLY_USED` (422): a different request needs a new id | [errors] |
/// | error bodies have `name`, `message`, `debug_id` and `details` | [errors] |
///
/// Error bodies are [`ErrorBody`]. The pages were read in 2026, the specifications in their version of 2024-02-03.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::paypal().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://developer.paypal.com/api/rest/reference/idempotency/
/// [errors]: https://developer.paypal.com/api/rest/reference/orders/v2/errors/
/// [specifications]: https://github.com/paypal/paypal-rest-api-specifications
pub fn paypal() -> Service {
    let keys = Idempotency::header("PayPal-Request-Id", KeyKind::ReplaySuccess)
        .routes_only()
        .concurrent_requests(ConcurrentRequests::Refused);
    let keyed = |(path, max_length, retention): &(&'static str, usize, Option<Duration>)| {
        let keys = Idempotency { retention: *retention, ..keys.clone().max_length(*max_length) };
        Route::new(Method::POST, *path, Effect::Write).idempotency(keys)
    };
    Service::builder("paypal", "https://api-m.paypal.com")
        .idempotency(keys.clone())
        .response_matching(409, "PREVIOUS_REQUEST_IN_PROGRESS", Meaning::InProgress)
        .response_matching(422, "PAYPAL_REQUEST_ID_PREVIOUSLY_USED", Meaning::PayloadMismatch)
        .routes(KEYED.iter().map(keyed))
        .routes(SEARCHES.iter().map(|path| Route::new(Method::POST, *path, Effect::Read)))
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
            Source::new(SPECIFICATIONS, "2026-11", [Rule::Key, Rule::Retention, Rule::Routes]),
            Source::new(
                "https://developer.paypal.com/api/rest/reference/orders/v2/errors/",
                "2026",
                [Rule::Responses, Rule::Errors],
            ),
        ])
        .shipped()
}

/// The longest id of endpoints for which none is stated.
const UNSTATED: usize = 255;

/// The endpoints that take an id, how many characters it may have, and how long it is kept.
const KEYED: &[(&str, usize, Option<Duration>)] = &[
    ("/v1/billing/plans", UNSTATED, Some(hours(72))),
    ("/v1/billing/subscriptions", UNSTATED, Some(hours(72))),
    ("/v1/billing/subscriptions/{id}/capture", UNSTATED, Some(hours(72))),
    ("/v1/catalogs/products", UNSTATED, Some(hours(72))),
    ("/v1/checkout/orders/{order_id}/pay", UNSTATED, None),
    ("/v1/payment-experience/web-profiles", UNSTATED, Some(hours(3))),
    ("/v1/payments/authorization/{authorization_id}/void", 78, Some(days(30))),
    ("/v1/payments/capture/{capture_id}/refund", 78, Some(days(30))),
    ("/v1/payments/orders/{order_id}/do-void", 78, Some(days(30))),
    ("/v1/payments/payment/{payment_id}/execute", 78, Some(days(30))),
    ("/v1/payments/payouts", 1000, Some(days(30))),
    ("/v1/payments/sale/{sale_id}/refund", 78, Some(days(30))),
    ("/v2/checkout/orders", 108, Some(hours(6))),
    ("/v2/checkout/orders/{id}/authorize", 108, Some(hours(6))),
    ("/v2/checkout/orders/{id}/capture", 108, Some(hours(6))),
    ("/v2/payments/authorizations/{authorization_id}/capture", UNSTATED, Some(days(45))),
    ("/v2/payments/authorizations/{authorization_id}/reauthorize", UNSTATED, Some(days(45))),
    ("/v2/payments/captures/{capture_id}/refund", UNSTATED, Some(days(45))),
    ("/v3/vault/payment-tokens", UNSTATED, Some(hours(3))),
    ("/v3/vault/setup-tokens", UNSTATED, Some(hours(3))),
];

/// The POSTs that only read.
const SEARCHES: &[&str] = &["/v1/invoicing/search", "/v2/invoicing/search-invoices"];

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 60 * 60)
}

const fn days(days: u64) -> Duration {
    hours(days * 24)
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
