//! Usage events. Each is accepted once.

use serde_json::{Value, json};

use super::data::State;
use super::values::{merge, picked, text};
use crate::call::Call;
use crate::ledger::Entry;
use crate::reply::{Outcome, Reply};
use crate::runtime::rfc_3339;

const INGEST: &str = "/v1/ingest";

impl State {
    /// Ignores events with a repeated `transaction_id`; the response does not mention them.
    pub(crate) fn ingest(&mut self, call: &Call) -> Outcome {
        for event in call.body.as_array().into_iter().flatten() {
            let id = text(event, "transaction_id");
            if self.transactions.insert(id.to_owned()) {
                self.record_as(call, id, event.clone());
            }
        }
        Ok(Reply::empty())
    }

    pub(crate) fn search_events(&self, call: &Call) -> Outcome {
        let wanted = call.body["transactionIds"].as_array().map_or(&[][..], Vec::as_slice);
        let found = self.ledger.on(INGEST).filter(|entry| wanted.contains(&entry.body["transaction_id"]));
        Ok(Reply::ok(found.map(document).collect()))
    }
}

fn document(entry: &Entry) -> Value {
    let mut document = json!({ "id": entry.id, "is_duplicate": false, "processed_at": rfc_3339(entry.time) });
    let fields = &["transaction_id", "customer_id", "event_type", "timestamp", "properties"];
    merge(&mut document, picked(fields, &entry.body));
    document
}
