//! Customers and their ingest aliases.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::CUSTOMER;
use super::pages::{BY_NEXT_PAGE, wanted};
use super::values::{items, merge, picked};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    pub(crate) fn create_customer(&mut self, call: &Call) -> Outcome {
        self.reject_taken_alias(call, "")?;
        let id = self.create_object(call, &CUSTOMER);
        if let Some(customer) = self.object_mut(&CUSTOMER, &id) {
            customer.document["external_id"] = id.as_str().into();
        }
        self.record(call, &id);
        Ok(Reply::data(self.short(&id)))
    }

    /// Without the times and the configuration, as the responses to writes show a customer.
    fn short(&self, id: &str) -> Value {
        const SHORT: &[&str] = &["id", "external_id", "ingest_aliases", "name", "custom_fields"];
        self.object(&CUSTOMER, id).map_or(Value::Null, |customer| picked(SHORT, &customer.document))
    }

    pub(crate) fn list_customers(&self, call: &Call) -> Outcome {
        let (is_wanted, alias, ids) = (wanted(call), call.field("ingest_alias"), call.query_all("customer_ids"));
        let is_found = |id: &str, customer: &Object| {
            is_wanted(customer.is_archived)
                && (alias.is_null() || has_alias(customer, &alias))
                && (ids.is_empty() || ids.iter().any(|wanted| wanted == id))
        };
        let customers = self.objects(&CUSTOMER).filter(|(id, customer)| is_found(id, customer));
        BY_NEXT_PAGE.page(call, customers, |_, customer| customer.document.clone())
    }

    pub(crate) fn set_name(&mut self, call: &Call) -> Outcome {
        self.change_customer(call, json!({ "name": call.field("name") }))?;
        Ok(Reply::data(self.short(&call.text("customer_id"))))
    }

    pub(crate) fn set_aliases(&mut self, call: &Call) -> Outcome {
        self.reject_taken_alias(call, &call.text("customer_id"))?;
        self.change_customer(call, json!({ "ingest_aliases": call.field("ingest_aliases") }))?;
        Ok(Reply::empty())
    }

    pub(crate) fn update_config(&mut self, call: &Call) -> Outcome {
        let config = json!({ "salesforce_account_id": call.field("salesforce_account_id") });
        self.change_customer(call, json!({ "customer_config": config }))?;
        Ok(Reply::empty())
    }

    fn change_customer(&mut self, call: &Call, mut change: Value) -> Result<(), Reply> {
        change["updated_at"] = self.now().into();
        merge(&mut self.find_mut(call, &CUSTOMER, "customer_id")?.document, change);
        self.record(call, &call.text("customer_id"));
        Ok(())
    }

    /// Rejects an alias that a customer other than this one has.
    pub(super) fn reject_taken_alias(&self, call: &Call, customer: &str) -> Result<(), Reply> {
        let others = || self.objects(&CUSTOMER).filter(|(id, _)| *id != customer);
        let is_taken = |alias: &&Value| others().any(|(_, other)| has_alias(other, alias));
        match items(&call.body, "ingest_aliases").find(is_taken) {
            Some(alias) => {
                let message = format!("Ingest alias {} is already in use", alias.as_str().unwrap_or_default());
                Err(call.rejection(StatusCode::CONFLICT, &message))
            }
            None => Ok(()),
        }
    }
}

/// The aliases of an archived customer are free.
fn has_alias(customer: &Object, alias: &Value) -> bool {
    !customer.is_archived && items(&customer.document, "ingest_aliases").any(|taken| taken == alias)
}
