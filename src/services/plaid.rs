//! Plaid, a banking API with its key in the body.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{effect::Effect, key::KeyKind},
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        route::Route,
        service::Service,
        source::{Rule, Source},
    },
};

const SPECIFICATION: &str = "https://github.com/plaid/plaid-openapi";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Plaid](https://plaid.com/docs), at `https://production.plaid.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | 11 endpoints take the body's `idempotency_key`, put there by the caller: at most 50 characters, 128 for wallets and payments | [specification] |
/// | kept for 48 hours for authorizations and consent payments, 24 hours for wallets, 7 days for bank transfers; not stated for the others | [specification] |
/// | `/transfer/create` creates one transfer for an `authorization_id`, which plays the key's part | [specification] |
/// | the key is an attribute of what was created: [`KeyKind::ResourceKey`](crate::KeyKind::ResourceKey) | [API] |
/// | the same key is to be used after a failed connection | [API] |
///
/// Every endpoint of this API is a POST. It is a read if its path ends in `get`, `list`, `search` or `sync`. Any endpoint that
/// is neither a read nor listed above is a write without a key. The page and the specification (of 2026-06-10) were read in 2026.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::plaid().idempotency().kind, KeyKind::ResourceKey);
/// ```
///
/// [API]: https://plaid.com/docs/api/products/transfer/
/// [specification]: https://github.com/plaid/plaid-openapi
pub fn plaid() -> Service {
    let keys = keys("/idempotency_key");
    Service::builder("plaid", "https://production.plaid.com")
        .idempotency(keys)
        .routes(KEYED.iter().map(keyed))
        .routes(reads())
        .error_format(
            ErrorFormat::new()
                .message(["/error_message"])
                .code(["/error_code"])
                .error_type(["/error_type"])
                .request_id(["/request_id"]),
        )
        .sources([
            Source::new("https://plaid.com/docs/api/products/transfer/", "2026", [Rule::Key, Rule::Stored]),
            Source::new(SPECIFICATION, "2026-11", [Rule::Key, Rule::Retention, Rule::Routes]),
            Source::new("https://plaid.com/docs/errors/", "2026", [Rule::Errors]),
        ])
        .shipped()
}

fn keys(member: &'static str) -> Idempotency {
    Idempotency::body_member(member, KeyKind::ResourceKey).max_length(50).routes_only()
}

/// The endpoints that take a key: the member of their body, how many characters it may have, how long it is kept.
const KEYED: &[(&str, &str, usize, Option<Duration>)] = &[
    ("/bank_transfer/create", "/idempotency_key", 50, Some(days(7))),
    ("/payment_initiation/consent/payment/execute", "/idempotency_key", 128, Some(days(2))),
    ("/payment_initiation/payment/reverse", "/idempotency_key", 128, None),
    ("/processor/bank_transfer/create", "/idempotency_key", 50, Some(days(7))),
    ("/transfer/authorization/create", "/idempotency_key", 50, Some(days(2))),
    ("/transfer/create", "/authorization_id", 255, None),
    ("/transfer/ledger/deposit", "/idempotency_key", 50, None),
    ("/transfer/ledger/distribute", "/idempotency_key", 50, None),
    ("/transfer/ledger/withdraw", "/idempotency_key", 50, None),
    ("/transfer/recurring/create", "/idempotency_key", 50, None),
    ("/transfer/refund/create", "/idempotency_key", 50, None),
    ("/wallet/transaction/execute", "/idempotency_key", 128, Some(days(1))),
];

const fn days(days: u32) -> Duration {
    DAY.saturating_mul(days)
}

fn keyed((path, member, max_length, retention): &(&'static str, &'static str, usize, Option<Duration>)) -> Route {
    let keys = Idempotency { retention: *retention, ..keys(member).max_length(*max_length) };
    Route::new(Method::POST, *path, Effect::Write).idempotency(keys)
}

/// Paths of two to five segments of which the last says that the endpoint only reads.
fn reads() -> impl Iterator<Item = Route> {
    const BEFORE: [&str; 4] = ["/{a}", "/{a}/{b}", "/{a}/{b}/{c}", "/{a}/{b}/{c}/{d}"];
    let paths =
        BEFORE.iter().flat_map(|before| ["get", "list", "search", "sync"].map(|last| format!("{before}/{last}")));
    paths.map(|path| Route::new(Method::POST, path, Effect::Read))
}
