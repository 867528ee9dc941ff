//! The documented writes that the simulator records without an implementation of their own.

/// Every other POST of Metronome's specification that changes something. A segment in braces matches any segment.
const OTHER_WRITES: &[&str] = &[
    "/v1/alerts/archive",
    "/v1/alerts/create",
    "/v1/archiveCustomerBillingProviderConfigurations",
    "/v1/archiveCustomerRevenueSystemConfigurations",
    "/v1/billable-metrics",
    "/v1/billable-metrics/archive",
    "/v1/billable-metrics/create",
    "/v1/client/billing-config/stripe",
    "/v1/client/billing-config/{billing_provider_type}/apiKey",
    "/v1/client/config/webhook_secret",
    "/v1/composite/createCustomerWithContract",
    "/v1/contract-pricing/products/archive",
    "/v1/contract-pricing/products/create",
    "/v1/contract-pricing/products/update",
    "/v1/contract-pricing/rate-cards/addRate",
    "/v1/contract-pricing/rate-cards/addRates",
    "/v1/contract-pricing/rate-cards/archive",
    "/v1/contract-pricing/rate-cards/create",
    "/v1/contract-pricing/rate-cards/moveRateCardProducts",
    "/v1/contract-pricing/rate-cards/setRateCardProductsOrder",
    "/v1/contract-pricing/rate-cards/update",
    "/v1/contract-pricing/rate-cards/updateNamedSchedule",
    "/v1/contracts/amend",
    "/v1/contracts/archive",
    "/v1/contracts/commits/disableTrueup",
    "/v1/contracts/commits/threshold-billing/release",
    "/v1/contracts/createHistoricalInvoices",
    "/v1/contracts/customerCommits/create",
    "/v1/contracts/customerCommits/updateEndDate",
    "/v1/contracts/customerCredits/create",
    "/v1/contracts/customerCredits/updateEndDate",
    "/v1/contracts/scheduleProServicesInvoice",
    "/v1/contracts/setUsageFilter",
    "/v1/contracts/updateEndDate",
    "/v1/contracts/updateInvoiceIssueDate",
    "/v1/contracts/updateNamedSchedule",
    "/v1/credits/createGrant",
    "/v1/credits/editGrant",
    "/v1/credits/voidGrant",
    "/v1/customFields/addKey",
    "/v1/customFields/deleteValues",
    "/v1/customFields/setValues",
    "/v1/customer-alerts/reset",
    "/v1/customers/archive",
    "/v1/customers/setBillableStatus",
    "/v1/customers/updateNamedSchedule",
    "/v1/customers/{customer_id}/addCharge",
    "/v1/customers/{customer_id}/billing-config/{billing_provider_type}",
    "/v1/customers/{customer_id}/invoices/invoice_seats",
    "/v1/customers/{customer_id}/plans/add",
    "/v1/customers/{customer_id}/plans/{customer_plan_id}/end",
    "/v1/customers/{customer_id}/setIngestAliases",
    "/v1/customers/{customer_id}/setName",
    "/v1/customers/{customer_id}/updateConfig",
    "/v1/integrations/log",
    "/v1/invoices/regenerate",
    "/v1/invoices/void",
    "/v1/packages/archive",
    "/v1/packages/create",
    "/v1/payments/attempt",
    "/v1/payments/cancel",
    "/v1/rotateDeltaStreamSecret",
    "/v1/setCustomerBillingProviderConfigurations",
    "/v1/setCustomerRevenueSystemConfigurations",
    "/v1/setUpBillingProvider",
    "/v1/threshold-billing/update-active-recharge-config",
    "/v1/upsertAnrokApiToken",
    "/v1/upsertAvalaraCredentials",
    "/v2/contracts/commits/archive",
    "/v2/contracts/commits/edit",
    "/v2/contracts/credits/archive",
    "/v2/contracts/credits/edit",
    "/v2/notifications/archive",
    "/v2/notifications/create",
    "/v2/notifications/edit",
];

/// Whether Metronome documents a write at this path.
pub(crate) fn is_documented(path: &str) -> bool {
    OTHER_WRITES.iter().any(|template| matches(template, path))
}

fn matches(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let same = template.split('/').all(|expected| segments.next().is_some_and(|found| fits(expected, found)));
    same && segments.next().is_none()
}

fn fits(expected: &str, found: &str) -> bool {
    expected == found || (expected.starts_with('{') && !found.is_empty())
}
