//! Contracts.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{State, with_id};
use super::pages::BY_CURSOR;
use crate::ledger::Entry;
use crate::reply::Reply;
use crate::request::Call;

const CREATE: &str = "/v1/contracts/create";

impl State {
    pub(crate) fn create_contract(&mut self, call: &Call) -> Result<Reply, Reply> {
        self.find_customer(call, call.text("customer_id"))?;
        self.reject_used_key(call)?;
        let id = self.record(call);
        Ok(Reply::data(json!({ "id": id })))
    }

    pub(crate) fn get_contract(&self, call: &Call) -> Result<Reply, Reply> {
        let contract = self.find_contract(call)?;
        Ok(Reply::data(self.document(contract)))
    }

    pub(crate) fn list_contracts(&self, call: &Call) -> Result<Reply, Reply> {
        let customer = call.text("customer_id");
        let contracts = self.ledger.on(CREATE).filter(|entry| entry.body["customer_id"] == customer);
        BY_CURSOR.page(call, contracts.map(|entry| (entry.id.as_str(), entry)), |_, entry| self.document(entry))
    }

    pub(super) fn find_contract(&self, call: &Call) -> Result<&Entry, Reply> {
        let (customer, contract) = (call.text("customer_id"), call.text("contract_id"));
        let is_it = |entry: &&Entry| entry.id == contract && entry.body["customer_id"] == customer;
        // Version 2 documents a 400 for an unknown contract.
        let not_found = || call.rejection(StatusCode::BAD_REQUEST, "Contract not found");
        self.ledger.on(CREATE).find(is_it).ok_or_else(not_found)
    }

    /// The contract as created, with the seats of its subscriptions and of its edits.
    fn document(&self, contract: &Entry) -> Value {
        let added: i64 = self.edits(contract).map(|edit| seats_added(&edit.body)).sum();
        let mut document = with_id(contract);
        document["seats"] = Value::from(initial_seats(&contract.body) + added);
        document
    }
}

fn initial_seats(contract: &Value) -> i64 {
    list(contract, "subscriptions").map(|subscription| number(subscription, "initial_quantity")).sum()
}

fn seats_added(edit: &Value) -> i64 {
    list(edit, "update_subscriptions")
        .flat_map(|subscription| list(subscription, "quantity_updates"))
        .map(|update| number(update, "quantity_delta"))
        .sum()
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[field].as_array().into_iter().flatten()
}

fn number(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or_default()
}
