//! The platform of Coinbase for developers (CDP), an API for wallets and payments.

use std::time::Duration;

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{KeyKind, Meaning},
    },
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        key_characters::KeyCharacters,
        route::Route,
        service::Service,
        source::{Rule, Source},
    },
};

const SPECIFICATION: &str = "https://github.com/coinbase/cdp-sdk/blob/main/openapi.yaml";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [Coinbase's CDP](https://docs.cdp.coinbase.com), at `https://api.cdp.coinbase.com/platform`.
///
/// | rule | page |
/// |---|---|
/// | `X-Idempotency-Key`, which must be a UUIDv4: any other form is rejected | [idempotency] |
/// | on the 58 POST endpoints that have the header in the specification, and on no other one | [specification] |
/// | a repeat gets exactly the first response, for 24 hours | [idempotency] |
/// | 422 `idempotency_error`: the key was used with another request | [specification] |
///
/// What a repeat gets after an error is not documented: the key is preserved and never replaced. The specification (of
/// 2026-08-20) allows other texts as keys, the page does not: the page counts. Both were read in 2026-11.
///
/// ```
/// use reqwest_safe_retry::{KeyCharacters, services};
///
/// assert_eq!(services::coinbase_cdp().idempotency().characters, KeyCharacters::UuidV4);
/// ```
///
/// [idempotency]: https://docs.cdp.coinbase.com/api-reference/v2/idempotency
/// [specification]: https://github.com/coinbase/cdp-sdk/blob/main/openapi.yaml
pub fn coinbase_cdp() -> Service {
    Service::builder("coinbase_cdp", "https://api.cdp.coinbase.com/platform")
        .idempotency(
            Idempotency::header("X-Idempotency-Key", KeyKind::ReplaySuccess)
                .routes_only()
                .characters(KeyCharacters::UuidV4)
                .retention(DAY),
        )
        .response_matching(422, "idempotency_error", Meaning::PayloadMismatch)
        .routes(KEYED.iter().map(|path| Route::new(Method::POST, *path, Effect::Write).keyed()))
        .error_format(
            ErrorFormat::new().message(["/errorMessage"]).error_type(["/errorType"]).request_id(["/correlationId"]),
        )
        .sources([
            Source::new(
                "https://docs.cdp.coinbase.com/api-reference/v2/idempotency",
                "2026-11",
                [Rule::Key, Rule::Stored, Rule::Retention],
            ),
            Source::new(SPECIFICATION, "2026-11", [Rule::Responses, Rule::Routes, Rule::Errors]),
        ])
        .shipped()
}

/// The endpoints that take a key.
const KEYED: &[&str] = &[
    "/v2/accounts",
    "/v2/customers",
    "/v2/deposit-destinations",
    "/v2/disbursements",
    "/v2/embedded-wallet-api/end-users/{userId}/address/{address}/delegation",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/eip7702/delegation",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/send/transaction",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/sign/message",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/sign/transaction",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/sign/typed-data",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/smart-accounts/{address}/send",
    "/v2/embedded-wallet-api/end-users/{userId}/evm/{address}/send/{asset}",
    "/v2/embedded-wallet-api/end-users/{userId}/solana/send/transaction",
    "/v2/embedded-wallet-api/end-users/{userId}/solana/sign/message",
    "/v2/embedded-wallet-api/end-users/{userId}/solana/sign/transaction",
    "/v2/embedded-wallet-api/end-users/{userId}/solana/sign/x402-payment",
    "/v2/embedded-wallet-api/end-users/{userId}/solana/{address}/send/{asset}",
    "/v2/end-users",
    "/v2/end-users/import",
    "/v2/end-users/{userId}/evm",
    "/v2/end-users/{userId}/evm-smart-account",
    "/v2/end-users/{userId}/solana",
    "/v2/evm/accounts",
    "/v2/evm/accounts/export/by-name/{name}",
    "/v2/evm/accounts/import",
    "/v2/evm/accounts/{address}/eip7702/delegation",
    "/v2/evm/accounts/{address}/export",
    "/v2/evm/accounts/{address}/send/transaction",
    "/v2/evm/accounts/{address}/sign",
    "/v2/evm/accounts/{address}/sign/message",
    "/v2/evm/accounts/{address}/sign/transaction",
    "/v2/evm/accounts/{address}/sign/typed-data",
    "/v2/evm/smart-accounts",
    "/v2/evm/smart-accounts/{address}/spend-permissions",
    "/v2/evm/smart-accounts/{address}/spend-permissions/revoke",
    "/v2/evm/smart-accounts/{address}/user-operations/prepare-and-send",
    "/v2/evm/swaps",
    "/v2/onramp/verifications",
    "/v2/onramp/verifications/{verificationId}/submit",
    "/v2/payment-sessions",
    "/v2/payment-sessions/{paymentSessionId}/authorizations/coinbase",
    "/v2/payment-sessions/{paymentSessionId}/authorizations/wallet",
    "/v2/payment-sessions/{paymentSessionId}/authorizations/x402",
    "/v2/payment-sessions/{paymentSessionId}/cancel",
    "/v2/payment-sessions/{paymentSessionId}/captures",
    "/v2/payment-sessions/{paymentSessionId}/refunds",
    "/v2/payment-sessions/{paymentSessionId}/voids",
    "/v2/policy-engine/policies",
    "/v2/solana/accounts",
    "/v2/solana/accounts/export/by-name/{name}",
    "/v2/solana/accounts/import",
    "/v2/solana/accounts/send/transaction",
    "/v2/solana/accounts/{address}/export",
    "/v2/solana/accounts/{address}/sign/message",
    "/v2/solana/accounts/{address}/sign/transaction",
    "/v2/transfers",
    "/v2/transfers/{transferId}/execute",
    "/v2/transfers/{transferId}/travel-rule",
];
