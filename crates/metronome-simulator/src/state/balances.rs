//! Balances of customers. A balance exists from its first manual entry on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::data::State;
use crate::ledger::Entry;
use crate::reply::Reply;
use crate::request::Call;

const ADD: &str = "/v1/contracts/addManualBalanceLedgerEntry";

impl State {
    pub(crate) fn add_balance_entry(&mut self, call: &Call) -> Result<Reply, Reply> {
        self.find_customer(call, call.text("customer_id"))?;
        self.record(call);
        Ok(Reply::empty())
    }

    pub(crate) fn list_balances(&self, call: &Call) -> Reply {
        let with_ledgers = call.body["include_ledgers"] == true;
        let balances = self.balances_of(call.text("customer_id")).into_iter();
        let wanted = balances.filter(|(id, _)| call.body["id"].is_null() || call.body["id"] == **id);
        let documents: Vec<Value> = wanted.map(|(id, entries)| document(id, &entries, with_ledgers)).collect();
        Reply::ok(json!({ "data": documents, "next_page": null }))
    }

    fn balances_of(&self, customer: &str) -> BTreeMap<&str, Vec<&Entry>> {
        let mut balances = BTreeMap::<&str, Vec<&Entry>>::new();
        for entry in self.ledger.on(ADD).filter(|entry| entry.body["customer_id"] == customer) {
            let id = entry.body["id"].as_str().unwrap_or_default();
            balances.entry(id).or_default().push(entry);
        }
        balances
    }
}

fn document(id: &str, entries: &[&Entry], with_ledger: bool) -> Value {
    let amount = |entry: &&Entry| entry.body["amount"].as_f64().unwrap_or_default();
    let balance: f64 = entries.iter().map(amount).sum();
    let mut document = json!({ "id": id, "type": "CREDIT", "balance": balance });
    if with_ledger {
        document["ledger"] = entries.iter().map(|entry| ledger_entry(&entry.body)).collect();
    }
    document
}

fn ledger_entry(body: &Value) -> Value {
    json!({
        "type": "CREDIT_MANUAL",
        "amount": body["amount"],
        "reason": body["reason"],
        "segment_id": body["segment_id"],
        "timestamp": body["timestamp"],
    })
}
