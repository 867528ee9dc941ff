//! Balances of customers. A balance exists from its first manual entry on.

use serde_json::{Value, json};

use super::data::State;
use super::pages::BY_NEXT_PAGE;
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

    pub(crate) fn list_balances(&self, call: &Call) -> Result<Reply, Reply> {
        let with_ledgers = call.body["include_ledgers"] == true;
        let balances = self.balances_of(call.text("customer_id")).into_iter();
        let wanted = balances.filter(|(id, _)| call.body["id"].is_null() || call.body["id"] == **id);
        BY_NEXT_PAGE.page(call, wanted, |id, entries| document(id, &entries, with_ledgers))
    }

    /// Oldest first, so that a new balance is on a page that has not been read yet.
    fn balances_of(&self, customer: &str) -> Vec<(&str, Vec<&Entry>)> {
        let mut balances = Vec::<(&str, Vec<&Entry>)>::new();
        for entry in self.ledger.on(ADD).filter(|entry| entry.body["customer_id"] == customer) {
            let id = entry.body["id"].as_str().unwrap_or_default();
            match balances.iter_mut().find(|(known, _)| *known == id) {
                Some((_, entries)) => entries.push(entry),
                None => balances.push((id, vec![entry])),
            }
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
