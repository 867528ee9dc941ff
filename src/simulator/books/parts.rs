//! Executions that break halfway: what is there then.

use serde_json::Value;

use super::{Books, Call, Operation};

impl Books {
    /// Lets that part of a write take effect which comes first: all of a write that has no parts.
    pub(in crate::simulator) fn execute_part(&mut self, call: &Call) {
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
            // The customer comes before its aliases, but not where these are refused.
            (Operation::CreateCustomer, Value::Object(fields)) if self.refuse_taken_alias(call).is_ok() => {
                fields.remove("ingest_aliases");
            }
            (Operation::Ingest, Value::Array(events)) => events.truncate(events.len().div_ceil(2)),
            _ => {}
        }
        part
    }
}
