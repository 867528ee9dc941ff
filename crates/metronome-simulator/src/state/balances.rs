//! Commits and credits: balances with a ledger each.

use serde_json::{Value, json};

use super::data::{Kind, Object, State};
use super::kinds::{COMMIT, CREDIT};
use super::pages::{BY_NEXT_PAGE, wanted};
use super::shapes::USD;
use super::values::{items, merge, number, picked, text};
use crate::call::Call;
use crate::reply::{Outcome, Reply};

/// The fields that a request can change in place.
const CHANGEABLE: &[&str] = &["name", "description", "priority", "rate_type", "applicable_product_ids"];

impl State {
    /// Adds a commit or credit of a contract.
    pub(super) fn insert_balance(&mut self, kind: &Kind, mut document: Value, customer: &str, contract: &str) {
        document["contract"] = json!({ "id": contract });
        let id = text(&document, "id").to_owned();
        self.insert(kind, &id, Object::new(document, customer));
    }

    pub(super) fn balances_of_contract<'a>(&'a self, kind: &'a Kind, id: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects(kind).map(|(_, object)| object).filter(move |object| object.document["contract"]["id"] == *id)
    }

    pub(crate) fn list_commits(&self, call: &Call) -> Outcome {
        self.list_of(call, &[&COMMIT], "commit_id", "include_contract_commits")
    }

    pub(crate) fn list_credits(&self, call: &Call) -> Outcome {
        self.list_of(call, &[&CREDIT], "credit_id", "include_contract_credits")
    }

    pub(crate) fn list_balances(&self, call: &Call) -> Outcome {
        self.list_of(call, &[&COMMIT, &CREDIT], "id", "include_contract_balances")
    }

    /// Oldest first, so that a new balance is on a page that has not been read yet.
    fn list_of(&self, call: &Call, kinds: &[&'static Kind], id_field: &str, with_contracts: &str) -> Outcome {
        let (is_wanted, customer, id) = (wanted(call), call.text("customer_id"), call.text(id_field));
        let with_contracts = call.field(with_contracts) == true;
        let mut found: Vec<_> = kinds.iter().flat_map(|kind| self.objects(kind)).collect();
        found.retain(|(found, object)| {
            object.owner == customer
                && is_wanted(object.is_archived)
                && (id.is_empty() || id == *found)
                && (with_contracts || object.document["contract"].is_null())
        });
        found.sort_by_key(|(id, _)| *id);
        BY_NEXT_PAGE.page(call, found.into_iter(), |_, object| self.balance(object, call))
    }

    /// A commit or credit, with its balance and its ledger if the request asks for them.
    pub(super) fn balance(&self, object: &Object, call: &Call) -> Value {
        let mut document = object.document.clone();
        if call.field("include_balance") == true {
            document["balance"] = sum(&ledger(object)).into();
        }
        if call.field("include_ledgers") == true {
            document["ledger"] = ledger(object).into();
        }
        document
    }

    /// Finds a commit, or else a credit, by the id in this field of the request.
    fn find_balance(&mut self, call: &Call, field: &str) -> Result<&mut Object, Reply> {
        let kind = if self.object(&COMMIT, &call.text(field)).is_some() { &COMMIT } else { &CREDIT };
        self.find_mut(call, kind, field)
    }

    pub(crate) fn add_balance_entry(&mut self, call: &Call) -> Outcome {
        let timestamp = call.field("timestamp").as_str().map_or_else(|| self.now(), str::to_owned);
        let balance = self.find_balance(call, "id")?;
        let segment = call.field("segment_id");
        if !segments(&balance.document).any(|item| item["id"] == segment) {
            return Err(call.not_found("Segment"));
        }
        let entry = json!({ "amount": call.field("amount"), "reason": call.field("reason"), "timestamp": timestamp });
        balance.entries.push(entry);
        let id = self.new_id();
        self.record(call, &id);
        Ok(Reply::empty())
    }

    pub(crate) fn net_balance(&self, call: &Call) -> Outcome {
        let customer = call.text("customer_id");
        let all = self.owned(&COMMIT, &customer).chain(self.owned(&CREDIT, &customer));
        let balance: f64 = all.filter(|(_, object)| !object.is_archived).map(|(_, object)| sum(&ledger(object))).sum();
        let unit = call.text("credit_type_id");
        let unit = if unit.is_empty() { USD } else { unit.as_str() };
        Ok(Reply::data(json!({ "balance": balance, "credit_type_id": unit })))
    }

    /// Ends the access of all segments.
    pub(crate) fn update_balance_end(&mut self, call: &Call) -> Outcome {
        let field = if call.field("commit_id").is_null() { "credit_id" } else { "commit_id" };
        let end = call.field("access_ending_before");
        let balance = &mut self.find_balance(call, field)?.document;
        if let Some(segments) = balance["access_schedule"]["schedule_items"].as_array_mut().filter(|_| !end.is_null()) {
            segments.iter_mut().for_each(|segment| segment["ending_before"] = end.clone());
        }
        self.record(call, &call.text(field));
        Ok(Reply::data(json!({ "id": call.field(field) })))
    }

    /// Changes fields in place, and adds segments to the access schedule: a repeat adds them again.
    pub(crate) fn edit_balance(&mut self, call: &Call) -> Outcome {
        let field = if call.field("commit_id").is_null() { "credit_id" } else { "commit_id" };
        let added: Vec<Value> =
            items(&call.body["access_schedule"], "add_schedule_items").map(|item| self.access_item(item)).collect();
        let balance = &mut self.find_balance(call, field)?.document;
        merge(balance, picked(CHANGEABLE, &call.body));
        if let Some(segments) = balance["access_schedule"]["schedule_items"].as_array_mut() {
            segments.extend(added);
        }
        self.record(call, &call.text(field));
        Ok(Reply::data(json!({ "id": call.field(field) })))
    }
}

/// The start of each segment of the schedule, and the manual entries.
fn ledger(balance: &Object) -> Vec<Value> {
    let [start, manual] = match text(&balance.document, "type") {
        "CREDIT" => ["CREDIT_SEGMENT_START", "CREDIT_MANUAL"],
        "PREPAID" => ["PREPAID_COMMIT_SEGMENT_START", "PREPAID_COMMIT_MANUAL"],
        _ => ["POSTPAID_COMMIT_INITIAL_BALANCE", "POSTPAID_COMMIT_MANUAL"],
    };
    let starts = segments(&balance.document).map(|segment| {
        let mut entry = json!({ "type": start, "amount": segment["amount"], "timestamp": segment["starting_at"] });
        if start.ends_with("_SEGMENT_START") {
            entry["segment_id"] = segment["id"].clone();
        }
        entry
    });
    let manual = balance.entries.iter().map(|entry| {
        let mut entry = entry.clone();
        entry["type"] = manual.into();
        entry
    });
    starts.chain(manual).collect()
}

fn segments(balance: &Value) -> impl Iterator<Item = &Value> {
    items(&balance["access_schedule"], "schedule_items")
}

fn sum(ledger: &[Value]) -> f64 {
    ledger.iter().map(|entry| number(entry, "amount")).sum()
}
