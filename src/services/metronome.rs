//! Metronome, a usage-based billing API.

use std::time::Duration;

use http::Method;

use self::Repeat::{Deduped, DedupedByUniquenessKey, Duplicates, MayStack, Nothing, Rejected, Replaces, SameEndState};
use crate::{
    decide::{
        effect::Effect,
        key::{ConcurrentRequests, KeyKind, Meaning},
        status_set::StatusSet,
    },
    service::{
        idempotency::Idempotency,
        limit_key::LimitKeySource,
        rate_limiting::RateLimiting,
        route::Route,
        service::Service,
        source::{Evidence, Rule, Source},
    },
};

const IDEMPOTENCY: &str = "https://docs.metronome.com/api-reference/idempotency";
const STATUS_CODES: &str = "https://docs.metronome.com/api-reference/status-codes";
const INGEST: &str = "https://docs.metronome.com/api-reference/usage/ingest-events";
const SDK: &str = "https://pypi.org/project/metronome-sdk/4.12.0/";
const INCIDENT: &str = "https://github.com/dust-tt/dust/pull/31662";

/// [Metronome](https://docs.metronome.com), at `https://api.metronome.com`.
///
/// | rule | page |
/// |---|---|
/// | `Idempotency-Key` on all POST endpoints; kept for at least 24 hours | [idempotency] |
/// | the first result is stored once execution has begun, a 500 included: [`KeyKind::ReplayAll`] | [idempotency] |
/// | after a 5xx: verify that nothing was partly created, then a different key | [status codes] |
/// | every 5xx may be retried (501 and 505, which name a lasting inability, are left out) | [status codes] |
/// | a 429 names the limit's scope in `X-Metronome-Rate-Limit-Type`: `client` or `customer` | [status codes] |
/// | a `uniqueness_key` in use is answered 409 ("This uniqueness key has already been used.") | [idempotency] |
/// | on `/v2/contracts/edit` it is answered 422 ("Uniqueness key already exists: ...") | observed, not documented |
/// | `/v1/ingest` recognises repeats by `transaction_id` for 34 days, and needs no key | [ingest] |
///
/// The customer that a 429 may refer to is `{customer_id}` in the path of the request, else `customer_id` in its body.
/// The effects of the 150 endpoints are in this file's table. An unknown POST path counts as a write.
///
/// ```
/// use reqwest_safe_retry::{KeyKind, services};
///
/// let metronome = services::metronome();
/// assert_eq!(metronome.idempotency().kind, KeyKind::ReplayAll);
/// assert_eq!(metronome.base_url(), "https://api.metronome.com/");
/// ```
///
/// The pages were read in copies of 2026-07-13.
///
/// [idempotency]: https://docs.metronome.com/api-reference/idempotency
/// [status codes]: https://docs.metronome.com/api-reference/status-codes
/// [ingest]: https://docs.metronome.com/api-reference/usage/ingest-events
pub fn metronome() -> Service {
    const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
    Service::builder("metronome", "https://api.metronome.com")
        .idempotency(
            Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
                .methods([Method::POST])
                .retention(A_DAY)
                .concurrent_requests(ConcurrentRequests::Refused),
        )
        .response_matching(409, "uniqueness key", Meaning::AlreadyExists)
        .response_matching(422, "uniqueness key already exists", Meaning::AlreadyExists)
        .retryable(StatusSet::of(&[408, 425, 429]).with(500..=599).without(&[501, 505]))
        .rate_limiting(RateLimiting::new().scope_header("x-metronome-rate-limit-type", ["customer"]))
        .limit_key_from([LimitKeySource::path_parameter("customer_id"), LimitKeySource::body_member("/customer_id")])
        .sources([
            Source::new(IDEMPOTENCY, "2026-07-13", [Rule::Key, Rule::Stored, Rule::Retention, Rule::Responses]),
            Source::new(STATUS_CODES, "2026-07-13", [Rule::Retryable, Rule::RateLimits, Rule::Errors]),
            Source::new(INGEST, "2026-07-13", [Rule::Routes]),
            Source::new(SDK, "2026-11", [Rule::Routes]).evidence(Evidence::SourceCode),
            // The 422 on `/v2/contracts/edit`, and most of what a repeat does.
            Source::new(INCIDENT, "2026", [Rule::Responses, Rule::Routes]).evidence(Evidence::Observed),
        ])
        .routes(ENDPOINTS.iter().map(|(method, path, repeat)| repeat.route(method.clone(), path)))
        .shipped()
}

