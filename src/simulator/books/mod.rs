//! What the application knows. The ledger is all of it: every view is drawn from what took effect.

mod balances;
mod contracts;
mod customers;
mod events;
mod others;
mod parts;

use http::StatusCode;
use serde_json::Value;

use super::admission::Call;
use super::answer::Answer;
use super::ledger::{Entry, Ledger};
use super::operation::Operation;

#[derive(Debug, Default)]
pub(super) struct Books {
    ledger: Ledger,
    transactions: events::Transactions,
}

impl Books {
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Executes a call to its true answer.
    pub(super) fn execute(&mut self, call: &Call) -> Answer {
        let outcome = match &call.operation {
            Operation::CreateCustomer => self.create_customer(call),
            Operation::ListCustomers => Ok(self.list_customers(call)),
            Operation::GetCustomer(id) => self.get_customer(call, id),
            Operation::CreateContract => self.create_contract(call),
            Operation::EditContract => self.edit_contract(call),
            Operation::GetContract => self.get_contract(call),
            Operation::ListContracts => Ok(self.list_contracts(call)),
            Operation::ListEdits => self.list_edits(call),
            Operation::AddBalanceEntry => self.add_balance_entry(call),
            Operation::ListBalances => Ok(self.list_balances(call)),
            Operation::Ingest => Ok(self.ingest(call)),
            Operation::SearchEvents => Ok(self.search_events(call)),
            Operation::RemoveCustomField => self.remove_custom_field(call),
            Operation::OtherWrite => self.write(call),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    /// Records the call as one effect and returns the id it got.
    fn record(&mut self, call: &Call) -> String {
        let id = format!("00000000-0000-4000-8000-{:012x}", self.ledger.entries().len() + 1);
        self.record_as(call, id.clone(), call.body.clone());
        id
    }

    fn record_as(&mut self, call: &Call, id: String, body: Value) {
        self.ledger.record(Entry {
            path: call.path().to_owned(),
            id,
            body,
            idempotency_key: call.key.clone(),
            uniqueness_key: call.uniqueness_key().map(str::to_owned),
            partial: false,
        });
    }

    /// Refuses a `uniqueness_key` that this operation has seen before.
    fn refuse_used_key(&self, call: &Call) -> Result<(), Answer> {
        match call.uniqueness_key() {
            Some(key) if self.is_used(call.path(), key) => Err(used_key(call, key)),
            _ => Ok(()),
        }
    }

    fn is_used(&self, path: &str, key: &str) -> bool {
        self.ledger.on(path).any(|entry| entry.uniqueness_key.as_deref() == Some(key))
    }
}

fn used_key(call: &Call, key: &str) -> Answer {
    if call.operation == Operation::EditContract {
        let message = format!("Uniqueness key already exists: {key}");
        call.refusal(StatusCode::UNPROCESSABLE_ENTITY, &message)
    } else {
        call.refusal(StatusCode::CONFLICT, "This uniqueness key has already been used.")
    }
}

/// The body as it was sent, with the id it got.
fn with_id(entry: &Entry) -> Value {
    let mut document = entry.body.clone();
    if let Value::Object(fields) = &mut document {
        fields.insert("id".to_owned(), Value::from(entry.id.as_str()));
    }
    document
}
