//! Circle, an API for stablecoins, with its key in the body.

use http::Method;

use crate::{
    decide::{effect::Effect, key::KeyKind},
    service::{
        idempotency::Idempotency,
        key_characters::KeyCharacters,
        route::Route,
        service::Service,
        source::{Rule, Source},
    },
};

/// [Circle](https://developers.circle.com), at `https://api.circle.com` (the sandbox is another base URL).
///
/// | rule | page |
/// |---|---|
/// | the body's `idempotencyKey`, a UUIDv4, on the 18 endpoints that have it in the specification of Circle Mint | [idempotent requests], [specification] |
/// | a repeat gets the original response, and is not executed again | [idempotent requests] |
///
/// The layer writes a key into a body that has none
/// ([`write_into_body`](crate::Idempotency::write_into_body)), since these endpoints require one. How long results are
/// kept, and what a repeat gets after an error, is not documented: the key is preserved, as every key in a body is.
/// Endpoints of other products, such as Wallets, are not described. The page and the specification (2.15.0, of 2025-01-09)
/// were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::services;
///
/// assert_eq!(services::circle().idempotency().body_member.as_deref(), Some("/idempotencyKey"));
/// ```
///
/// [idempotent requests]: https://developers.circle.com/api-reference/idempotent-requests
/// [specification]: https://github.com/circlefin/openapi
pub fn circle() -> Service {
    Service::builder("circle", "https://api.circle.com")
        .idempotency(
            Idempotency::body_member("/idempotencyKey", KeyKind::ReplaySuccess)
                .routes_only()
                .characters(KeyCharacters::UuidV4)
                .write_into_body(),
        )
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
        .sources([
            Source::new(
                "https://developers.circle.com/api-reference/idempotent-requests",
                "2026-11",
                [Rule::Key, Rule::Stored],
            ),
            Source::new("https://github.com/circlefin/openapi", "2026-11", [Rule::Key, Rule::Routes]),
            Source::new("https://developers.circle.com/api-reference/errors", "2026-11", [Rule::Errors]),
        ])
        .shipped()
}

/// The endpoints that take a key.
const KEYED: &[&str] = &[
    "/v1/addressBook/recipients",
    "/v1/businessAccount/banks/cubix",
    "/v1/businessAccount/banks/pix",
    "/v1/businessAccount/banks/wires",
    "/v1/businessAccount/payouts",
    "/v1/businessAccount/transfers",
    "/v1/businessAccount/wallets/addresses/deposit",
    "/v1/businessAccount/wallets/addresses/recipient",
    "/v1/cards",
    "/v1/paymentIntents",
    "/v1/paymentIntents/{id}/refund",
    "/v1/paymentTokens",
    "/v1/payments",
    "/v1/payments/crypto",
    "/v1/payments/{id}/cancel",
    "/v1/payments/{id}/capture",
    "/v1/payments/{id}/refund",
    "/v1/payouts",
];
