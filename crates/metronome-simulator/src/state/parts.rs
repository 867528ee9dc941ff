//! Executions that fail halfway.

use serde_json::Value;

use super::data::State;
use crate::operation::Operation;
use crate::request::Call;

impl State {
    /// Applies the first part of a write. A write without parts is applied whole.
    pub(crate) fn execute_part(&mut self, call: &Call) {
        let part = self.part_of(call);
        let first = self.ledger.entries().len();
        self.execute(&part);
        if part.body != call.body {
            self.ledger.mark_parts(first);
        }
    }

    fn part_of(&self, call: &Call) -> Call {
        let mut part = call.clone();
        match (&call.operation, &mut part.body) {
            // The customer is created before its aliases, unless an alias is taken.
            (Operation::CreateCustomer, Value::Object(fields)) if self.reject_taken_alias(call).is_ok() => {
                fields.remove("ingest_aliases");
            }
            (Operation::Ingest, Value::Array(events)) => events.truncate(events.len().div_ceil(2)),
            _ => {}
        }
        part
    }
}
