//! Billing providers, and the configurations of customers for them.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::{BILLING_CONFIG, CONFIGURATION, CUSTOMER, PROVIDER};
use super::pages::wanted;
use super::values::{items, merge, picked, text};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// What the response to a new configuration shows of it.
const SET: &[&str] = &["id", "customer_id", "billing_provider", "configuration", "delivery_method_id", "tax_provider"];

impl State {
    pub(crate) fn set_billing_config(&mut self, call: &Call) -> Outcome {
        let id = config_id(call);
        let document = picked(BILLING_CONFIG.fields, &call.body);
        self.insert(&BILLING_CONFIG, &id, Object::new(document, ""));
        self.record(call, &id);
        Ok(Reply::empty())
    }

    pub(crate) fn get_billing_config(&self, call: &Call) -> Outcome {
        let config = self.object(&BILLING_CONFIG, &config_id(call));
        config.map(|config| Reply::data(config.document.clone())).ok_or_else(|| call.not_found(BILLING_CONFIG.name))
    }

    pub(crate) fn delete_billing_config(&mut self, call: &Call) -> Outcome {
        let id = config_id(call);
        self.remove(&BILLING_CONFIG, &id);
        self.record(call, &id);
        Ok(Reply::empty())
    }

    /// An unknown customer is answered with a 500, as an account was seen to.
    pub(crate) fn set_configurations(&mut self, call: &Call) -> Outcome {
        if items(&call.body, "data").any(|item| self.object(&CUSTOMER, text(item, "customer_id")).is_none()) {
            return Err(Reply::internal_error());
        }
        let mut set = Vec::new();
        for item in items(&call.body, "data") {
            let id = self.new_id();
            let mut document = picked(CONFIGURATION.fields, item);
            let rest = json!({
                "id": id,
                "archived_at": null,
                "configuration": item.get("configuration").cloned().unwrap_or_else(|| json!({})),
                "delivery_method_configuration": {},
            });
            merge(&mut document, rest);
            let methods = [("delivery_method", "direct_to_billing_provider"), ("delivery_method_id", id.as_str())];
            for (field, default) in methods.into_iter().filter(|(field, _)| item[*field].is_null()) {
                document[field] = default.into();
            }
            let mut shown = picked(SET, &document);
            merge(&mut shown, picked(&["tax_provider"], item));
            set.push(shown);
            let owner = text(item, "customer_id").to_owned();
            self.insert(&CONFIGURATION, &id, Object::new(document, &owner));
        }
        let id = set.first().map_or_else(String::new, |first| text(first, "id").to_owned());
        self.record(call, &id);
        Ok(Reply::data(set.into()))
    }

    pub(crate) fn get_configurations(&self, call: &Call) -> Outcome {
        let (is_wanted, customer) = (wanted(call), call.text("customer_id"));
        let all = self.owned(&CONFIGURATION, &customer).filter(|(_, found)| is_wanted(found.is_archived));
        Ok(Reply::data(all.map(|(_, found)| found.document.clone()).collect()))
    }

    pub(crate) fn archive_configurations(&mut self, call: &Call) -> Outcome {
        let (customer, now) = (call.text("customer_id"), self.now());
        let ids = call.field("customer_billing_provider_configuration_ids");
        let all = || ids.as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_open = |id: &str| {
            let found = self.object(&CONFIGURATION, id);
            found.is_some_and(|found| found.owner == customer && !found.is_archived)
        };
        if !all().all(is_open) {
            return Err(call.rejection(StatusCode::BAD_REQUEST, "Not a configuration that can be archived"));
        }
        for id in all() {
            if let Some(found) = self.object_mut(&CONFIGURATION, id) {
                found.is_archived = true;
                found.document["archived_at"] = now.as_str().into();
            }
        }
        self.record(call, &customer);
        let shown = json!({ "customer_id": customer, "customer_billing_provider_configuration_ids": ids });
        Ok(Reply::data(shown))
    }

    /// Can be done once for each provider and method.
    pub(crate) fn set_up_provider(&mut self, call: &Call) -> Outcome {
        let mut document = picked(PROVIDER.fields, &call.body);
        let is_same = |found: &Object| PROVIDER.fields.iter().all(|field| found.document[*field] == document[*field]);
        if self.objects(&PROVIDER).any(|(_, found)| is_same(found)) {
            return Err(call.rejection(StatusCode::CONFLICT, "This billing provider is already set up"));
        }
        let id = self.new_id();
        merge(
            &mut document,
            json!({ "delivery_method_id": id, "delivery_method_configuration": call.field("configuration") }),
        );
        self.insert(&PROVIDER, &id, Object::new(document, ""));
        self.record(call, &id);
        Ok(Reply::data(json!({ "delivery_method_id": id })))
    }

    pub(crate) fn list_providers(&self, _: &Call) -> Outcome {
        let all: Value = self.objects(&PROVIDER).map(|(_, found)| found.document.clone()).collect();
        Ok(Reply::ok(json!({ "data": all, "next_page": null })))
    }
}

fn config_id(call: &Call) -> String {
    format!("{}/{}", call.text("customer_id"), call.text("billing_provider_type"))
}
