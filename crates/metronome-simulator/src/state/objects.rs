//! What most operations do with objects: create, change, archive and list them.

use serde_json::{Value, json};

use super::data::{Kind, Object, State, used_key};
use super::kinds::{CONTRACT, CUSTOMER};
use super::pages::{BY_NEXT_PAGE, wanted};
use super::values::merge;
use crate::call::Call;
use crate::reply::{Outcome, Reply};

impl State {
    /// Rejects a call for a customer or contract that does not exist, and a `uniqueness_key` that was used before.
    pub(crate) fn admit(&self, call: &Call) -> Result<(), Reply> {
        if !call.text("customer_id").is_empty() {
            self.find(call, &CUSTOMER, "customer_id")?;
        }
        if !call.text("contract_id").is_empty() {
            self.find(call, &CONTRACT, "contract_id")?;
        }
        match (call.uniqueness_key(), self.used_by(call)) {
            (Some(key), Some(user)) => Err(used_key(call, key, user)),
            _ => Ok(()),
        }
    }

    pub(crate) fn create(&mut self, call: &Call, kind: &Kind) -> Outcome {
        let id = self.create_object(call, kind);
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": id })))
    }

    /// Adds an object of the request's fields. Returns its id.
    pub(super) fn create_object(&mut self, call: &Call, kind: &Kind) -> String {
        let id = self.new_id();
        let document = self.document(kind, &id, &call.body);
        self.insert(kind, &id, Object::new(document, &call.text("customer_id")));
        id
    }

    /// A new object of this kind, as reads show it.
    pub(super) fn document(&mut self, kind: &Kind, id: &str, body: &Value) -> Value {
        let mut document = json!({ "id": id });
        let rest = (kind.rest)(self, body);
        merge(&mut document, rest);
        merge(&mut document, self.shown(kind.fields, body));
        document
    }

    pub(crate) fn update(&mut self, call: &Call, kind: &Kind, field: &str) -> Outcome {
        let id = call.text(field);
        self.find(call, kind, field)?;
        let changes = self.shown(kind.fields, &call.body);
        merge(&mut self.find_mut(call, kind, field)?.document, changes);
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": id })))
    }

    /// Documents differ on what archiving twice does. The simulator rejects it, as an account was seen to.
    pub(crate) fn archive(&mut self, call: &Call, kind: &Kind, field: &str) -> Outcome {
        let (id, now) = (call.text(field), self.now());
        let object = self.find_mut(call, kind, field)?;
        if object.is_archived {
            return Err(call.rejection(kind.archived_twice, &format!("{} already archived", kind.name)));
        }
        object.is_archived = true;
        let shown = if kind.archived == "archived_at" { now } else { "archived".to_owned() };
        if !kind.archived.is_empty() {
            object.document[kind.archived] = shown.into();
        }
        if call.field("release_uniqueness_key") == true {
            self.release_keys(&id);
        }
        self.record(call, &id);
        Ok(Reply::data(json!({ "id": id })))
    }

    pub(crate) fn list(&self, call: &Call, kind: &Kind) -> Outcome {
        let (is_wanted, customer) = (wanted(call), call.text("customer_id"));
        let is_theirs = |object: &Object| object.owner.is_empty() || customer.is_empty() || object.owner == customer;
        let objects = self.objects(kind).filter(|(_, object)| is_wanted(object.is_archived) && is_theirs(object));
        BY_NEXT_PAGE.page(call, objects, |_, object| object.document.clone())
    }

    pub(crate) fn get(&self, call: &Call, kind: &Kind, field: &str) -> Outcome {
        self.find(call, kind, field).map(|object| Reply::data(object.document.clone()))
    }

    /// Records a call that makes no object. Returns its id.
    pub(crate) fn record_new(&mut self, call: &Call) -> String {
        let id = self.new_id();
        self.record(call, &id);
        id
    }
}
