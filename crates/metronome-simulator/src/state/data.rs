//! The recorded writes, and the objects that they made.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::SystemTime;

use http::StatusCode;
use serde_json::Value;

use crate::call::Call;
use crate::ledger::{Entry, Ledger};
use crate::reply::Reply;

use crate::runtime::rfc_3339;

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(super) ledger: Ledger,
    /// By kind and id. Ids are counted, so that the objects of a kind are in the order in which they were created.
    objects: BTreeMap<(&'static str, String), Object>,
    /// The `transaction_id` of every accepted event. A set, because one request can have a hundred events.
    pub(super) transactions: HashSet<String>,
    /// The objects that used a `uniqueness_key`, by key space and key.
    used_keys: HashMap<(&'static str, String), String>,
    ids: u64,
    /// The time of the call that executes.
    time: SystemTime,
}

/// An object of the account.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    /// As reads show it.
    pub(super) document: Value,
    /// The id of the customer, contract or rate card that it belongs to; empty if it belongs to none.
    pub(super) owner: String,
    pub(super) is_archived: bool,
    /// The manual entries of a balance's ledger.
    pub(super) entries: Vec<Value>,
}

impl Object {
    pub(super) fn new(document: Value, owner: &str) -> Self {
        Self { document, owner: owner.to_owned(), ..Self::default() }
    }
}

/// A kind of objects.
pub(crate) struct Kind {
    /// In messages and error codes.
    pub(crate) name: &'static str,
    /// Kinds of one space reject each other's used `uniqueness_key`s.
    pub(crate) key_space: &'static str,
    /// The fields of a request that responses show, also when a request changes them.
    pub(crate) fields: &'static [&'static str],
    /// The other fields of a new object, by the request that creates it.
    pub(crate) rest: fn(&mut State, &Value) -> Value,
    /// The field that shows that the object is archived: `archived_at` with a time, `status`, or none.
    pub(crate) archived: &'static str,
    /// The status that rejects a second archiving.
    pub(crate) archived_twice: StatusCode,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl State {
    /// An account without objects.
    pub(super) fn empty() -> Self {
        Self {
            ledger: Ledger::default(),
            objects: BTreeMap::new(),
            transactions: HashSet::new(),
            used_keys: HashMap::new(),
            ids: 0,
            time: SystemTime::UNIX_EPOCH,
        }
    }

    /// The calls that follow execute at this time.
    pub(crate) fn set_time(&mut self, time: SystemTime) {
        self.time = time;
    }

    /// Marks the entries of the ledger from this index on as partial.
    pub(crate) fn mark_parts(&mut self, first: usize) {
        self.ledger.mark_parts(first);
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A new id.
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.ids)
    }

    /// The time of the call, in the form of the API.
    pub(super) fn now(&self) -> String {
        rfc_3339(self.time)
    }

    /// Records the call as one effect on the object with this id.
    pub(super) fn record(&mut self, call: &Call, id: &str) {
        self.record_as(call, id, call.body.clone());
    }

    pub(super) fn record_as(&mut self, call: &Call, id: &str, body: Value) {
        if let Some(key) = call.uniqueness_key() {
            self.used_keys.insert((call.route.key_space, key.to_owned()), id.to_owned());
        }
        self.ledger.record(Entry {
            path: call.path().to_owned(),
            id: id.to_owned(),
            body,
            idempotency_key: call.key.clone(),
            uniqueness_key: call.uniqueness_key().map(str::to_owned),
            partial: false,
            time: self.time,
        });
    }

    /// The object that used the call's `uniqueness_key` before.
    pub(super) fn used_by(&self, call: &Call) -> Option<&str> {
        let key = call.uniqueness_key()?;
        self.used_keys.get(&(call.route.key_space, key.to_owned())).map(String::as_str)
    }

    /// Allows the keys of this object to be used again.
    pub(super) fn release_keys(&mut self, id: &str) {
        self.used_keys.retain(|_, user| user != id);
    }

    pub(super) fn insert(&mut self, kind: &Kind, id: &str, object: Object) {
        self.objects.insert((kind.name, id.to_owned()), object);
    }

    pub(super) fn remove(&mut self, kind: &Kind, id: &str) -> Option<Object> {
        self.objects.remove(&(kind.name, id.to_owned()))
    }

    pub(super) fn object(&self, kind: &Kind, id: &str) -> Option<&Object> {
        self.objects.get(&(kind.name, id.to_owned()))
    }

    pub(super) fn object_mut(&mut self, kind: &Kind, id: &str) -> Option<&mut Object> {
        self.objects.get_mut(&(kind.name, id.to_owned()))
    }

    /// The objects of a kind with their ids, oldest first.
    pub(super) fn objects<'a>(&'a self, kind: &'a Kind) -> impl Iterator<Item = (&'a str, &'a Object)> {
        let of_kind = self.objects.range((kind.name, String::new())..).take_while(|((name, _), _)| *name == kind.name);
        of_kind.map(|((_, id), object)| (id.as_str(), object))
    }

    /// The objects of a kind that belong to this owner, oldest first.
    pub(super) fn owned<'a>(&'a self, kind: &'a Kind, owner: &'a str) -> impl Iterator<Item = (&'a str, &'a Object)> {
        self.objects(kind).filter(move |(_, object)| object.owner == owner)
    }

    /// The object that the call names in this field, if it belongs to the customer that the call names.
    pub(super) fn find(&self, call: &Call, kind: &Kind, field: &str) -> Result<&Object, Reply> {
        let customer = call.text("customer_id");
        let is_theirs = |object: &&Object| object.owner.is_empty() || customer.is_empty() || object.owner == customer;
        let object = self.object(kind, &call.text(field)).filter(is_theirs);
        object.ok_or_else(|| call.not_found(kind.name))
    }

    pub(super) fn find_mut(&mut self, call: &Call, kind: &Kind, field: &str) -> Result<&mut Object, Reply> {
        self.find(call, kind, field)?;
        self.object_mut(kind, &call.text(field)).ok_or_else(|| call.not_found(kind.name))
    }

    /// The object with this id, whatever its kind.
    pub(super) fn any_object_mut(&mut self, id: &str) -> Option<&mut Object> {
        self.objects.iter_mut().find(|((_, found), _)| found == id).map(|(_, object)| object)
    }
}

/// The rejection of a `uniqueness_key` that was used before.
pub(super) fn used_key(call: &Call, key: &str, user: &str) -> Reply {
    const MESSAGE: &str = "This uniqueness key has already been used.";
    match call.route.path {
        "/v2/contracts/edit" => {
            let message = format!("Uniqueness key already exists: {key}");
            call.rejection(StatusCode::UNPROCESSABLE_ENTITY, &message)
        }
        "/v1/alerts/create" => Reply::conflict(MESSAGE, user, key),
        _ => call.rejection(StatusCode::CONFLICT, MESSAGE),
    }
}
