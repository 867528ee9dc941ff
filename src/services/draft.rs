//! The IETF's draft on the `Idempotency-Key` header: the default for services that follow it.

use std::borrow::Cow;

use http::Method;

use crate::{
    decide::key::{ConcurrentRequests, KeyKind, Meaning},
    service::{
        builder::ServiceBuilder,
        error_format::ErrorFormat,
        idempotency::{Idempotency, KeyFormat},
        service::Service,
        source::{Rule, Source},
    },
};

/// A service that follows the [IETF draft] on the `Idempotency-Key` header, revision 07, at this base URL, to be
/// completed with what it documents.
///
/// | rule | place |
/// |---|---|
/// | `Idempotency-Key` on POST and PATCH, written as a structured string (in quotes) | [IETF draft], section 2.1 |
/// | the first result is stored, a success or an error | [IETF draft], section 2.6 |
/// | 409: a request with the key is outstanding; 422: the key was used with another payload | [IETF draft], section 2.7 |
/// | errors are problem details | [IETF draft], section 2.7; RFC 9457 |
///
/// The draft leaves it to the service whether an error may be repeated with the same key, and how long keys are kept.
///
/// ```
/// use reqwest_safe_retry::{KeyFormat, services};
///
/// let service = services::idempotency_key_draft("payments", "https://payments.example.com").build()?;
/// assert_eq!(service.idempotency().format, KeyFormat::StructuredString);
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
///
/// [IETF draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/07/
pub fn idempotency_key_draft(
    name: impl Into<Cow<'static, str>>,
    base_url: impl Into<Cow<'static, str>>,
) -> ServiceBuilder {
    const DRAFT: &str = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/07/";
    Service::builder(name, base_url)
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
                .format(KeyFormat::StructuredString)
                .methods([Method::POST, Method::PATCH])
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response(409, Meaning::InProgress)
        .response(422, Meaning::PayloadMismatch)
        .error_format(ErrorFormat::new().message(["/detail", "/title", "/message"]).error_type(["/type"]))
        .sources([
            Source::new(DRAFT, "2026", [Rule::Key, Rule::Stored, Rule::Responses]),
            Source::new("https://www.rfc-editor.org/rfc/rfc9457", "2026", [Rule::Errors]),
        ])
}
