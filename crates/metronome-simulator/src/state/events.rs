//! Usage events. Each is accepted once.

use serde_json::Value;

use super::data::State;
use crate::reply::Reply;
use crate::request::Call;

const INGEST: &str = "/v1/ingest";

impl State {
    /// Ignores events with a repeated `transaction_id`; the response does not mention them.
    pub(crate) fn ingest(&mut self, call: &Call) -> Reply {
        for event in call.body.as_array().into_iter().flatten() {
            let id = event["transaction_id"].as_str().unwrap_or_default();
            if self.transactions.insert(id.to_owned()) {
                self.record_as(call, id.to_owned(), event.clone());
            }
        }
        Reply::empty()
    }

    pub(crate) fn search_events(&self, call: &Call) -> Reply {
        let wanted = call.body["transactionIds"].as_array().map_or(&[][..], Vec::as_slice);
        let is_wanted = |event: &&Value| wanted.contains(&event["transaction_id"]);
        let events = self.ledger.on(INGEST).map(|entry| &entry.body);
        Reply::ok(events.filter(is_wanted).cloned().collect())
    }
}
