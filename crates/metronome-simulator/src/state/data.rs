//! The recorded writes.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::Value;

use crate::ledger::{Entry, Ledger};
use crate::operation::Operation;
use crate::reply::Reply;
use crate::request::Call;
use crate::runtime::wall_clock;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) ledger: Ledger,
    /// The `transaction_id` of every accepted event. A set, because one request can have a hundred events.
    pub(super) transactions: HashSet<String>,
}

impl State {
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Records the call as one effect and returns its new id.
    pub(super) fn record(&mut self, call: &Call) -> String {
        let id = format!("00000000-0000-4000-8000-{:012x}", self.ledger.entries().len() + 1);
        self.record_as(call, id.clone(), call.body.clone());
        id
    }

    pub(super) fn record_as(&mut self, call: &Call, id: String, body: Value) {
        self.ledger.record(Entry {
            path: call.path().to_owned(),
            id,
            body,
            idempotency_key: call.key.clone(),
            uniqueness_key: call.uniqueness_key().map(str::to_owned),
            partial: false,
            time: wall_clock(),
        });
    }

    /// Rejects a `uniqueness_key` that was used with this operation before.
    pub(super) fn reject_used_key(&self, call: &Call) -> Result<(), Reply> {
        match call.uniqueness_key() {
            Some(key) if self.is_used(call.path(), key) => Err(used_key(call, key)),
            _ => Ok(()),
        }
    }

    fn is_used(&self, path: &str, key: &str) -> bool {
        self.ledger.on(path).any(|entry| entry.uniqueness_key.as_deref() == Some(key))
    }
}

fn used_key(call: &Call, key: &str) -> Reply {
    if call.operation == Operation::EditContract {
        let message = format!("Uniqueness key already exists: {key}");
        call.rejection(StatusCode::UNPROCESSABLE_ENTITY, &message)
    } else {
        call.rejection(StatusCode::CONFLICT, "This uniqueness key has already been used.")
    }
}

/// The body of the request with the id of the effect.
pub(super) fn with_id(entry: &Entry) -> Value {
    let mut document = entry.body.clone();
    if let Value::Object(fields) = &mut document {
        fields.insert("id".to_owned(), Value::from(entry.id.as_str()));
    }
    document
}
