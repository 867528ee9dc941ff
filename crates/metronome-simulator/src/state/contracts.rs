//! Contracts, in the shapes of both versions of the API.

use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::{AMENDMENT, COMMIT, CONTRACT, CREDIT, INITIAL_CONTRACT};
use super::pages::{BY_CURSOR, BY_NEXT_PAGE, wanted};
use super::terms::TERMS;
use super::values::{items, merge, number, picked, text};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// What version 1 shows of a contract at a time.
const V1_TERMS: &[&str] = &[
    "commits",
    "created_at",
    "created_by",
    "credits",
    "discounts",
    "ending_before",
    "name",
    "net_payment_terms_days",
    "netsuite_sales_order_id",
    "overrides",
    "professional_services",
    "rate_card_id",
    "recurring_commits",
    "recurring_credits",
    "salesforce_opportunity_id",
    "scheduled_charges",
    "starting_at",
    "total_contract_value",
    "transitions",
    "usage_statement_schedule",
];

impl State {
    pub(crate) fn create_contract(&mut self, call: &Call) -> Outcome {
        let id = self.create_object(call, &CONTRACT);
        self.add_balances(&call.text("customer_id"), &id, &call.body, ["commits", "credits"]);
        let initial = self.object(&CONTRACT, &id).map(|contract| self.contract(&id, contract, call));
        let document = initial.unwrap_or_default();
        // With its package as the owner, which lists its contracts.
        self.insert(&INITIAL_CONTRACT, &id, Object::new(document, &call.text("package_id")));
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": id })))
    }

    pub(crate) fn get_contract(&self, call: &Call) -> Outcome {
        let contract = self.find(call, &CONTRACT, "contract_id")?;
        Ok(Reply::data(self.contract(&call.text("contract_id"), contract, call)))
    }

    pub(crate) fn get_contract_v1(&self, call: &Call) -> Outcome {
        let contract = self.find(call, &CONTRACT, "contract_id")?;
        Ok(Reply::data(self.contract_v1(&call.text("contract_id"), contract, call)))
    }

    pub(crate) fn list_contracts(&self, call: &Call) -> Outcome {
        BY_CURSOR.page(call, self.contracts(call), |id, contract| self.contract(id, contract, call))
    }

    pub(crate) fn list_contracts_v1(&self, call: &Call) -> Outcome {
        BY_CURSOR.page(call, self.contracts(call), |id, contract| self.contract_v1(id, contract, call))
    }

    fn contracts(&self, call: &Call) -> impl Iterator<Item = (&str, &Object)> {
        let (is_wanted, customer) = (wanted(call), call.text("customer_id"));
        self.objects(&CONTRACT).filter(move |(_, object)| object.owner == customer && is_wanted(object.is_archived))
    }

    pub(crate) fn list_package_contracts(&self, call: &Call) -> Outcome {
        let package = call.text("package_id");
        let contracts = self.objects(&INITIAL_CONTRACT).filter(|(_, object)| object.owner == package);
        BY_NEXT_PAGE.page(call, contracts, |id, contract| {
            let mut shown = picked(&["customer_id", "starting_at", "ending_before"], &contract.document);
            shown["contract_id"] = id.into();
            shown
        })
    }

    /// The contract as it is now.
    fn contract(&self, id: &str, contract: &Object, call: &Call) -> Value {
        let mut document = contract.document.clone();
        let balances = |kind| self.balances_of_contract(kind, id).map(|object| self.balance(object, call)).collect();
        let (commits, credits): (Value, Value) = (balances(&COMMIT), balances(&CREDIT));
        merge(&mut document, json!({ "commits": commits, "credits": credits }));
        document
    }

    fn contract_v1(&self, id: &str, contract: &Object, call: &Call) -> Value {
        let current = self.contract(id, contract, call);
        let initial = self.object(&INITIAL_CONTRACT, id).map_or(&current, |initial| &initial.document);
        let amendments: Value = self.owned(&AMENDMENT, id).map(|(_, amendment)| amendment.document.clone()).collect();
        let mut document = picked(&["archived_at", "custom_fields", "subscriptions", "uniqueness_key"], &current);
        let versions = json!({
            "id": id,
            "customer_id": contract.owner,
            "amendments": amendments,
            "initial": picked(V1_TERMS, initial),
            "current": picked(V1_TERMS, &current),
        });
        merge(&mut document, versions);
        document
    }

    /// An amendment adds to the lists of a contract.
    pub(crate) fn amend_contract(&mut self, call: &Call) -> Outcome {
        let (contract, id) = (call.text("contract_id"), self.new_id());
        let added = self.add_balances(&call.text("customer_id"), &contract, &call.body, ["commits", "credits"]);
        let mut amendment = json!({ "id": id, "starting_at": call.field("starting_at"), "commits": added[0] });
        merge(&mut amendment, json!({ "created_at": self.now(), "created_by": "simulator", "credits": added[1] }));
        for term in TERMS.iter().take(4) {
            amendment[term.field] = self.term(term, &call.body[term.field]);
            self.extend_contract(&contract, term.field, &amendment[term.field]);
        }
        self.insert(&AMENDMENT, &id, Object::new(amendment, &contract));
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": contract })))
    }

    /// Adds these items to a list of a contract.
    pub(super) fn extend_contract(&mut self, contract: &str, field: &str, more: &Value) {
        let contract = self.object_mut(&CONTRACT, contract);
        let list = contract.and_then(|contract| contract.document[field].as_array_mut());
        if let Some(list) = list {
            list.extend(more.as_array().into_iter().flatten().cloned());
        }
    }

    pub(crate) fn update_contract_end(&mut self, call: &Call) -> Outcome {
        let contract = self.find_mut(call, &CONTRACT, "contract_id")?;
        contract.document["ending_before"] = call.field("ending_before");
        self.record(call, &call.text("contract_id"));
        Ok(Reply::data(json!({ "id": call.field("contract_id") })))
    }

    pub(crate) fn set_usage_filter(&mut self, call: &Call) -> Outcome {
        let filter = picked(&["group_key", "group_values", "starting_at"], &call.body);
        self.extend_contract(&call.text("contract_id"), "usage_filter", &json!([filter]));
        self.record(call, &call.text("contract_id"));
        Ok(Reply::empty())
    }

    pub(crate) fn quantity_history(&self, call: &Call) -> Outcome {
        let contract = &self.find(call, &CONTRACT, "contract_id")?.document;
        let is_it = |subscription: &&Value| subscription["id"] == call.field("subscription_id");
        let subscription = items(contract, "subscriptions").find(is_it);
        let subscription = subscription.ok_or_else(|| call.not_found("Subscription"))?;
        let history: Value = items(subscription, "quantity_schedule").map(quantity).collect();
        Ok(Reply::data(json!({ "subscription_id": text(subscription, "id"), "history": history })))
    }

    pub(crate) fn seat_balances(&self, _: &Call) -> Outcome {
        let pagination = json!({ "seats_included": 0, "seats_available_for_next_page": 0, "next_page": null });
        Ok(Reply::ok(json!({ "data": [], "pagination": pagination })))
    }
}

/// Rates are not applied.
fn quantity(segment: &Value) -> Value {
    let quantity = number(segment, "quantity");
    json!({
        "starting_at": segment["starting_at"],
        "data": [{ "quantity": quantity, "total": 0, "unit_price": 0 }],
    })
}
