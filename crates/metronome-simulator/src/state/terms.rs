//! The parts of a contract that are lists: what a request adds, and how responses show it.

use serde_json::{Value, json};

use super::data::State;
use super::kinds::{COMMIT, CREATED_BY, CREDIT};
use super::values::{items, merge, picked, text};

/// A list of a contract.
pub(super) struct Term {
    /// In the request that creates a contract, and in the contract.
    pub(super) field: &'static str,
    /// In the request for an edit.
    pub(super) added: &'static str,
    /// In the history of edits.
    pub(super) in_history: &'static str,
    /// Not shown: other fields show it.
    hidden: &'static [&'static str],
    rest: fn(&mut State, &Value) -> Value,
}

/// The lists, except for commits and credits, which are objects.
pub(super) const TERMS: &[Term] = &[
    term("overrides", "add_overrides", |state, _| json!({ "id": state.new_id(), "created_at": state.now() })),
    term("scheduled_charges", "add_scheduled_charges", identified),
    term("discounts", "add_discounts", identified),
    Term {
        in_history: "add_pro_services",
        ..term(
            "professional_services",
            "add_professional_services",
            |state, item| json!({ "id": state.new_id(), "product_id": item["product_id"] }),
        )
    },
    term("recurring_commits", "add_recurring_commits", recurring),
    term("recurring_credits", "add_recurring_credits", recurring),
    Term {
        hidden: &["initial_quantity", "subscription_rate", "proration", "temporary_id"],
        ..term("subscriptions", "add_subscriptions", subscription)
    },
];

const fn term(field: &'static str, added: &'static str, rest: fn(&mut State, &Value) -> Value) -> Term {
    Term { field, added, in_history: added, hidden: &["temporary_id"], rest }
}

fn identified(state: &mut State, _: &Value) -> Value {
    json!({ "id": state.new_id() })
}

fn recurring(state: &mut State, item: &Value) -> Value {
    json!({ "id": state.new_id(), "anchor_date": item["starting_at"], "rate_type": "LIST_RATE" })
}

fn subscription(state: &mut State, item: &Value) -> Value {
    let (now, rate) = (state.now(), &item["subscription_rate"]);
    let starting_at = item["starting_at"].as_str().unwrap_or(&now);
    let quantity = item["initial_quantity"].as_f64().unwrap_or_default();
    let proration = &item["proration"];
    json!({
        "id": state.new_id(),
        "billing_periods": {},
        "created_at": now,
        "starting_at": starting_at,
        "proration": {
            "invoice_behavior": proration["invoice_behavior"].as_str().unwrap_or("BILL_IMMEDIATELY"),
            "is_prorated": proration["is_prorated"].as_bool().unwrap_or(true),
        },
        "quantity_management_mode": "QUANTITY_ONLY",
        "quantity_schedule": [{ "quantity": quantity, "starting_at": starting_at }],
        "subscription_rate": {
            "billing_frequency": rate["billing_frequency"],
            "product": state.product(&rate["product_id"]),
        },
    })
}

impl State {
    /// What a contract shows when it is new, without its commits and credits.
    pub(super) fn contract_terms(&mut self, body: &Value) -> Value {
        let anchor = body["usage_statement_schedule"]["billing_anchor_date"].as_str();
        let anchor = anchor.unwrap_or_else(|| text(body, "starting_at")).to_owned();
        let frequency = body["usage_statement_schedule"]["frequency"].as_str().unwrap_or("MONTHLY");
        let mut terms = json!({
            "created_at": self.now(),
            "created_by": CREATED_BY,
            "transitions": [],
            "usage_filter": usage_filter(body),
            "usage_statement_schedule": { "billing_anchor_date": anchor, "frequency": frequency },
        });
        for term in TERMS {
            terms[term.field] = self.term(term, &body[term.field]);
        }
        terms
    }

    /// The items of this list of a request, as responses show them.
    pub(super) fn term(&mut self, term: &Term, list: &Value) -> Value {
        let items = list.as_array().into_iter().flatten();
        items.map(|item| self.term_item(term, item)).collect()
    }

    fn term_item(&mut self, term: &Term, item: &Value) -> Value {
        let mut shown = (term.rest)(self, item);
        let Value::Object(fields) = item else { return shown };
        let fields: Vec<&str> = fields.keys().map(String::as_str).collect();
        let fields: Vec<&str> = fields.into_iter().filter(|field| !term.hidden.contains(field)).collect();
        // A professional service names its product by its id alone.
        let product = shown.get("product_id").cloned();
        let given = self.shown(&fields, item);
        merge(&mut shown, given);
        if let (Some(id), Value::Object(shown)) = (product, &mut shown) {
            shown.remove("product");
            shown.insert("product_id".to_owned(), id);
        }
        shown
    }

    /// Adds the commits and credits of a request to a contract. Returns them.
    pub(super) fn add_balances(
        &mut self,
        customer: &str,
        contract: &str,
        body: &Value,
        fields: [&str; 2],
    ) -> [Vec<Value>; 2] {
        [(&COMMIT, fields[0]), (&CREDIT, fields[1])].map(|(kind, field)| {
            let documents = self.documents(kind, &body[field]);
            for document in &documents {
                self.insert_balance(kind, document.clone(), customer, contract);
            }
            documents
        })
    }
}

/// A commit or credit as the history of edits shows it.
pub(super) fn in_history(document: &Value) -> Value {
    let Value::Object(mut fields) = document.clone() else { return Value::Null };
    for field in ["created_at", "created_by", "custom_fields", "archived_at", "uniqueness_key"] {
        fields.remove(field);
    }
    Value::Object(fields)
}

fn usage_filter(body: &Value) -> Value {
    let filter = &body["usage_filter"];
    let starting_at = filter["starting_at"].as_str().unwrap_or_else(|| text(body, "starting_at"));
    match filter {
        Value::Object(_) => {
            let mut shown = picked(&["group_key", "group_values"], filter);
            shown["starting_at"] = starting_at.into();
            json!([shown])
        }
        _ => json!([]),
    }
}

/// Changes the quantity of a contract's subscriptions as an edit asks for.
pub(super) fn update_subscriptions(contract: &mut Value, updates: &Value) {
    for update in updates.as_array().into_iter().flatten() {
        let subscriptions = contract["subscriptions"].as_array_mut().into_iter().flatten();
        for subscription in subscriptions.filter(|found| found["id"] == update["subscription_id"]) {
            update_subscription(subscription, update);
        }
    }
}

fn update_subscription(subscription: &mut Value, update: &Value) {
    merge(subscription, picked(&["name", "ending_before"], update));
    let Some(schedule) = subscription["quantity_schedule"].as_array_mut() else { return };
    for change in items(update, "quantity_updates") {
        let last = schedule.last().and_then(|last| last["quantity"].as_f64()).unwrap_or_default();
        let added = change["quantity_delta"].as_f64().unwrap_or_default();
        let quantity = change["quantity"].as_f64().unwrap_or(last + added);
        schedule.push(json!({ "quantity": quantity, "starting_at": change["starting_at"] }));
    }
}
