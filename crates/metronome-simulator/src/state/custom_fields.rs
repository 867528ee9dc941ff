//! The keys of custom fields, and their values on objects.

use http::StatusCode;
use serde_json::{Value, json};

use super::data::{Object, State};
use super::kinds::FIELD_KEY;
use super::pages::BY_NEXT_PAGE;
use super::values::{merge, picked};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    pub(crate) fn add_field_key(&mut self, call: &Call) -> Outcome {
        let id = key_id(call);
        if self.object(&FIELD_KEY, &id).is_some() {
            return Err(call.rejection(StatusCode::BAD_REQUEST, "Duplicate custom field key"));
        }
        let document = picked(FIELD_KEY.fields, &call.body);
        self.insert(&FIELD_KEY, &id, Object::new(document, ""));
        self.record(call, &id);
        Ok(Reply::empty())
    }

    /// Answers with a literal `null`.
    pub(crate) fn remove_field_key(&mut self, call: &Call) -> Outcome {
        let id = key_id(call);
        self.remove(&FIELD_KEY, &id).ok_or_else(|| call.not_found(FIELD_KEY.name))?;
        self.record(call, &id);
        Ok(Reply::ok(Value::Null))
    }

    pub(crate) fn list_field_keys(&self, call: &Call) -> Outcome {
        let entities = call.field("entities");
        let is_wanted = |key: &Object| entities.as_array().is_none_or(|all| all.contains(&key.document["entity"]));
        let keys = self.objects(&FIELD_KEY).filter(|(_, key)| is_wanted(key));
        BY_NEXT_PAGE.page(call, keys, |_, key| key.document.clone())
    }

    pub(crate) fn set_field_values(&mut self, call: &Call) -> Outcome {
        let values = call.field("custom_fields");
        let fields = &mut self.entity(call)?.document["custom_fields"];
        match fields {
            Value::Object(_) => merge(fields, values),
            _ => *fields = values,
        }
        self.record(call, &call.text("entity_id"));
        Ok(Reply::empty())
    }

    pub(crate) fn delete_field_values(&mut self, call: &Call) -> Outcome {
        let keys = call.field("keys");
        let keys = keys.as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(fields) = self.entity(call)?.document["custom_fields"].as_object_mut() {
            keys.for_each(|key| {
                fields.remove(key);
            });
        }
        self.record(call, &call.text("entity_id"));
        Ok(Reply::empty())
    }

    fn entity(&mut self, call: &Call) -> Result<&mut Object, Reply> {
        self.any_object_mut(&call.text("entity_id")).ok_or_else(|| call.not_found("Entity"))
    }
}

fn key_id(call: &Call) -> String {
    json!([call.field("entity"), call.field("key")]).to_string()
}
