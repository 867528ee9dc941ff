//! Customers and their ingest aliases.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::State;
use super::pages::BY_NEXT_PAGE;
use crate::ledger::Entry;
use crate::reply::Reply;
use crate::request::Call;

const CREATE: &str = "/v1/customers";

impl State {
    pub(crate) fn create_customer(&mut self, call: &Call) -> Result<Reply, Reply> {
        self.reject_taken_alias(call)?;
        let id = self.record(call);
        Ok(Reply::data(document(&id, &call.body)))
    }

    pub(crate) fn list_customers(&self, call: &Call) -> Result<Reply, Reply> {
        let wanted = call.query("ingest_alias");
        let matches = |entry: &&Entry| match &wanted {
            Some(alias) => aliases(&entry.body).any(|taken| taken == alias),
            None => true,
        };
        let customers = self.ledger.on(CREATE).filter(matches);
        BY_NEXT_PAGE.page(call, customers.map(|entry| (entry.id.as_str(), &entry.body)), document)
    }

    pub(crate) fn get_customer(&self, call: &Call, id: &str) -> Result<Reply, Reply> {
        let customer = self.find_customer(call, id)?;
        Ok(Reply::data(document(&customer.id, &customer.body)))
    }

    pub(crate) fn find_customer(&self, call: &Call, id: &str) -> Result<&Entry, Reply> {
        let not_found = || call.rejection(StatusCode::NOT_FOUND, "Customer not found");
        self.ledger.on(CREATE).find(|entry| entry.id == id).ok_or_else(not_found)
    }

    pub(crate) fn reject_taken_alias(&self, call: &Call) -> Result<(), Reply> {
        match aliases(&call.body).find(|alias| self.is_alias_taken(alias)) {
            Some(alias) => {
                let message = format!("Ingest alias {alias} is already in use");
                Err(call.rejection(StatusCode::CONFLICT, &message))
            }
            None => Ok(()),
        }
    }

    fn is_alias_taken(&self, alias: &str) -> bool {
        self.ledger.on(CREATE).any(|entry| aliases(&entry.body).any(|taken| taken == alias))
    }
}

fn aliases(customer: &Value) -> impl Iterator<Item = &str> {
    customer["ingest_aliases"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn document(id: &str, body: &Value) -> Value {
    json!({
        "id": id,
        "external_id": id,
        "name": body["name"],
        "ingest_aliases": aliases(body).collect::<Vec<_>>(),
        "custom_fields": body.get("custom_fields").cloned().unwrap_or_else(|| json!({})),
    })
}
