//! Mollie, a payments API.

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

const SPECIFICATION: &str = "https://github.com/mollie/openapi";

/// [Mollie](https://docs.mollie.com), at `https://api.mollie.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on the 29 POST and 7 PATCH endpoints that have it in the specification; a UUIDv4 advised | [specification] |
/// | the second request with a key is a duplicate, and discarded | [idempotency] |
///
/// DELETE endpoints have the header too; they may be repeated without it. How long keys are kept, and what a repeat gets
/// after an error, was not found: the key is preserved and never replaced. The page and the specification (of 2026-08-21)
/// were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::mollie().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://docs.mollie.com/reference/api-idempotency
/// [specification]: https://github.com/mollie/openapi
pub fn mollie() -> Service {
    let keyed = |method: Method| move |path: &&'static str| Route::new(method.clone(), *path, Effect::Write).keyed();
    Service::builder("mollie", "https://api.mollie.com")
        .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).routes_only())
        .routes(KEYED_POSTS.iter().map(keyed(Method::POST)))
        .routes(KEYED_PATCHES.iter().map(keyed(Method::PATCH)))
        .sources([
            Source::new("https://docs.mollie.com/reference/api-idempotency", "2026-11", [Rule::Key, Rule::Stored]),
            Source::new(SPECIFICATION, "2026-11", [Rule::Key, Rule::Routes]),
        ])
        .shipped()
}

/// The POST endpoints that take a key.
const KEYED_POSTS: &[&str] = &[
    "/oauth2/tokens",
    "/v2/business-accounts/draft-transfers",
    "/v2/business-accounts/payee-verifications",
    "/v2/business-accounts/transfers",
    "/v2/client-links",
    "/v2/connect/balance-transfers",
    "/v2/customers",
    "/v2/customers/{customerId}/mandates",
    "/v2/customers/{customerId}/payments",
    "/v2/customers/{customerId}/subscriptions",
    "/v2/onboarding/me",
    "/v2/payment-links",
    "/v2/payments",
    "/v2/payments/{paymentId}/captures",
    "/v2/payments/{paymentId}/refunds",
    "/v2/payments/{paymentId}/release-authorization",
    "/v2/payments/{paymentId}/routes",
    "/v2/payouts",
    "/v2/profiles",
    "/v2/profiles/{profileId}/methods/{methodId}",
    "/v2/profiles/{profileId}/methods/{methodId}/issuers/{issuerId}",
    "/v2/sales-invoices",
    "/v2/sessions",
    "/v2/terminals/pairing-codes",
    "/v2/unmatched-credit-transfers/{unmatchedCreditTransferId}/match",
    "/v2/unmatched-credit-transfers/{unmatchedCreditTransferId}/return",
    "/v2/wallets/applepay/sessions",
    "/v2/webhooks",
    "/v2/webhooks/{webhookId}/ping",
];

/// The PATCH endpoints that take a key.
const KEYED_PATCHES: &[&str] = &[
    "/v2/customers/{customerId}",
    "/v2/customers/{customerId}/subscriptions/{subscriptionId}",
    "/v2/payment-links/{paymentLinkId}",
    "/v2/payments/{paymentId}",
    "/v2/profiles/{profileId}",
    "/v2/sales-invoices/{salesInvoiceId}",
    "/v2/webhooks/{webhookId}",
];
