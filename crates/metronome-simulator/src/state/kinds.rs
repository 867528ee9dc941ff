//! The kinds of objects: which fields of a request they show, and what else they show when they are new.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{Kind, State};
use super::values::{merge, picked};

/// Who creates objects, in responses.
pub(super) const CREATED_BY: &str = "simulator";

const fn kind(name: &'static str, fields: &'static [&'static str], rest: fn(&mut State, &Value) -> Value) -> Kind {
    let archived_twice = StatusCode::BAD_REQUEST;
    Kind { name, key_space: name, fields, rest, archived: "", archived_twice }
}

fn nothing(_: &mut State, _: &Value) -> Value {
    json!({})
}

fn created(state: &mut State, _: &Value) -> Value {
    json!({ "created_at": state.now(), "created_by": CREATED_BY })
}

pub(crate) static ALERT: Kind = Kind {
    archived: "status",
    ..kind(
        "Alert",
        &["name", "threshold", "alert_type", "credit_type_id", "uniqueness_key", "group_values"],
        |state, _| json!({ "status": "enabled", "updated_at": state.now() }),
    )
};

pub(crate) static METRIC: Kind = Kind {
    archived: "archived_at",
    ..kind(
        "Billable metric",
        &[
            "name",
            "aggregation_key",
            "aggregation_type",
            "custom_fields",
            "event_type_filter",
            "group_keys",
            "property_filters",
            "sql",
        ],
        nothing,
    )
};

pub(crate) static CUSTOMER: Kind = Kind {
    archived: "archived_at",
    ..kind("Customer", &["name", "ingest_aliases", "custom_fields"], |state, _| {
        let now = state.now();
        json!({
            "created_at": now,
            "updated_at": now,
            "ingest_aliases": [],
            "custom_fields": {},
            "customer_config": { "salesforce_account_id": null },
        })
    })
};

pub(crate) static CONTRACT: Kind = Kind {
    archived: "archived_at",
    ..kind(
        "Contract",
        &[
            "customer_id",
            "starting_at",
            "ending_before",
            "name",
            "net_payment_terms_days",
            "rate_card_id",
            "uniqueness_key",
            "custom_fields",
            "salesforce_opportunity_id",
            "netsuite_sales_order_id",
            "total_contract_value",
            "multiplier_override_prioritization",
            "scheduled_charges_on_usage_invoices",
        ],
        State::contract_terms,
    )
};

/// The shared key space of commits and credits.
const BALANCES: &str = "commits and credits";

pub(crate) static COMMIT: Kind = Kind {
    key_space: BALANCES,
    archived: "archived_at",
    ..kind(
        "Commit",
        &[
            "type",
            "name",
            "description",
            "priority",
            "product_id",
            "access_schedule",
            "invoice_schedule",
            "applicable_contract_ids",
            "applicable_product_ids",
            "applicable_product_tags",
            "specifiers",
            "rate_type",
            "rollover_fraction",
            "netsuite_sales_order_id",
            "salesforce_opportunity_id",
            "hierarchy_configuration",
            "custom_fields",
            "uniqueness_key",
        ],
        created,
    )
};

pub(crate) static CREDIT: Kind = Kind {
    key_space: BALANCES,
    ..kind(
        "Credit",
        &[
            "name",
            "description",
            "priority",
            "product_id",
            "access_schedule",
            "applicable_contract_ids",
            "applicable_product_ids",
            "applicable_product_tags",
            "specifiers",
            "rate_type",
            "netsuite_sales_order_id",
            "salesforce_opportunity_id",
            "hierarchy_configuration",
            "custom_fields",
            "uniqueness_key",
        ],
        |state, body| {
            let mut rest = created(state, body);
            rest["type"] = "CREDIT".into();
            rest
        },
    )
};

pub(crate) static GRANT: Kind = kind(
    "Credit grant",
    &[
        "customer_id",
        "name",
        "priority",
        "expires_at",
        "effective_at",
        "grant_amount",
        "paid_amount",
        "credit_grant_type",
        "reason",
        "uniqueness_key",
        "custom_fields",
    ],
    |state, body| {
        let (now, amount) = (state.now(), &body["grant_amount"]["amount"]);
        json!({
            "balance": { "effective_at": now, "excluding_pending": amount, "including_pending": amount },
            "custom_fields": {},
            "deductions": [],
            "effective_at": now,
            "pending_deductions": [],
        })
    },
);

pub(crate) static CREDIT_TYPE: Kind = kind("Pricing unit", &["name"], |_, _| json!({ "is_currency": false }));

pub(crate) static PACKAGE: Kind = Kind {
    archived: "archived_at",
    archived_twice: StatusCode::UNPROCESSABLE_ENTITY,
    ..kind(
        "Package",
        &["name", "contract_name", "aliases", "rate_card_id", "net_payment_terms_days", "duration", "billing_provider"],
        |state, body| {
            let mut rest = created(state, body);
            let frequency = body["usage_statement_schedule"]["frequency"].as_str().unwrap_or("MONTHLY");
            let shown = json!({
                "commits": [],
                "overrides": [],
                "scheduled_charges": [],
                "usage_statement_schedule": { "frequency": frequency },
            });
            merge(&mut rest, shown);
            if let Some(key) = body["uniqueness_key"].as_str() {
                rest["uniqueness_key"] = format!("package:{key}").into();
            }
            rest
        },
    )
};

/// What a product shows in each of its states.
pub(super) const PRODUCT_STATE: &[&str] = &[
    "name",
    "starting_at",
    "tags",
    "billable_metric_id",
    "composite_product_ids",
    "composite_tags",
    "exclude_free_usage",
    "include_composite_spend",
    "is_refundable",
    "netsuite_internal_item_id",
    "netsuite_overage_item_id",
    "presentation_group_key",
    "pricing_group_key",
    "quantity_conversion",
    "quantity_rounding",
];

pub(crate) static PRODUCT: Kind = Kind {
    archived: "archived_at",
    ..kind("Product", &["custom_fields"], |state, body| {
        let mut first = created(state, body);
        merge(&mut first, picked(PRODUCT_STATE, body));
        let name = body["type"].as_str().unwrap_or_default();
        let name = if name == "PROFESSIONAL_SERVICE" { "PRO_SERVICE" } else { name };
        json!({ "type": name, "initial": first, "current": first, "updates": [] })
    })
};

pub(crate) static RATE_CARD: Kind =
    kind("Rate card", &["name", "description", "aliases", "fiat_credit_type_id", "custom_fields"], created);

// What no operation creates alone.

pub(super) static RATE: Kind = kind("Rate", &[], nothing);
pub(super) static NAMED_SCHEDULE: Kind = kind("Named schedule", &[], nothing);
pub(super) static INITIAL_CONTRACT: Kind = kind("Initial contract", &[], nothing);
pub(super) static EDIT: Kind = kind("Edit", &[], nothing);
pub(super) static AMENDMENT: Kind = kind("Amendment", &[], nothing);
pub(super) static BILLING_CONFIG: Kind = kind(
    "Billing config",
    &[
        "billing_provider_customer_id",
        "stripe_collection_method",
        "aws_customer_account_id",
        "aws_customer_id",
        "aws_is_subscription_product",
        "aws_product_code",
        "aws_region",
    ],
    nothing,
);
pub(super) static CONFIGURATION: Kind = kind(
    "Billing provider configuration",
    &["customer_id", "billing_provider", "delivery_method", "delivery_method_id"],
    nothing,
);
pub(super) static PROVIDER: Kind = kind("Billing provider", &["billing_provider", "delivery_method"], nothing);
pub(super) static FIELD_KEY: Kind = kind("Custom field key", &["entity", "key", "enforce_uniqueness"], nothing);
pub(super) static INVOICE: Kind = kind("Invoice", &[], nothing);
pub(super) static NOTIFICATION: Kind = Kind {
    archived: "archived_at",
    ..kind("Notification", &["name", "policy"], |state, body| {
        let mut rest = created(state, body);
        merge(&mut rest, json!({ "environment_type": "SANDBOX", "type": "offset_lifecycle_event" }));
        rest
    })
};
pub(super) static PLAN: Kind = kind("Plan", &[], nothing);
pub(super) static CUSTOMER_PLAN: Kind = kind("Customer plan", &[], nothing);
