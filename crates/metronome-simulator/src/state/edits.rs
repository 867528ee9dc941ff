//! Edits of contracts, and their history.

use serde_json::{Value, json};

use super::data::State;
use crate::ledger::Entry;
use crate::reply::Reply;
use crate::request::Call;
use crate::runtime::rfc_3339;

const EDIT: &str = "/v2/contracts/edit";

/// The fields of an edit that look the same in its request and in the history.
const SAME_IN_HISTORY: [&str; 7] = [
    "archive_commits",
    "archive_credits",
    "archive_scheduled_charges",
    "remove_overrides",
    "uniqueness_key",
    "update_contract_end_date",
    "update_contract_name",
];

/// The same for the update of a subscription.
const SAME_IN_SUBSCRIPTION: [&str; 4] = ["ending_before", "name", "quantity_updates", "seat_updates"];

impl State {
    pub(crate) fn edit_contract(&mut self, call: &Call) -> Result<Reply, Reply> {
        self.find_contract(call)?;
        self.reject_used_key(call)?;
        let id = self.record(call);
        Ok(Reply::data(json!({ "id": id })))
    }

    /// The history has no pages.
    pub(crate) fn list_edits(&self, call: &Call) -> Result<Reply, Reply> {
        let contract = self.find_contract(call)?;
        Ok(Reply::data(self.edits(contract).map(document).collect()))
    }

    pub(super) fn edits<'a>(&'a self, contract: &'a Entry) -> impl Iterator<Item = &'a Entry> {
        self.ledger.on(EDIT).filter(|edit| edit.body["contract_id"] == *contract.id)
    }
}

fn document(edit: &Entry) -> Value {
    let mut document = json!({ "id": edit.id, "timestamp": rfc_3339(edit.time) });
    copy(&edit.body, &SAME_IN_HISTORY, &mut document);
    if let Value::Array(updates) = &edit.body["update_subscriptions"] {
        document["update_subscriptions"] = updates.iter().map(subscription).collect();
    }
    document
}

/// A request names the subscription in `subscription_id`, the history in `id`.
fn subscription(update: &Value) -> Value {
    let mut document = json!({ "id": update["subscription_id"] });
    copy(update, &SAME_IN_SUBSCRIPTION, &mut document);
    document
}

fn copy(from: &Value, fields: &[&str], to: &mut Value) {
    for field in fields {
        if let Some(value) = from.get(field) {
            to[field] = value.clone();
        }
    }
}
