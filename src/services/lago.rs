//! Lago, a usage-based billing API whose events carry ids.

use http::Method;

use crate::{
    decide::key::{KeyKind, Meaning},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

/// [Lago](https://docs.getlago.com), at `https://api.getlago.com/api/v1` (or wherever you host it).
///
/// | rule | page |
/// |---|---|
/// | the API has no keys; an event has a `transaction_id` that plays the key's part | lago-api |
/// | a repeated event is answered 422 with `transaction_id: value_already_exist`: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | lago-api |
///
/// A batch of events counts as a write without a key, since nothing says what becomes of its other events when one is a
/// repeat. The source was read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::lago().idempotency().kind, KeyKind::ResourceKey);
/// ```
pub fn lago() -> Service {
    Service::builder("lago", "https://api.getlago.com/api/v1")
        .idempotency(
            Idempotency::body_member("/event/transaction_id", KeyKind::ResourceKey)
                .methods([Method::POST])
                .response_matching(422, "value_already_exist", Meaning::AlreadyExists),
        )
        .error_format(ErrorFormat::new().message(["/error"]).code(["/error_details/transaction_id/0", "/code"]))
        .sources([Source::new(
            "https://github.com/getlago/lago-api",
            "2026",
            [Rule::Key, Rule::Stored, Rule::Responses, Rule::Errors],
        )
        .evidence(Evidence::SourceCode)])
        .shipped()
}
