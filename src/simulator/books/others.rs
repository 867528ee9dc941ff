//! Writes that are recorded rather than understood.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Books, Call, Entry};

const ADD_KEY: &str = "/v1/customFields/addKey";
const REMOVE_KEY: &str = "/v1/customFields/removeKey";

impl Books {
    pub(super) fn write(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.refuse_used_key(call)?;
        let id = self.record(call);
        Ok(Answer::data(json!({ "id": id })))
    }

    /// The success that is a literal `null`; a key can be removed once, until it is added again.
    pub(super) fn remove_custom_field(&mut self, call: &Call) -> Result<Answer, Answer> {
        if self.is_field_removed(call) {
            return Err(call.refusal(StatusCode::NOT_FOUND, "Custom field key not found"));
        }
        self.record(call);
        Ok(Answer::ok(Value::Null))
    }

    fn is_field_removed(&self, call: &Call) -> bool {
        let changes = [ADD_KEY, REMOVE_KEY];
        let is_same = |entry: &&Entry| ["entity", "key"].iter().all(|field| entry.body[*field] == call.body[*field]);
        let touched = self.ledger.entries().iter().filter(|entry| changes.contains(&entry.path.as_str()));
        touched.filter(is_same).last().is_some_and(|last| last.path == REMOVE_KEY)
    }
}
