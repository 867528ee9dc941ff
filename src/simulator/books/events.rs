//! Usage events, each accepted once.

use std::collections::HashSet;

use serde_json::Value;

use super::{Answer, Books, Call};

const INGEST: &str = "/v1/ingest";

/// The transaction ids seen so far: looked up for each of a hundred events a request.
pub(super) type Transactions = HashSet<String>;

impl Books {
    /// A repeated `transaction_id` is ignored without a word.
    pub(super) fn ingest(&mut self, call: &Call) -> Answer {
        for event in call.body.as_array().into_iter().flatten() {
            let id = event["transaction_id"].as_str().unwrap_or_default();
            if self.transactions.insert(id.to_owned()) {
                self.record_as(call, id.to_owned(), event.clone());
            }
        }
        Answer::empty()
    }

    pub(super) fn search_events(&self, call: &Call) -> Answer {
        let wanted = call.body["transactionIds"].as_array().map_or(&[][..], Vec::as_slice);
        let is_wanted = |event: &&Value| wanted.contains(&event["transaction_id"]);
        let events = self.ledger.on(INGEST).map(|entry| &entry.body);
        Answer::ok(events.filter(is_wanted).cloned().collect())
    }
}
