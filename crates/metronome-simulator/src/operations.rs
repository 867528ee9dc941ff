//! The operations of the API: those of the vendor's Python SDK 4.12.0, and at the end those of the specification that
//! no SDK has.

use http::Method;

use crate::operation::Act::{Archive, Create, Empty, Get, List, Read, ReadList, Record, Update, Write};
use crate::operation::{Act, Answer, Operation};
use crate::route::Route;
use crate::state::State;
use crate::state::kinds::{
    ALERT, COMMIT, CONTRACT, CREDIT, CREDIT_TYPE, CUSTOMER, GRANT, METRIC, PACKAGE, PRODUCT, RATE_CARD,
};

const NONE: &[&str] = &[];
const CUSTOMER_ID: &[&str] = &["customer_id"];
const CONTRACT_ID: &[&str] = &["customer_id", "contract_id"];
const SUBSCRIPTION_ID: &[&str] = &["customer_id", "contract_id", "subscription_id"];
const SCHEDULE: &[&str] = &["schedule_name", "starting_at", "value"];
const NEXT_PAGE: Act = Empty("next_page");

const fn get(path: &'static str, required: &'static [&'static str], act: Act) -> Operation {
    operation(Method::GET, path, required, act)
}

const fn post(path: &'static str, required: &'static [&'static str], act: Act) -> Operation {
    operation(Method::POST, path, required, act)
}

const fn operation(method: Method, path: &'static str, required: &'static [&'static str], act: Act) -> Operation {
    let key_space = match act {
        Create(kind) => kind.key_space,
        _ => path,
    };
    Operation { route: Route { method, path, required, key_space }, act }
}

/// The operation of this method and path, if there is one.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Operation> {
    let of_method = || OPERATIONS.iter().filter(|operation| operation.route.method == *method);
    // A path without parameters goes first: `/v1/customers/archive` is not the customer "archive".
    let exact = of_method().find(|operation| operation.route.path == path);
    exact.or_else(|| of_method().find(|operation| operation.route.matches(path)))
}

static OPERATIONS: &[Operation] = &[
    // Alerts
    post("/v1/alerts/create", &["alert_type", "name", "threshold"], Create(&ALERT)),
    post("/v1/alerts/archive", &["id"], Archive(&ALERT, "id")),
    post("/v1/customer-alerts/get", &["customer_id", "alert_id"], Read(State::get_alert)),
    post("/v1/customer-alerts/list", CUSTOMER_ID, ReadList(State::list_alerts)),
    post("/v1/customer-alerts/reset", &["customer_id", "alert_id"], Record(Answer::Nothing)),
    // Billable metrics
    post("/v1/billable-metrics/create", &["name"], Create(&METRIC)),
    post("/v1/billable-metrics/archive", &["id"], Archive(&METRIC, "id")),
    get("/v1/billable-metrics", NONE, List(&METRIC)),
    get("/v1/billable-metrics/{billable_metric_id}", NONE, Get(&METRIC, "billable_metric_id")),
    operation(
        Method::PUT,
        "/v1/billable-metrics/{billable_metric_id}",
        &["name"],
        Update(&METRIC, "billable_metric_id"),
    ),
    // Customers
    post("/v1/customers", &["name"], Write(State::create_customer)),
    get("/v1/customers", NONE, ReadList(State::list_customers)),
    get("/v1/customers/{customer_id}", NONE, Get(&CUSTOMER, "customer_id")),
    post("/v1/customers/archive", &["id"], Archive(&CUSTOMER, "id")),
    post("/v1/customers/{customer_id}/setName", &["name"], Write(State::set_name)),
    post("/v1/customers/{customer_id}/setIngestAliases", &["ingest_aliases"], Write(State::set_aliases)),
    post("/v1/customers/{customer_id}/updateConfig", NONE, Write(State::update_config)),
    get("/v1/customers/{customer_id}/billable-metrics", NONE, List(&METRIC)),
    get("/v1/customers/{customer_id}/costs", &["starting_on", "ending_before"], NEXT_PAGE),
    post("/v1/customers/{customer_id}/previewEvents", &["events"], Read(State::preview_events)),
    post("/v1/customers/getNamedSchedule", &["customer_id", "schedule_name"], Read(State::get_schedule)),
    post("/v1/customers/updateNamedSchedule", SCHEDULE, Write(State::update_schedule)),
    // Billing providers
    post(
        "/v1/customers/{customer_id}/billing-config/{billing_provider_type}",
        &["billing_provider_customer_id"],
        Write(State::set_billing_config),
    ),
    get("/v1/customers/{customer_id}/billing-config/{billing_provider_type}", NONE, Read(State::get_billing_config)),
    operation(
        Method::DELETE,
        "/v1/customers/{customer_id}/billing-config/{billing_provider_type}",
        NONE,
        Write(State::delete_billing_config),
    ),
    post("/v1/setCustomerBillingProviderConfigurations", &["data"], Write(State::set_configurations)),
    post("/v1/getCustomerBillingProviderConfigurations", CUSTOMER_ID, ReadList(State::get_configurations)),
    post(
        "/v1/archiveCustomerBillingProviderConfigurations",
        &["customer_id", "customer_billing_provider_configuration_ids"],
        Write(State::archive_configurations),
    ),
    post(
        "/v1/setUpBillingProvider",
        &["billing_provider", "configuration", "delivery_method"],
        Write(State::set_up_provider),
    ),
    post("/v1/listConfiguredBillingProviders", NONE, ReadList(State::list_providers)),
    post(
        "/v1/upsertAvalaraCredentials",
        &["avalara_environment", "avalara_password", "avalara_username", "delivery_method_ids"],
        Record(Answer::Object),
    ),
    // Contracts
    post("/v1/contracts/create", &["customer_id", "starting_at"], Write(State::create_contract)),
    post("/v1/contracts/get", CONTRACT_ID, Read(State::get_contract_v1)),
    post("/v1/contracts/list", CUSTOMER_ID, ReadList(State::list_contracts_v1)),
    post("/v1/contracts/amend", &["customer_id", "contract_id", "starting_at"], Write(State::amend_contract)),
    post("/v1/contracts/archive", &["customer_id", "contract_id", "void_invoices"], Archive(&CONTRACT, "contract_id")),
    post("/v1/contracts/updateEndDate", CONTRACT_ID, Write(State::update_contract_end)),
    post(
        "/v1/contracts/setUsageFilter",
        &["customer_id", "contract_id", "group_key", "group_values", "starting_at"],
        Write(State::set_usage_filter),
    ),
    post("/v1/contracts/getContractRateSchedule", CONTRACT_ID, ReadList(State::contract_rates)),
    post("/v1/contracts/getNamedSchedule", &["customer_id", "contract_id", "schedule_name"], Read(State::get_schedule)),
    post("/v1/contracts/listNamedSchedules", CUSTOMER_ID, ReadList(State::list_schedules)),
    post("/v1/contracts/updateNamedSchedule", SCHEDULE, Write(State::update_schedule)),
    post("/v1/contracts/getSubscriptionQuantityHistory", SUBSCRIPTION_ID, Read(State::quantity_history)),
    post("/v1/contracts/getSubscriptionSeatsHistory", SUBSCRIPTION_ID, NEXT_PAGE),
    post("/v1/contracts/seatBalances/list", CONTRACT_ID, Read(State::seat_balances)),
    post("/v2/contracts/edit", CONTRACT_ID, Write(State::edit_contract)),
    post("/v2/contracts/get", CONTRACT_ID, Read(State::get_contract)),
    post("/v2/contracts/list", CUSTOMER_ID, ReadList(State::list_contracts)),
    post("/v2/contracts/getEditHistory", CONTRACT_ID, ReadList(State::list_edits)),
    // Commits, credits and their balances
    post(
        "/v1/contracts/customerCommits/create",
        &["customer_id", "access_schedule", "priority", "product_id", "type"],
        Create(&COMMIT),
    ),
    post(
        "/v1/contracts/customerCredits/create",
        &["customer_id", "access_schedule", "priority", "product_id"],
        Create(&CREDIT),
    ),
    post("/v1/contracts/customerCommits/list", CUSTOMER_ID, ReadList(State::list_commits)),
    post("/v1/contracts/customerCredits/list", CUSTOMER_ID, ReadList(State::list_credits)),
    post(
        "/v1/contracts/customerCommits/updateEndDate",
        &["customer_id", "commit_id"],
        Write(State::update_balance_end),
    ),
    post(
        "/v1/contracts/customerCredits/updateEndDate",
        &["customer_id", "credit_id", "access_ending_before"],
        Write(State::update_balance_end),
    ),
    post("/v2/contracts/commits/edit", &["customer_id", "commit_id"], Write(State::edit_balance)),
    post("/v2/contracts/credits/edit", &["customer_id", "credit_id"], Write(State::edit_balance)),
    post(
        "/v1/contracts/addManualBalanceLedgerEntry",
        &["customer_id", "id", "segment_id", "amount", "reason"],
        Write(State::add_balance_entry),
    ),
    post("/v1/contracts/customerBalances/list", CUSTOMER_ID, ReadList(State::list_balances)),
    post("/v1/contracts/customerBalances/getNetBalance", CUSTOMER_ID, Read(State::net_balance)),
    // Credit grants
    post(
        "/v1/credits/createGrant",
        &["customer_id", "expires_at", "grant_amount", "name", "paid_amount", "priority"],
        Create(&GRANT),
    ),
    post("/v1/credits/editGrant", &["id"], Update(&GRANT, "id")),
    post("/v1/credits/voidGrant", &["id"], Archive(&GRANT, "id")),
    post("/v1/credits/listGrants", NONE, List(&GRANT)),
    post("/v1/credits/listEntries", NONE, NEXT_PAGE),
    // Pricing units
    post("/v1/credit-types/create", &["name"], Create(&CREDIT_TYPE)),
    post("/v1/credit-types/archive", &["id"], Archive(&CREDIT_TYPE, "id")),
    get("/v1/credit-types/list", NONE, List(&CREDIT_TYPE)),
    // Custom fields
    post("/v1/customFields/addKey", &["entity", "key", "enforce_uniqueness"], Write(State::add_field_key)),
    post("/v1/customFields/removeKey", &["entity", "key"], Write(State::remove_field_key)),
    post("/v1/customFields/listKeys", NONE, ReadList(State::list_field_keys)),
    post("/v1/customFields/setValues", &["entity", "entity_id", "custom_fields"], Write(State::set_field_values)),
    post("/v1/customFields/deleteValues", &["entity", "entity_id", "keys"], Write(State::delete_field_values)),
    // Invoices
    get("/v1/customers/{customer_id}/invoices", NONE, ReadList(State::list_invoices)),
    get("/v1/customers/{customer_id}/invoices/breakdowns", &["starting_on", "ending_before"], NEXT_PAGE),
    get("/v1/customers/{customer_id}/invoices/{invoice_id}", NONE, Read(State::get_invoice)),
    get("/v1/customers/{customer_id}/invoices/{invoice_id}/pdf", NONE, Read(State::invoice_pdf)),
    post(
        "/v1/contracts/scheduleProServicesInvoice",
        &["customer_id", "contract_id", "issued_at", "line_items"],
        Write(State::schedule_invoice),
    ),
    post("/v1/contracts/createHistoricalInvoices", &["invoices", "preview"], Write(State::create_invoices)),
    post("/v1/invoices/regenerate", &["id"], Write(State::regenerate_invoice)),
    post("/v1/invoices/void", &["id"], Write(State::void_invoice)),
    // Notifications
    post("/v2/notifications/create", &["name", "policy"], Write(State::create_notification)),
    post("/v2/notifications/edit", &["policy"], Write(State::edit_notification)),
    post("/v2/notifications/archive", &["id"], Write(State::archive_notification)),
    post("/v2/notifications/get", &["id"], Read(State::get_notification)),
    post("/v2/notifications/offset/list", NONE, ReadList(State::list_notifications)),
    post("/v2/notifications/system/list", NONE, Empty("cursor")),
    // Packages
    post("/v1/packages/create", &["name"], Create(&PACKAGE)),
    post("/v1/packages/archive", &["package_id"], Archive(&PACKAGE, "package_id")),
    post("/v1/packages/get", &["package_id"], Get(&PACKAGE, "package_id")),
    post("/v1/packages/list", NONE, List(&PACKAGE)),
    post("/v1/packages/listContractsOnPackage", &["package_id"], ReadList(State::list_package_contracts)),
    // Plans
    get("/v1/plans", NONE, ReadList(State::list_plans)),
    get("/v1/planDetails/{plan_id}", NONE, Read(State::get_plan)),
    get("/v1/planDetails/{plan_id}/charges", NONE, NEXT_PAGE),
    get("/v1/planDetails/{plan_id}/customers", NONE, ReadList(State::list_plan_customers)),
    get("/v1/customers/{customer_id}/plans", NONE, ReadList(State::list_customer_plans)),
    post("/v1/customers/{customer_id}/plans/add", &["plan_id", "starting_on"], Write(State::add_plan)),
    post("/v1/customers/{customer_id}/plans/{customer_plan_id}/end", NONE, Write(State::end_plan)),
    get("/v1/customers/{customer_id}/plans/{customer_plan_id}/priceAdjustments", NONE, NEXT_PAGE),
    post(
        "/v1/customers/{customer_id}/addCharge",
        &["charge_id", "customer_plan_id", "description", "invoice_start_timestamp", "price", "quantity"],
        Record(Answer::Object),
    ),
    // Products
    post("/v1/contract-pricing/products/create", &["name", "type"], Create(&PRODUCT)),
    post("/v1/contract-pricing/products/archive", &["product_id"], Archive(&PRODUCT, "product_id")),
    post("/v1/contract-pricing/products/get", &["id"], Get(&PRODUCT, "id")),
    post("/v1/contract-pricing/products/list", NONE, List(&PRODUCT)),
    post("/v1/contract-pricing/products/update", &["product_id", "starting_at"], Write(State::update_product)),
    // Rate cards
    post("/v1/contract-pricing/rate-cards/create", &["name"], Create(&RATE_CARD)),
    post("/v1/contract-pricing/rate-cards/archive", &["id"], Archive(&RATE_CARD, "id")),
    post("/v1/contract-pricing/rate-cards/get", &["id"], Get(&RATE_CARD, "id")),
    post("/v1/contract-pricing/rate-cards/list", NONE, List(&RATE_CARD)),
    post("/v1/contract-pricing/rate-cards/update", &["rate_card_id"], Update(&RATE_CARD, "rate_card_id")),
    post(
        "/v1/contract-pricing/rate-cards/addRate",
        &["rate_card_id", "product_id", "rate_type", "starting_at", "entitled"],
        Write(State::add_rate),
    ),
    post("/v1/contract-pricing/rate-cards/addRates", &["rate_card_id", "rates"], Write(State::add_rates)),
    post("/v1/contract-pricing/rate-cards/getRates", &["rate_card_id", "at"], ReadList(State::list_rates)),
    post(
        "/v1/contract-pricing/rate-cards/getRateSchedule",
        &["rate_card_id", "starting_at"],
        ReadList(State::list_rates),
    ),
    post(
        "/v1/contract-pricing/rate-cards/moveRateCardProducts",
        &["rate_card_id", "product_moves"],
        Record(Answer::Same("rate_card_id")),
    ),
    post(
        "/v1/contract-pricing/rate-cards/setRateCardProductsOrder",
        &["rate_card_id", "product_order"],
        Record(Answer::Same("rate_card_id")),
    ),
    post(
        "/v1/contract-pricing/rate-cards/getNamedSchedule",
        &["rate_card_id", "schedule_name"],
        Read(State::get_schedule),
    ),
    post("/v1/contract-pricing/rate-cards/updateNamedSchedule", SCHEDULE, Write(State::update_schedule)),
    // Usage
    post("/v1/ingest", NONE, Write(State::ingest)),
    post("/v1/events/search", NONE, ReadList(State::search_events)),
    post("/v1/usage", &["starting_on", "ending_before", "window_size"], NEXT_PAGE),
    post("/v1/usage/groups", &["customer_id", "billable_metric_id", "window_size"], NEXT_PAGE),
    // The rest
    get("/v1/auditLogs", NONE, ReadList(State::list_audit_logs)),
    get("/v1/services", NONE, Read(State::list_services)),
    post("/v1/dashboards/getEmbeddableUrl", &["customer_id", "dashboard"], Read(State::dashboard_url)),
    // In the specification, and in no SDK: nothing says what the responses look like.
    get("/v1/customers/{customer_id}/purchasedSeats", NONE, NEXT_PAGE),
    post("/v1/archiveCustomerRevenueSystemConfigurations", NONE, Record(Answer::Id)),
    post("/v1/billable-metrics", &["name"], Create(&METRIC)),
    post("/v1/client/billing-config/stripe", NONE, Record(Answer::Id)),
    post("/v1/client/billing-config/{billing_provider_type}/apiKey", NONE, Record(Answer::Id)),
    post("/v1/client/config/webhook_secret", NONE, Record(Answer::Id)),
    post("/v1/composite/createCustomerWithContract", NONE, Record(Answer::Id)),
    post("/v1/contracts/commits/disableTrueup", NONE, Record(Answer::Id)),
    post("/v1/contracts/commits/threshold-billing/release", NONE, Record(Answer::Id)),
    post("/v1/contracts/updateInvoiceIssueDate", NONE, Record(Answer::Id)),
    post("/v1/customers/setBillableStatus", NONE, Record(Answer::Id)),
    post("/v1/customers/{customer_id}/invoices/invoice_seats", NONE, Record(Answer::Id)),
    post("/v1/customers/{customer_id}/invoices/spend-breakdowns", NONE, NEXT_PAGE),
    post("/v1/getCustomerRevenueSystemConfigurations", NONE, NEXT_PAGE),
    post("/v1/integrations/log", NONE, Record(Answer::Id)),
    post("/v1/rotateDeltaStreamSecret", NONE, Record(Answer::Id)),
    post("/v1/setCustomerRevenueSystemConfigurations", NONE, Record(Answer::Id)),
    post("/v1/threshold-billing/update-active-recharge-config", NONE, Record(Answer::Id)),
    post("/v1/upsertAnrokApiToken", NONE, Record(Answer::Id)),
    post("/v1/usage/seats", NONE, NEXT_PAGE),
    post("/v2/contracts/commits/archive", &["customer_id", "commit_id"], Archive(&COMMIT, "commit_id")),
    post("/v2/contracts/credits/archive", &["customer_id", "credit_id"], Archive(&CREDIT, "credit_id")),
];
