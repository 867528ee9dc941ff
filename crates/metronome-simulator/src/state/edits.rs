//! Edits of contracts, and their history.

use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::{COMMIT, CONTRACT, CREDIT, EDIT};
use super::terms::{TERMS, in_history, update_subscriptions};
use super::values::{items, merge, picked, text};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// The fields of an edit that look the same in its request and in the history.
const SAME_IN_HISTORY: &[&str] = &[
    "add_prepaid_balance_threshold_configuration",
    "add_reseller_royalties",
    "add_spend_threshold_configuration",
    "archive_commits",
    "archive_credits",
    "archive_scheduled_charges",
    "remove_overrides",
    "uniqueness_key",
    "update_contract_end_date",
    "update_contract_name",
    "update_prepaid_balance_threshold_configuration",
    "update_spend_threshold_configuration",
];

/// Lists of updates, and the field in which a request names the object. The history names it in `id`.
const UPDATES: &[(&str, &str)] = &[
    ("update_commits", "commit_id"),
    ("update_credits", "credit_id"),
    ("update_recurring_commits", "recurring_commit_id"),
    ("update_recurring_credits", "recurring_credit_id"),
    ("update_scheduled_charges", "scheduled_charge_id"),
    ("update_subscriptions", "subscription_id"),
];

/// The fields of an update that only its request has.
const ONLY_IN_REQUEST: &[&str] = &["proration_rounding", "quantity_management_mode_update"];

impl State {
    /// Answers with the id of the contract. Only the history shows the id of the edit.
    pub(crate) fn edit_contract(&mut self, call: &Call) -> Outcome {
        let (id, contract) = (self.new_id(), call.text("contract_id"));
        let mut edit = json!({ "id": id, "timestamp": self.now() });
        merge(&mut edit, picked(SAME_IN_HISTORY, &call.body));
        for (list, field) in UPDATES {
            if call.body[*list].is_array() {
                edit[*list] = items(&call.body, list).map(|update| updated(update, field)).collect();
            }
        }
        self.add_terms(call, &contract, &mut edit);
        if let Some(contract) = self.object_mut(&CONTRACT, &contract) {
            change(&mut contract.document, &call.body);
        }
        for (kind, field) in [(&COMMIT, "archive_commits"), (&CREDIT, "archive_credits")] {
            for archived in items(&call.body, field) {
                if let Some(balance) = self.object_mut(kind, text(archived, "id")) {
                    balance.is_archived = true;
                }
            }
        }
        self.insert(&EDIT, &id, Object::new(edit, &contract));
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": contract })))
    }

    /// Adds the lists of the request to the contract and to the history.
    fn add_terms(&mut self, call: &Call, contract: &str, edit: &mut Value) {
        let fields = ["add_commits", "add_credits"];
        let added = self.add_balances(&call.text("customer_id"), contract, &call.body, fields);
        for (field, added) in fields.into_iter().zip(added) {
            if call.body[field].is_array() {
                edit[field] = added.iter().map(in_history).collect();
            }
        }
        for term in TERMS {
            if call.body[term.added].is_array() {
                let added = self.term(term, &call.body[term.added]);
                self.extend_contract(contract, term.field, &added);
                edit[term.in_history] = added;
            }
        }
    }

    /// The history has no pages.
    pub(crate) fn list_edits(&self, call: &Call) -> Outcome {
        let contract = call.text("contract_id");
        Ok(Reply::data(self.owned(&EDIT, &contract).map(|(_, edit)| edit.document.clone()).collect()))
    }
}

/// An update as the history shows it.
fn updated(update: &Value, field: &str) -> Value {
    let Value::Object(mut fields) = update.clone() else { return Value::Null };
    fields.retain(|name, value| !ONLY_IN_REQUEST.contains(&name.as_str()) && !value.is_null());
    let id = fields.remove(field).unwrap_or_default();
    fields.insert("id".to_owned(), id);
    Value::Object(fields)
}

/// The changes that a contract shows itself.
fn change(contract: &mut Value, edit: &Value) {
    let changes = [
        ("update_contract_name", "name"),
        ("update_contract_end_date", "ending_before"),
        ("update_net_payment_terms_days", "net_payment_terms_days"),
    ];
    for (from, to) in changes {
        if let Some(value) = edit.get(from) {
            contract[to] = value.clone();
        }
    }
    for (removed, list) in [("remove_overrides", "overrides"), ("archive_scheduled_charges", "scheduled_charges")] {
        let is_removed = |item: &Value| items(edit, removed).any(|removed| removed["id"] == item["id"]);
        if let Some(list) = contract[list].as_array_mut() {
            list.retain(|item| !is_removed(item));
        }
    }
    update_subscriptions(contract, &edit["update_subscriptions"]);
}
