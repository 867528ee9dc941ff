//! Contracts, and their edits, which add up.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Books, Call, Entry, with_id};

const CREATE: &str = "/v1/contracts/create";
const EDIT: &str = "/v2/contracts/edit";

impl Books {
    pub(super) fn create_contract(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.find_customer(call, call.text("customer_id"))?;
        self.refuse_used_key(call)?;
        let id = self.record(call);
        Ok(Answer::data(json!({ "id": id })))
    }

    pub(super) fn edit_contract(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.find_contract(call)?;
        self.refuse_used_key(call)?;
        let id = self.record(call);
        Ok(Answer::data(json!({ "id": id })))
    }

    pub(super) fn get_contract(&self, call: &Call) -> Result<Answer, Answer> {
        let contract = self.find_contract(call)?;
        Ok(Answer::data(self.document(contract)))
    }

    pub(super) fn list_contracts(&self, call: &Call) -> Answer {
        let customer = call.text("customer_id");
        let contracts = self.ledger.on(CREATE).filter(|entry| entry.body["customer_id"] == customer);
        Answer::data(contracts.map(|contract| self.document(contract)).collect())
    }

    pub(super) fn list_edits(&self, call: &Call) -> Result<Answer, Answer> {
        let contract = self.find_contract(call)?;
        Ok(Answer::data(self.edits(contract).map(with_id).collect()))
    }

    fn find_contract(&self, call: &Call) -> Result<&Entry, Answer> {
        let (customer, contract) = (call.text("customer_id"), call.text("contract_id"));
        let is_it = |entry: &&Entry| entry.id == contract && entry.body["customer_id"] == customer;
        // Version 2 documents 400 for a contract that is not there.
        let not_found = || call.refusal(StatusCode::BAD_REQUEST, "Contract not found");
        self.ledger.on(CREATE).find(is_it).ok_or_else(not_found)
    }

    fn edits<'a>(&'a self, contract: &'a Entry) -> impl Iterator<Item = &'a Entry> {
        self.ledger.on(EDIT).filter(|edit| edit.body["contract_id"] == *contract.id)
    }

    /// The contract as created, and the seats that its subscriptions began with and its edits added.
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
