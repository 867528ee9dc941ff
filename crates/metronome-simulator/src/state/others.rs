//! Writes without an implementation of their own.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::State;
use crate::ledger::Entry;
use crate::reply::Reply;
use crate::request::Call;

const ADD_KEY: &str = "/v1/customFields/addKey";
const REMOVE_KEY: &str = "/v1/customFields/removeKey";

impl State {
    pub(crate) fn write(&mut self, call: &Call) -> Result<Reply, Reply> {
        self.reject_used_key(call)?;
        let id = self.record(call);
        Ok(Reply::data(json!({ "id": id })))
    }

    /// Answers with a literal `null`. A key can be removed once, until it is added again.
    pub(crate) fn remove_custom_field(&mut self, call: &Call) -> Result<Reply, Reply> {
        if self.is_field_removed(call) {
            return Err(call.rejection(StatusCode::NOT_FOUND, "Custom field key not found"));
        }
        self.record(call);
        Ok(Reply::ok(Value::Null))
    }

    fn is_field_removed(&self, call: &Call) -> bool {
        let changes = [ADD_KEY, REMOVE_KEY];
        let is_same = |entry: &&Entry| ["entity", "key"].iter().all(|field| entry.body[*field] == call.body[*field]);
        let touched = self.ledger.entries().iter().filter(|entry| changes.contains(&entry.path.as_str()));
        touched.filter(is_same).last().is_some_and(|last| last.path == REMOVE_KEY)
    }
}