impl Service {
    /// Short for [`services::metronome`](crate::services::metronome()).
    pub fn metronome() -> Self {
        metronome()
    }
}

/// What sending an endpoint again blindly does.
#[derive(Clone, Copy)]
enum Repeat {
    Nothing,
    SameEndState,
    Replaces,
    Deduped,
    DedupedByUniquenessKey,
    Rejected,
    MayStack,
    Duplicates,
}

impl Repeat {
    fn route(self, method: Method, path: &'static str) -> Route {
        match self {
            Nothing => Route::new(method, path, Effect::Read),
            SameEndState | Replaces => Route::new(method, path, Effect::Idempotent),
            // It answers a repeat like the first time, so that a key would add nothing.
            Deduped => Route::new(method, path, Effect::Deduplicated).unkeyed(),
            DedupedByUniquenessKey => Route::new(method, path, Effect::Write).deduplicated_by("/uniqueness_key"),
            Rejected | MayStack | Duplicates => Route::new(method, path, Effect::Write),
        }
    }
}

/// The 150 endpoints of the published specification and of the vendor's SDKs (4.12.0 for Python). What a repeat does is documented for few of them; for the others
/// it follows from what the endpoint does, and if that is open the endpoint is not repeated. The composite endpoint nests its
/// `uniqueness_key`, and nothing says that it covers all of its parts: it counts as a plain write; and so does creating a
/// customer, whose `ingest_aliases` may be missing after an internal error.
const ENDPOINTS: &[(Method, &str, Repeat)] = &[
    (Method::POST, "/v1/alerts/archive", Rejected),
    (Method::POST, "/v1/alerts/create", DedupedByUniquenessKey),
    (Method::POST, "/v1/archiveCustomerBillingProviderConfigurations", Rejected),
    (Method::POST, "/v1/archiveCustomerRevenueSystemConfigurations", Rejected),
    (Method::GET, "/v1/auditLogs", Nothing),
    (Method::GET, "/v1/billable-metrics", Nothing),
    (Method::POST, "/v1/billable-metrics", Duplicates),
    (Method::POST, "/v1/billable-metrics/archive", Rejected),
    (Method::POST, "/v1/billable-metrics/create", Duplicates),
    (Method::GET, "/v1/billable-metrics/{billable_metric_id}", Nothing),
    (Method::PUT, "/v1/billable-metrics/{billable_metric_id}", SameEndState),
    (Method::DELETE, "/v1/client/billing-config/stripe", SameEndState),
    (Method::PATCH, "/v1/client/billing-config/stripe", SameEndState),
    (Method::POST, "/v1/client/billing-config/stripe", Rejected),
    (Method::POST, "/v1/client/billing-config/{billing_provider_type}/apiKey", SameEndState),
    (Method::POST, "/v1/client/config/webhook_secret", SameEndState),
    (Method::POST, "/v1/composite/createCustomerWithContract", Duplicates),
    (Method::POST, "/v1/contract-pricing/products/archive", Rejected),
    (Method::POST, "/v1/contract-pricing/products/create", Duplicates),
    (Method::POST, "/v1/contract-pricing/products/get", Nothing),
    (Method::POST, "/v1/contract-pricing/products/list", Nothing),
    (Method::POST, "/v1/contract-pricing/products/update", MayStack),
    (Method::POST, "/v1/contract-pricing/rate-cards/addRate", Replaces),
    (Method::POST, "/v1/contract-pricing/rate-cards/addRates", Replaces),
    (Method::POST, "/v1/contract-pricing/rate-cards/archive", Rejected),
    (Method::POST, "/v1/contract-pricing/rate-cards/create", Duplicates),
    (Method::POST, "/v1/contract-pricing/rate-cards/get", Nothing),
    (Method::POST, "/v1/contract-pricing/rate-cards/getNamedSchedule", Nothing),
    (Method::POST, "/v1/contract-pricing/rate-cards/getRateSchedule", Nothing),
    (Method::POST, "/v1/contract-pricing/rate-cards/getRates", Nothing),
    (Method::POST, "/v1/contract-pricing/rate-cards/list", Nothing),
    (Method::POST, "/v1/contract-pricing/rate-cards/moveRateCardProducts", MayStack),
    (Method::POST, "/v1/contract-pricing/rate-cards/setRateCardProductsOrder", SameEndState),
    (Method::POST, "/v1/contract-pricing/rate-cards/update", SameEndState),
    (Method::POST, "/v1/contract-pricing/rate-cards/updateNamedSchedule", SameEndState),
    (Method::POST, "/v1/contracts/addManualBalanceLedgerEntry", DedupedByUniquenessKey),
    (Method::POST, "/v1/contracts/amend", Duplicates),
    (Method::POST, "/v1/contracts/archive", Rejected),
    (Method::POST, "/v1/contracts/commits/disableTrueup", SameEndState),
    (Method::POST, "/v1/contracts/commits/threshold-billing/release", Rejected),
    (Method::POST, "/v1/contracts/create", DedupedByUniquenessKey),
    (Method::POST, "/v1/contracts/createHistoricalInvoices", Duplicates),
    (Method::POST, "/v1/contracts/customerBalances/getNetBalance", Nothing),
    (Method::POST, "/v1/contracts/customerBalances/list", Nothing),
    (Method::POST, "/v1/contracts/customerCommits/create", DedupedByUniquenessKey),
    (Method::POST, "/v1/contracts/customerCommits/list", Nothing),
    (Method::POST, "/v1/contracts/customerCommits/updateEndDate", SameEndState),
    (Method::POST, "/v1/contracts/customerCredits/create", DedupedByUniquenessKey),
    (Method::POST, "/v1/contracts/customerCredits/list", Nothing),
    (Method::POST, "/v1/contracts/customerCredits/updateEndDate", SameEndState),
    (Method::POST, "/v1/contracts/get", Nothing),
    (Method::POST, "/v1/contracts/getContractRateSchedule", Nothing),
    (Method::POST, "/v1/contracts/getNamedSchedule", Nothing),
    (Method::POST, "/v1/contracts/getSubscriptionQuantityHistory", Nothing),
    (Method::POST, "/v1/contracts/getSubscriptionSeatsHistory", Nothing),
    (Method::POST, "/v1/contracts/list", Nothing),
    (Method::POST, "/v1/contracts/listNamedSchedules", Nothing),
    (Method::POST, "/v1/contracts/scheduleProServicesInvoice", Duplicates),
    (Method::POST, "/v1/contracts/seatBalances/list", Nothing),
    (Method::POST, "/v1/contracts/setUsageFilter", SameEndState),
    (Method::POST, "/v1/contracts/updateEndDate", SameEndState),
    (Method::POST, "/v1/contracts/updateInvoiceIssueDate", SameEndState),
    (Method::POST, "/v1/contracts/updateNamedSchedule", SameEndState),
    (Method::POST, "/v1/credit-types/archive", Rejected),
    (Method::POST, "/v1/credit-types/create", Duplicates),
    (Method::GET, "/v1/credit-types/list", Nothing),
    (Method::POST, "/v1/credits/createGrant", DedupedByUniquenessKey),
    (Method::POST, "/v1/credits/editGrant", SameEndState),
    (Method::POST, "/v1/credits/listEntries", Nothing),
    (Method::POST, "/v1/credits/listGrants", Nothing),
    (Method::POST, "/v1/credits/voidGrant", Rejected),
    (Method::POST, "/v1/customFields/addKey", Rejected),
    (Method::POST, "/v1/customFields/deleteValues", SameEndState),
    (Method::POST, "/v1/customFields/listKeys", Nothing),
    (Method::POST, "/v1/customFields/removeKey", Rejected),
    (Method::POST, "/v1/customFields/setValues", SameEndState),
    (Method::POST, "/v1/customer-alerts/get", Nothing),
    (Method::POST, "/v1/customer-alerts/list", Nothing),
    (Method::POST, "/v1/customer-alerts/reset", SameEndState),
    (Method::GET, "/v1/customers", Nothing),
    (Method::POST, "/v1/customers", Duplicates),
    (Method::POST, "/v1/customers/archive", Rejected),
    (Method::POST, "/v1/customers/getNamedSchedule", Nothing),
    (Method::POST, "/v1/customers/setBillableStatus", SameEndState),
    (Method::POST, "/v1/customers/updateNamedSchedule", SameEndState),
    (Method::GET, "/v1/customers/{customer_id}", Nothing),
    (Method::POST, "/v1/customers/{customer_id}/addCharge", Duplicates),
    (Method::GET, "/v1/customers/{customer_id}/billable-metrics", Nothing),
    (Method::DELETE, "/v1/customers/{customer_id}/billing-config/{billing_provider_type}", SameEndState),
    (Method::GET, "/v1/customers/{customer_id}/billing-config/{billing_provider_type}", Nothing),
    (Method::POST, "/v1/customers/{customer_id}/billing-config/{billing_provider_type}", Replaces),
    (Method::GET, "/v1/customers/{customer_id}/costs", Nothing),
    (Method::GET, "/v1/customers/{customer_id}/invoices", Nothing),
    (Method::GET, "/v1/customers/{customer_id}/invoices/breakdowns", Nothing),
    (Method::POST, "/v1/customers/{customer_id}/invoices/invoice_seats", Duplicates),
    (Method::POST, "/v1/customers/{customer_id}/invoices/spend-breakdowns", Nothing),
    (Method::GET, "/v1/customers/{customer_id}/invoices/{invoice_id}", Nothing),
    (Method::GET, "/v1/customers/{customer_id}/invoices/{invoice_id}/pdf", Nothing),
    (Method::GET, "/v1/customers/{customer_id}/plans", Nothing),
    (Method::POST, "/v1/customers/{customer_id}/plans/add", Duplicates),
    (Method::POST, "/v1/customers/{customer_id}/plans/{customer_plan_id}/end", SameEndState),
    (Method::GET, "/v1/customers/{customer_id}/plans/{customer_plan_id}/priceAdjustments", Nothing),
    (Method::POST, "/v1/customers/{customer_id}/previewEvents", Nothing),
    (Method::GET, "/v1/customers/{customer_id}/purchasedSeats", Nothing),
    (Method::POST, "/v1/customers/{customer_id}/setIngestAliases", SameEndState),
    (Method::POST, "/v1/customers/{customer_id}/setName", SameEndState),
    (Method::POST, "/v1/customers/{customer_id}/updateConfig", SameEndState),
    (Method::POST, "/v1/dashboards/getEmbeddableUrl", Nothing),
    (Method::POST, "/v1/events/search", Nothing),
    (Method::POST, "/v1/getCustomerBillingProviderConfigurations", Nothing),
    (Method::POST, "/v1/getCustomerRevenueSystemConfigurations", Nothing),
    (Method::POST, "/v1/ingest", Deduped),
    (Method::POST, "/v1/integrations/log", Duplicates),
    (Method::POST, "/v1/invoices/regenerate", Duplicates),
    (Method::POST, "/v1/invoices/void", Rejected),
    (Method::POST, "/v1/listConfiguredBillingProviders", Nothing),
    (Method::POST, "/v1/packages/archive", Rejected),
    (Method::POST, "/v1/packages/create", DedupedByUniquenessKey),
    (Method::POST, "/v1/packages/get", Nothing),
    (Method::POST, "/v1/packages/list", Nothing),
    (Method::POST, "/v1/packages/listContractsOnPackage", Nothing),
    (Method::GET, "/v1/planDetails/{plan_id}", Nothing),
    (Method::GET, "/v1/planDetails/{plan_id}/charges", Nothing),
    (Method::GET, "/v1/planDetails/{plan_id}/customers", Nothing),
    (Method::GET, "/v1/plans", Nothing),
    (Method::POST, "/v1/rotateDeltaStreamSecret", Duplicates),
    (Method::GET, "/v1/services", Nothing),
    (Method::POST, "/v1/setCustomerBillingProviderConfigurations", Duplicates),
    (Method::POST, "/v1/setCustomerRevenueSystemConfigurations", Duplicates),
    (Method::POST, "/v1/setUpBillingProvider", Rejected),
    (Method::POST, "/v1/threshold-billing/update-active-recharge-config", SameEndState),
    (Method::POST, "/v1/upsertAnrokApiToken", SameEndState),
    (Method::POST, "/v1/upsertAvalaraCredentials", SameEndState),
    (Method::POST, "/v1/usage", Nothing),
    (Method::POST, "/v1/usage/groups", Nothing),
    (Method::POST, "/v1/usage/seats", Nothing),
    (Method::POST, "/v2/contracts/commits/archive", Rejected),
    (Method::POST, "/v2/contracts/commits/edit", MayStack),
    (Method::POST, "/v2/contracts/credits/archive", Rejected),
    (Method::POST, "/v2/contracts/credits/edit", MayStack),
    (Method::POST, "/v2/contracts/edit", DedupedByUniquenessKey),
    (Method::POST, "/v2/contracts/get", Nothing),
    (Method::POST, "/v2/contracts/getEditHistory", Nothing),
    (Method::POST, "/v2/contracts/list", Nothing),
    (Method::POST, "/v2/notifications/archive", Rejected),
    (Method::POST, "/v2/notifications/create", DedupedByUniquenessKey),
    (Method::POST, "/v2/notifications/edit", SameEndState),
    (Method::POST, "/v2/notifications/get", Nothing),
    (Method::POST, "/v2/notifications/offset/list", Nothing),
    (Method::POST, "/v2/notifications/system/list", Nothing),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::plan::Plan;

    #[test]
    fn table_has_every_endpoint_once() {
        assert_eq!(ENDPOINTS.len(), 150);
        let metronome = metronome();
        for (method, path, _) in ENDPOINTS {
            let path = path.replace(['{', '}'], "");
            let documented = Plan::of_service(&metronome, method, &path);
            assert!(metronome.route_table().find(method, &path).is_some(), "{method} {path}");
            assert!(metronome.route_table().find(&Method::TRACE, &path).is_none(), "{path}");
            let is_write = documented.effect != Effect::Read && path != "/v1/ingest";
            assert_eq!(documented.keyed, *method == Method::POST && is_write, "{method} {path}");
        }
    }

    #[test]
    fn effects_follow_what_a_repeat_does() {
        let metronome = metronome();
        for (method, path, effect, deduplicated_by, keyed) in [
            (Method::POST, "/v1/contracts/list", Effect::Read, None, false),
            (Method::GET, "/v1/customers", Effect::Read, None, false),
            (Method::POST, "/v1/customers", Effect::Write, None, true),
            (Method::POST, "/v1/contracts/create", Effect::Write, Some("/uniqueness_key"), true),
            (Method::POST, "/v2/contracts/edit", Effect::Write, Some("/uniqueness_key"), true),
            (Method::POST, "/v1/contracts/addManualBalanceLedgerEntry", Effect::Write, Some("/uniqueness_key"), true),
            (Method::POST, "/v1/credit-types/create", Effect::Write, None, true),
            (Method::POST, "/v1/customers/c-1/setIngestAliases", Effect::Idempotent, None, true),
            (Method::POST, "/v1/ingest", Effect::Deduplicated, None, false),
            (Method::POST, "/v1/composite/createCustomerWithContract", Effect::Write, None, true),
            (Method::POST, "/v1/quickstart/unknown", Effect::Write, None, true),
            (Method::POST, "/", Effect::Write, None, true),
            (Method::PUT, "/v1/unknown", Effect::Idempotent, None, false),
        ] {
            let plan = Plan::of_service(&metronome, &method, path);
            let found = (plan.effect, plan.deduplicated_by_text(), plan.keyed);
            assert_eq!(found, (effect, deduplicated_by, keyed), "{method} {path}");
        }
    }
}
