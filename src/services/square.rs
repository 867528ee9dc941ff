//! Square, a payments API with its key in the body.

use http::Method;

use crate::{
    decide::{
        effect::Effect,
        key::{KeyKind, Meaning},
    },
    service::{
        error_format::ErrorFormat,
        idempotency::Idempotency,
        rate_limiting::RateLimiting,
        retry_after_source::{RetryAfterSource, RetryAfterUnit},
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const SPECIFICATION: &str = "https://github.com/square/connect-api-specification";

/// [Square](https://developer.squareup.com), at `https://connect.squareup.com`.
///
/// | rule | page |
/// |---|---|
/// | the key is the body's `idempotency_key`, put there by the caller | [idempotency] |
/// | 62 endpoints take it, with 45 to 255 characters; the others have no key | [specification] |
/// | a success is returned again; details differ from API to API: [`KeyKind::ReplaySuccess`](crate::KeyKind::ReplaySuccess) | [idempotency] |
/// | 400 `IDEMPOTENCY_KEY_REUSED`: the key was used with other parameters | quoted in public |
/// | a 429 says in `x-ratelimit-reset` until when to wait, in seconds since the Unix epoch | square-python-sdk |
/// | 31 POSTs only read: searches, retrievals in a batch, calculations | [specification] |
/// | `POST /v2/payments/cancel` cancels the payment that was made with the key in its body, and succeeds if there is none | [specification] |
///
/// A key in the body is only ever preserved. The page was read in 2026, the specification in its version of 2025-08-19.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// assert_eq!(services::square().idempotency().kind, KeyKind::ReplaySuccess);
/// ```
///
/// [idempotency]: https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency
/// [specification]: https://github.com/square/connect-api-specification
pub fn square() -> Service {
    let keys = Idempotency::body_member("/idempotency_key", KeyKind::ReplaySuccess).routes_only();
    let keyed = |(method, path, max_length): &(Method, &'static str, usize)| {
        Route::new(method.clone(), *path, Effect::of_method(method)).idempotency(keys.clone().max_length(*max_length))
    };
    Service::builder("square", "https://connect.squareup.com")
        .idempotency(keys.clone())
        .response_matching(400, "IDEMPOTENCY_KEY_REUSED", Meaning::PayloadMismatch)
        .routes(KEYED.iter().map(keyed))
        .routes(READS.iter().map(|path| Route::new(Method::POST, *path, Effect::Read)))
        .route(Method::POST, "/v2/payments/cancel", Effect::Idempotent)
        .rate_limiting(RateLimiting::new().retry_after([
            RetryAfterSource::default(),
            RetryAfterSource::header("x-ratelimit-reset").unit(RetryAfterUnit::EpochSeconds).only_on([429]),
        ]))
        .error_format(
            ErrorFormat::new()
                .message(["/errors/0/detail"])
                .code(["/errors/0/code"])
                .error_type(["/errors/0/category"]),
        )
        .sources([
            Source::new(
                "https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency",
                "2026",
                [Rule::Key, Rule::Stored],
            ),
            Source::new(
                "https://developer.squareup.com/docs/build-basics/common-api-patterns/idempotency",
                "2026",
                [Rule::Responses],
            )
            .evidence(Evidence::Quoted),
            Source::new(SPECIFICATION, "2026-11", [Rule::Key, Rule::Routes]),
            Source::new("https://developer.squareup.com/docs/build-basics/handling-errors", "2026", [Rule::Errors]),
            Source::new("https://github.com/square/square-python-sdk", "2026-11", [Rule::RateLimits])
                .evidence(Evidence::SourceCode),
        ])
        .shipped()
}

/// The longest key of endpoints for which none is stated.
const UNSTATED: usize = 255;

/// The endpoints that take a key, and how many characters it may have.
const KEYED: &[(Method, &str, usize)] = &[
    (Method::POST, "/v2/bookings", 255),
    (Method::POST, "/v2/bookings/custom-attribute-definitions", 45),
    (Method::PUT, "/v2/bookings/custom-attribute-definitions/{key}", 45),
    (Method::PUT, "/v2/bookings/{booking_id}", 255),
    (Method::POST, "/v2/bookings/{booking_id}/cancel", 255),
    (Method::PUT, "/v2/bookings/{booking_id}/custom-attributes/{key}", 45),
    (Method::POST, "/v2/cards", UNSTATED),
    (Method::POST, "/v2/catalog/batch-upsert", 128),
    (Method::POST, "/v2/catalog/object", 128),
    (Method::POST, "/v2/customers", UNSTATED),
    (Method::POST, "/v2/customers/custom-attribute-definitions", 45),
    (Method::PUT, "/v2/customers/custom-attribute-definitions/{key}", 45),
    (Method::POST, "/v2/customers/groups", UNSTATED),
    (Method::POST, "/v2/customers/{customer_id}/custom-attributes/{key}", 45),
    (Method::POST, "/v2/devices/codes", 128),
    (Method::POST, "/v2/disputes/{dispute_id}/evidence-text", 45),
    (Method::POST, "/v2/gift-cards", 128),
    (Method::POST, "/v2/gift-cards/activities", 128),
    (Method::POST, "/v2/inventory/batch-change", 128),
    (Method::POST, "/v2/inventory/changes/batch-create", 128),
    (Method::POST, "/v2/invoices", 128),
    (Method::PUT, "/v2/invoices/{invoice_id}", 128),
    (Method::POST, "/v2/invoices/{invoice_id}/publish", 128),
    (Method::POST, "/v2/labor/break-types", 128),
    (Method::POST, "/v2/labor/scheduled-shifts", 128),
    (Method::POST, "/v2/labor/scheduled-shifts/{id}/publish", 128),
    (Method::POST, "/v2/labor/shifts", 128),
    (Method::POST, "/v2/labor/timecards", 128),
    (Method::POST, "/v2/locations/custom-attribute-definitions", 45),
    (Method::PUT, "/v2/locations/custom-attribute-definitions/{key}", 45),
    (Method::POST, "/v2/locations/{location_id}/checkouts", 192),
    (Method::POST, "/v2/locations/{location_id}/custom-attributes/{key}", 45),
    (Method::POST, "/v2/loyalty/accounts", 128),
    (Method::POST, "/v2/loyalty/accounts/{account_id}/accumulate", 128),
    (Method::POST, "/v2/loyalty/accounts/{account_id}/adjust", 128),
    (Method::POST, "/v2/loyalty/programs/{program_id}/promotions", 128),
    (Method::POST, "/v2/loyalty/rewards", 128),
    (Method::POST, "/v2/loyalty/rewards/{reward_id}/redeem", 128),
    (Method::POST, "/v2/merchants/custom-attribute-definitions", 45),
    (Method::PUT, "/v2/merchants/custom-attribute-definitions/{key}", 45),
    (Method::POST, "/v2/merchants/{merchant_id}/custom-attributes/{key}", 45),
    (Method::POST, "/v2/online-checkout/payment-links", 192),
    (Method::POST, "/v2/orders", 192),
    (Method::POST, "/v2/orders/clone", UNSTATED),
    (Method::POST, "/v2/orders/custom-attribute-definitions", 45),
    (Method::PUT, "/v2/orders/custom-attribute-definitions/{key}", 45),
    (Method::PUT, "/v2/orders/{order_id}", 192),
    (Method::POST, "/v2/orders/{order_id}/custom-attributes/{custom_attribute_key}", 45),
    (Method::POST, "/v2/orders/{order_id}/pay", 192),
    (Method::POST, "/v2/payments", 45),
    (Method::PUT, "/v2/payments/{payment_id}", 45),
    (Method::POST, "/v2/refunds", UNSTATED),
    (Method::POST, "/v2/subscriptions", UNSTATED),
    (Method::POST, "/v2/team-members", UNSTATED),
    (Method::POST, "/v2/team-members/jobs", 45),
    (Method::POST, "/v2/terminals/actions", 64),
    (Method::POST, "/v2/terminals/checkouts", 64),
    (Method::POST, "/v2/terminals/refunds", 64),
    (Method::POST, "/v2/vendors/create", 128),
    (Method::PUT, "/v2/vendors/{vendor_id}", 128),
    (Method::POST, "/v2/webhooks/subscriptions", 45),
    (Method::POST, "/v2/webhooks/subscriptions/{subscription_id}/signature-key", 45),
];

/// The POSTs that only read.
const READS: &[&str] = &[
    "/v2/bookings/availability/search",
    "/v2/bookings/bulk-retrieve",
    "/v2/bookings/team-member-booking-profiles/bulk-retrieve",
    "/v2/catalog/batch-retrieve",
    "/v2/catalog/search",
    "/v2/catalog/search-catalog-items",
    "/v2/customers/bulk-retrieve",
    "/v2/customers/search",
    "/v2/events",
    "/v2/inventory/batch-retrieve-changes",
    "/v2/inventory/batch-retrieve-counts",
    "/v2/inventory/changes/batch-retrieve",
    "/v2/inventory/counts/batch-retrieve",
    "/v2/invoices/search",
    "/v2/labor/scheduled-shifts/search",
    "/v2/labor/shifts/search",
    "/v2/labor/timecards/search",
    "/v2/loyalty/accounts/search",
    "/v2/loyalty/events/search",
    "/v2/loyalty/programs/{program_id}/calculate",
    "/v2/loyalty/rewards/search",
    "/v2/orders/batch-retrieve",
    "/v2/orders/calculate",
    "/v2/orders/search",
    "/v2/subscriptions/search",
    "/v2/team-members/search",
    "/v2/terminals/actions/search",
    "/v2/terminals/checkouts/search",
    "/v2/terminals/refunds/search",
    "/v2/vendors/bulk-retrieve",
    "/v2/vendors/search",
];
