"""The arguments for every operation of the SDK, in an order in which each finds what it needs.

A text that starts with `$` stands for an id of an earlier response; `saves` says which ids are kept. Lists that are
empty in a simulated account, since nothing can be billed in it, are named in `EMPTY`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

START = "2026-01-01T00:00:00Z"
END = "2027-01-01T00:00:00Z"
NOW = datetime.now(timezone.utc)
RECENTLY = (NOW - timedelta(hours=1)).isoformat()


@dataclass
class Step:
    operation: str
    arguments: dict[str, Any] = field(default_factory=dict)
    saves: dict[str, str] = field(default_factory=dict)


def step(operation: str, saves: dict[str, str] | None = None, **arguments: Any) -> Step:
    return Step(operation, arguments, saves or {})


CUSTOMER = {"customer_id": "$customer"}
CONTRACT = {"customer_id": "$customer", "contract_id": "$contract"}
CONFIG = {"customer_id": "$customer", "billing_provider_type": "stripe"}
RANGE = {"starting_on": START, "ending_before": END}
LEDGERS = {"include_ledgers": True, "include_balance": True}

ACCESS = {"schedule_items": [{"amount": 100, "starting_at": START, "ending_before": END}]}
MORE_ACCESS = {"add_schedule_items": ACCESS["schedule_items"]}
INVOICE = {"schedule_items": [{"timestamp": START, "unit_price": 20, "quantity": 2}]}
CREDIT = {"product_id": "$product", "access_schedule": ACCESS, "priority": 1, "name": "a credit"}
COMMIT = {**CREDIT, "type": "PREPAID", "invoice_schedule": INVOICE}
RATE = {"product_id": "$product", "rate_type": "FLAT", "price": 5, "starting_at": START, "entitled": True}
CHARGE = {"product_id": "$product", "schedule": INVOICE, "name": "a charge"}
OVERRIDE = {"type": "MULTIPLIER", "starting_at": START, "product_id": "$product", "multiplier": 2, "priority": 1}
SERVICE = {"product_id": "$product", "max_amount": 10, "quantity": 1, "unit_price": 10}
DISCOUNT = {"product_id": "$product", "schedule": INVOICE, "name": "a discount"}
SUBSCRIPTION = {
    "collection_schedule": "ADVANCE",
    "subscription_rate": {"billing_frequency": "MONTHLY", "product_id": "$product"},
    "proration": {"is_prorated": True, "invoice_behavior": "BILL_IMMEDIATELY"},
    "initial_quantity": 3,
    "starting_at": START,
}
RECURRING = {
    "product_id": "$product",
    "access_amount": {"credit_type_id": "$unit", "unit_price": 1, "quantity": 1},
    "commit_duration": {"value": 1, "unit": "PERIODS"},
    "priority": 1,
    "starting_at": START,
}
EVENT = {
    "transaction_id": "t-1",
    "customer_id": "$customer",
    "event_type": "call",
    "timestamp": RECENTLY,
    "properties": {"seat": "a"},
}
QUANTITY = {"starting_at": START, "quantity_delta": 2}
EDIT = {
    "add_commits": [COMMIT],
    "add_credits": [CREDIT],
    "add_overrides": [OVERRIDE],
    "add_scheduled_charges": [CHARGE],
    "add_discounts": [DISCOUNT],
    "add_professional_services": [SERVICE],
    "add_recurring_commits": [RECURRING],
    "add_recurring_credits": [RECURRING],
    "add_subscriptions": [SUBSCRIPTION],
    "update_subscriptions": [{"subscription_id": "$subscription", "quantity_updates": [QUANTITY]}],
    "update_commits": [{"commit_id": "$commit", "priority": 2}],
    "update_contract_name": "renamed",
}
LINE = {"product_id": "$product", "quantity": 1, "unit_price": 3}
HISTORICAL = {
    "customer_id": "$customer",
    "contract_id": "$contract",
    "credit_type_id": "$unit",
    "inclusive_start_date": START,
    "exclusive_end_date": END,
    "issue_date": END,
    "usage_line_items": [{**LINE, "inclusive_start_date": START, "exclusive_end_date": END}],
}
PROVIDER = {"billing_provider": "stripe", "delivery_method": "direct_to_billing_provider"}
CONFIGURATION = {**CUSTOMER, **PROVIDER, "configuration": {"stripe_customer_id": "s"}}
SCHEDULE = {"schedule_name": "tier", "starting_at": START, "value": {"level": 1}}
FIELD = {"entity": "customer", "key": "tier"}
OFFSET = {"type": "contract.start", "offset": "P1D"}
GRANT = {"amount": 10, "credit_type_id": "$unit"}

STEPS = [
    step("v1.pricing_units.create", {"unit": "data.id"}, name="tokens"),
    step("v1.pricing_units.list"),
    step("v1.services.list"),
    # Customers
    step("v1.customers.create", {"customer": "data.id"}, name="Acme", ingest_aliases=["acme"]),
    step("v1.customers.create", {"other": "data.id"}, name="Other"),
    step("v1.customers.retrieve", **CUSTOMER),
    step("v1.customers.list", limit=1),
    step("v1.customers.set_name", **CUSTOMER, name="Acme Corp"),
    step("v1.customers.set_ingest_aliases", **CUSTOMER, ingest_aliases=["acme", "acme-2"]),
    step("v1.customers.update_config", **CUSTOMER, salesforce_account_id="sf"),
    step("v1.custom_fields.add_key", **FIELD, enforce_uniqueness=False),
    step("v1.custom_fields.list_keys"),
    step("v1.custom_fields.set_values", entity="customer", entity_id="$customer", custom_fields={"tier": "a"}),
    step("v1.custom_fields.delete_values", entity="customer", entity_id="$customer", keys=["tier"]),
    step("v1.custom_fields.remove_key", **FIELD),
    step("v1.customers.named_schedules.update", **CUSTOMER, **SCHEDULE),
    step("v1.customers.named_schedules.retrieve", **CUSTOMER, schedule_name="tier"),
    # Billing providers
    step("v1.settings.billing_providers.create", **PROVIDER, configuration={"key": "k"}),
    step("v1.settings.billing_providers.list"),
    step(
        "v1.settings.upsert_avalara_credentials",
        avalara_environment="SANDBOX",
        avalara_password="p",
        avalara_username="u",
        delivery_method_ids=["d"],
    ),
    step("v1.customers.billing_config.create", **CONFIG, billing_provider_customer_id="s"),
    step("v1.customers.billing_config.retrieve", **CONFIG),
    step("v1.customers.billing_config.delete", **CONFIG),
    step("v1.customers.set_billing_configurations", {"configuration": "data.0.id"}, data=[CONFIGURATION]),
    step("v1.customers.retrieve_billing_configurations", **CUSTOMER),
    step(
        "v1.customers.archive_billing_configurations",
        **CUSTOMER,
        customer_billing_provider_configuration_ids=["$configuration"],
    ),
    # Metrics, products and rate cards
    step("v1.billable_metrics.create", {"metric": "data.id"}, name="calls", aggregation_type="COUNT"),
    step("v1.billable_metrics.retrieve", billable_metric_id="$metric"),
    step("v1.billable_metrics.update", billable_metric_id="$metric", name="all calls"),
    step("v1.billable_metrics.list"),
    step("v1.customers.list_billable_metrics", **CUSTOMER),
    step("v1.contracts.products.create", {"product": "data.id"}, name="seats", type="FIXED", tags=["a"]),
    step("v1.contracts.products.update", product_id="$product", starting_at=START, name="Seats"),
    step("v1.contracts.products.retrieve", id="$product"),
    step("v1.contracts.products.list"),
    step("v1.contracts.rate_cards.create", {"card": "data.id"}, name="list prices", description="all"),
    step("v1.contracts.rate_cards.update", rate_card_id="$card", name="prices"),
    step("v1.contracts.rate_cards.retrieve", id="$card"),
    step("v1.contracts.rate_cards.list"),
    step("v1.contracts.rate_cards.rates.add", rate_card_id="$card", **RATE),
    step("v1.contracts.rate_cards.rates.add_many", rate_card_id="$card", rates=[RATE]),
    step("v1.contracts.rate_cards.rates.list", rate_card_id="$card", at=START),
    step("v1.contracts.rate_cards.retrieve_rate_schedule", rate_card_id="$card", starting_at=START),
    step("v1.contracts.rate_cards.product_orders.set", rate_card_id="$card", product_order=["$product"]),
    step(
        "v1.contracts.rate_cards.product_orders.update",
        rate_card_id="$card",
        product_moves=[{"product_id": "$product", "position": 0}],
    ),
    step("v1.contracts.named_schedules.update", rate_card_id="$card", **SCHEDULE),
    step("v1.contracts.named_schedules.retrieve", rate_card_id="$card", schedule_name="tier"),
    # Packages and plans
    step("v1.packages.create", {"package": "data.id"}, name="starter", uniqueness_key="p-1"),
    step("v1.packages.retrieve", package_id="$package"),
    step("v1.packages.list"),
    step("v1.plans.list", {"plan": "data.0.id"}),
    step("v1.plans.get_details", plan_id="$plan"),
    step("v1.plans.list_charges", plan_id="$plan"),
    step("v1.customers.plans.add", {"customer_plan": "data.id"}, **CUSTOMER, plan_id="$plan", starting_on=START),
    step("v1.customers.plans.list", **CUSTOMER),
    step("v1.customers.plans.list_price_adjustments", **CUSTOMER, customer_plan_id="$customer_plan"),
    step("v1.plans.list_customers", plan_id="$plan"),
    step(
        "v1.customers.invoices.add_charge",
        **CUSTOMER,
        charge_id="c",
        customer_plan_id="$customer_plan",
        description="d",
        invoice_start_timestamp=START,
        price=1,
        quantity=1,
    ),
    step("v1.customers.plans.end", **CUSTOMER, customer_plan_id="$customer_plan"),
    # Commits and credits
    step("v1.customers.commits.create", {"commit": "data.id"}, **CUSTOMER, **COMMIT, uniqueness_key="c-1"),
    step("v1.customers.commits.list", {"segment": "data.0.access_schedule.schedule_items.0.id"}, **CUSTOMER, **LEDGERS),
    step("v1.customers.credits.create", {"credit": "data.id"}, **CUSTOMER, **CREDIT),
    step("v1.customers.credits.list", **CUSTOMER, **LEDGERS),
    step(
        "v1.contracts.add_manual_balance_entry",
        **CUSTOMER,
        id="$commit",
        segment_id="$segment",
        amount=-5.5,
        reason="goodwill",
        uniqueness_key="m-1",
    ),
    step("v1.contracts.list_balances", **CUSTOMER, **LEDGERS),
    step("v1.contracts.get_net_balance", **CUSTOMER),
    step("v1.customers.commits.update_end_date", **CUSTOMER, commit_id="$commit", access_ending_before=END),
    step("v1.customers.credits.update_end_date", **CUSTOMER, credit_id="$credit", access_ending_before=END),
    step("v2.contracts.edit_commit", **CUSTOMER, commit_id="$commit", priority=3),
    step("v2.contracts.edit_credit", **CUSTOMER, credit_id="$credit", access_schedule=MORE_ACCESS),
    # Contracts
    step(
        "v1.contracts.create",
        {"contract": "data.id"},
        **CUSTOMER,
        starting_at=START,
        package_id="$package",
        rate_card_id="$card",
        uniqueness_key="k-1",
        net_payment_terms_days=30,
        commits=[COMMIT],
        credits=[CREDIT],
        overrides=[OVERRIDE],
        scheduled_charges=[CHARGE],
        discounts=[DISCOUNT],
        professional_services=[SERVICE],
        recurring_commits=[RECURRING],
        recurring_credits=[RECURRING],
        subscriptions=[SUBSCRIPTION],
        usage_filter={"group_key": "g", "group_values": ["v"]},
    ),
    step("v2.contracts.retrieve", {"subscription": "data.subscriptions.0.id"}, **CONTRACT, **LEDGERS),
    step("v2.contracts.edit", **CONTRACT, **EDIT, uniqueness_key="e-1"),
    step("v2.contracts.get_edit_history", **CONTRACT),
    step("v2.contracts.list", **CUSTOMER, **LEDGERS),
    step(
        "v1.contracts.amend",
        **CONTRACT,
        starting_at=START,
        commits=[COMMIT],
        overrides=[OVERRIDE],
        scheduled_charges=[CHARGE],
    ),
    step("v1.contracts.retrieve", **CONTRACT, **LEDGERS),
    step("v1.contracts.list", **CUSTOMER),
    step("v1.contracts.retrieve_rate_schedule", **CONTRACT),
    step(
        "v1.contracts.set_usage_filter",
        **CONTRACT,
        group_key="g",
        group_values=["w"],
        starting_at=START,
    ),
    step("v1.contracts.rate_cards.named_schedules.update", **CONTRACT, **SCHEDULE),
    step("v1.contracts.rate_cards.named_schedules.retrieve", **CONTRACT, schedule_name="tier"),
    step("v1.contracts.rate_cards.named_schedules.list", **CUSTOMER),
    step("v1.contracts.retrieve_subscription_quantity_history", **CONTRACT, subscription_id="$subscription"),
    step("v1.contracts.get_subscription_seats_history", **CONTRACT, subscription_id="$subscription"),
    step("v1.contracts.list_seat_balances", **CONTRACT),
    step("v1.contracts.update_end_date", **CONTRACT, ending_before=END),
    step("v1.packages.list_contracts_on_package", package_id="$package"),
    # Invoices
    step(
        "v1.contracts.schedule_pro_services_invoice",
        {"invoice": "data.0.id"},
        **CONTRACT,
        issued_at=START,
        line_items=[{"professional_service_id": "s", "quantity": 1, "unit_price": 2}],
    ),
    step("v1.contracts.create_historical_invoices", invoices=[HISTORICAL], preview=False),
    step("v1.customers.invoices.list", **CUSTOMER),
    step("v1.customers.invoices.retrieve", **CUSTOMER, invoice_id="$invoice"),
    step("v1.customers.invoices.retrieve_pdf", **CUSTOMER, invoice_id="$invoice"),
    step("v1.customers.invoices.list_breakdowns", **CUSTOMER, **RANGE),
    step("v1.invoices.void", id="$invoice"),
    step("v1.invoices.regenerate", id="$invoice"),
    # Credit grants
    step(
        "v1.credit_grants.create",
        {"grant": "data.id"},
        **CUSTOMER,
        name="grant",
        expires_at=END,
        grant_amount=GRANT,
        paid_amount=GRANT,
        priority=1,
        uniqueness_key="g-1",
    ),
    step("v1.credit_grants.edit", id="$grant", name="a grant"),
    step("v1.credit_grants.list"),
    step("v1.credit_grants.list_entries"),
    step("v1.credit_grants.void", id="$grant", release_uniqueness_key=True),
    # Alerts and notifications
    step(
        "v1.alerts.create",
        {"alert": "data.id"},
        alert_type="spend_threshold_reached",
        name="spend",
        threshold=10,
        uniqueness_key="a-1",
    ),
    step("v1.customers.alerts.retrieve", **CUSTOMER, alert_id="$alert"),
    step("v1.customers.alerts.list", **CUSTOMER),
    step("v1.customers.alerts.reset", **CUSTOMER, alert_id="$alert"),
    step("v1.alerts.archive", id="$alert", release_uniqueness_key=True),
    step("v2.notifications.offset.create", {"notification": "data.id"}, name="a", policy=OFFSET, uniqueness_key="n"),
    step("v2.notifications.offset.edit", id="$notification", policy=OFFSET),
    step("v2.notifications.offset.edit", policy={"type": "contract.start"}, is_enabled=False),
    step("v2.notifications.offset.retrieve", id="$notification"),
    step("v2.notifications.offset.list"),
    step("v2.notifications.system.list"),
    step("v2.notifications.offset.archive", id="$notification"),
    # Usage
    step("v1.usage.ingest", usage=[EVENT]),
    step("v1.usage.search", transaction_ids=["t-1"]),
    step("v1.usage.list", **RANGE, window_size="DAY"),
    step("v1.usage.list_with_groups", **CUSTOMER, billable_metric_id="$metric", window_size="DAY"),
    step("v1.customers.list_costs", **CUSTOMER, **RANGE),
    step("v1.customers.preview_events", **CUSTOMER, events=[{"event_type": "call"}]),
    step("v1.dashboards.get_embeddable_url", **CUSTOMER, dashboard="invoices"),
    step("v1.audit_logs.list"),
    # What ends the others
    step("v1.contracts.archive", **CONTRACT, void_invoices=False),
    step("v1.packages.archive", package_id="$package"),
    step("v1.contracts.rate_cards.archive", id="$card"),
    step("v1.contracts.products.archive", product_id="$product"),
    step("v1.billable_metrics.archive", id="$metric"),
    step("v1.pricing_units.archive", id="$unit"),
    step("v1.customers.archive", id="$customer"),
]

EMPTY = {
    "v1.contracts.get_subscription_seats_history",
    "v1.contracts.list_seat_balances",
    "v1.credit_grants.list_entries",
    "v1.customers.invoices.list_breakdowns",
    "v1.customers.list_costs",
    "v1.customers.plans.list_price_adjustments",
    "v1.customers.preview_events",
    "v1.plans.list_charges",
    "v1.usage.list",
    "v1.usage.list_with_groups",
    "v2.notifications.system.list",
}

if __name__ == "__main__":
    # For the driver of the Node SDK.
    import json

    print(json.dumps({"steps": [vars(step) for step in STEPS], "empty": sorted(EMPTY)}))
