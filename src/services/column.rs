//! Column, a bank's API.

use http::Method;

use crate::{
    decide::{effect::Effect, key::KeyKind},
    service::{
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Rule, Source},
    },
};

/// [Column](https://column.com/docs), at `https://api.column.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on the 19 endpoints that the page lists and on no other one, at most 255 characters | [idempotency] |
/// | results of successful requests are stored | [idempotency] |
///
/// How long they are kept is not stated. The pages were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::column().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://column.com/docs/workingwithapi/idempotency
pub fn column() -> Service {
    Service::builder("column", "https://api.column.com")
        .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).routes_only())
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
        .sources([
            Source::new(
                "https://column.com/docs/workingwithapi/idempotency",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Routes],
            ),
            Source::new("https://column.com/docs/workingwithapi/errors", "2026-11", [Rule::Errors]),
        ])
        .shipped()
}

/// The endpoints that take a key.
const KEYED: &[&str] = &[
    "/bank-accounts",
    "/bank-accounts/{bank_account_id}/account-numbers",
    "/entities/business",
    "/entities/person",
    "/interests/configs",
    "/interests/pivot-rates",
    "/loans",
    "/loans/disbursements",
    "/loans/payments",
    "/loans/{loan_id}/sales",
    "/transfers/ach",
    "/transfers/ach/{ach_transfer_id}/reverse",
    "/transfers/book",
    "/transfers/checks/deposit",
    "/transfers/checks/issue",
    "/transfers/international-wire",
    "/transfers/international-wire/fx-rate",
    "/transfers/wire",
    "/transfers/wire/{wire_transfer_id}/reverse",
];
