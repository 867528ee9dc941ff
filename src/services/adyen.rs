//! Adyen, a payments platform.

use std::time::Duration;

use http::Method;
use serde::Deserialize;

use super::lenient::lenient;
use crate::{
    decide::key::{ConcurrentRequests, KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Adyen](https://docs.adyen.com), at the test endpoint `https://checkout-test.adyen.com`; live endpoints have a prefix of the
/// account's own, to be set with [`into_builder`](Service::into_builder).
///
/// | rule | page |
/// |---|---|
/// | `idempotency-key` on POST, at most 64 characters, a UUIDv4 advised | [idempotency] |
/// | kept for at least 7 days (an older copy of the page says 31) | [idempotency] |
/// | after an error the same key may be used only if the answer says `transient-error: true`: [`KeyKind::Signalled`] | [idempotency] |
/// | 422 or 409 with code 704: already processed or in progress | [idempotency] |
/// | error bodies have `errorCode`, `errorType`, `message` and `pspReference` | [errors] |
///
/// Error bodies are [`ErrorBody`]. The pages were read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::adyen().idempotency().kind, KeyKind::Signalled);
/// ```
///
/// [idempotency]: https://docs.adyen.com/development-resources/api-idempotency
/// [errors]: https://docs.adyen.com/development-resources/serviceexception
pub fn adyen() -> Service {
    Service::builder("adyen", "https://checkout-test.adyen.com")
        .idempotency(
            Idempotency::header("idempotency-key", KeyKind::Signalled)
                .methods([Method::POST])
                .max_length(64)
                .retention(7 * DAY)
                .transient_header("transient-error")
                .concurrent_requests(ConcurrentRequests::Refused)
                .in_progress_needs_signal(),
        )
        .response_matching(422, "704", Meaning::InProgress)
        .response_matching(409, "704", Meaning::InProgress)
        .error_format(
            ErrorFormat::new()
                .message(["/message"])
                .code(["/errorCode"])
                .error_type(["/errorType"])
                .request_id_headers(["pspreference"])
                .request_id(["/pspReference"]),
        )
        .sources([
            Source::new(
                "https://docs.adyen.com/development-resources/api-idempotency",
                "2026",
                [Rule::Key, Rule::Stored, Rule::Signals, Rule::Retention],
            ),
            Source::new(
                "https://docs.adyen.com/development-resources/api-idempotency",
                "2026-10",
                [Rule::Retention, Rule::Responses],
            )
            .evidence(Evidence::Quoted),
            Source::new("https://docs.adyen.com/development-resources/serviceexception", "2026", [Rule::Errors]),
        ])
        .shipped()
}

/// The body of Adyen's errors, for [`Error::detail`](crate::Error::detail).
///
/// ```
/// use reqwest_safe_retry::services::adyen::ErrorBody;
///
/// let body: ErrorBody = serde_json::from_str(r#"{"status":422,"errorCode":"704","message":"m","errorType":7}"#)?;
/// assert_eq!((body.error_code.as_deref(), body.error_type), (Some("704"), None));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorBody {
    /// Adyen's code for the message.
    #[serde(deserialize_with = "lenient")]
    pub error_code: Option<String>,
    /// The type: `internal`, `validation`, `security`, `configuration` or another.
    #[serde(deserialize_with = "lenient")]
    pub error_type: Option<String>,
    /// A short explanation.
    #[serde(deserialize_with = "lenient")]
    pub message: Option<String>,
    /// Adyen's reference of the payment.
    #[serde(deserialize_with = "lenient")]
    pub psp_reference: Option<String>,
}
