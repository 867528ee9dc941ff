//! Moov, a money movement API.

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{KeyKind, Meaning},
    },
    service::{
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

/// [Moov](https://docs.moov.io), at `https://api.moov.io`.
///
/// | rule | page |
/// |---|---|
/// | `X-Idempotency-Key` on the 3 endpoints that the page lists and on no other one: creating a transfer, refunding and reversing it | [idempotency] |
/// | at most 36 characters, or a UUID, of version 5 too | [idempotency] |
/// | a key does not expire, and stands for the transfer that was created with it: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | [idempotency] |
/// | 409: a transfer was created with the key before; the body has it | [idempotency], [retry safely] |
///
/// A repeat is therefore refused where the first request was executed, and the call ends with
/// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists), in doubt: [`Error::body`](crate::Error::body) has the
/// transfer, and a verifier that compares it settles the call. The pages were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::moov().idempotency().kind, KeyKind::ResourceKey);
/// ```
///
/// [idempotency]: https://docs.moov.io/guides/money-movement/idempotency
/// [retry safely]: https://docs.moov.io/guides/money-movement/manage-transfers/
pub fn moov() -> Service {
    Service::builder("moov", "https://api.moov.io")
        .idempotency(Idempotency::header("X-Idempotency-Key", KeyKind::ResourceKey).routes_only().max_length(36))
        .response(409, Meaning::AlreadyExists)
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
        .sources([
            Source::new(
                "https://docs.moov.io/guides/money-movement/idempotency",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Responses, Rule::Routes],
            ),
            Source::new("https://docs.moov.io/guides/money-movement/manage-transfers/", "2026-11", [Rule::Responses]),
            Source::new("https://github.com/moovfinancial/moov-go", "2026-11", [Rule::Routes])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}

/// The endpoints that take a key; their paths are those of the SDK.
const KEYED: &[&str] = &[
    "/accounts/{accountID}/transfers",
    "/accounts/{accountID}/transfers/{transferID}/refunds",
    "/accounts/{accountID}/transfers/{transferID}/reversals",
];
