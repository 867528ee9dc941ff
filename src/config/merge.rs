//! What a file says of a service, put over a description.
//!
//! Both are values here, so that a table of the file may give any part of what a public type has.

use std::mem;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    decide::{backoff::Backoff, policy::RetryPolicy},
    service::{description::Description, idempotency::Idempotency},
};

pub(super) type Table = Map<String, Value>;

/// Headers are given whole: the values of one mean nothing for another.
const WHOLE: [&str; 4] = ["retry_signal", "scope_header", "transient_header", "replay_header"];

/// A description with what the file says.
pub(super) struct Merged {
    pub(super) table: Table,
    /// How many routes of the description come before those of the file.
    pub(super) kept_routes: usize,
}

pub(super) fn merge(base: &Description, mut file: Table) -> Merged {
    let mut table = table_of(base);
    if let Some(Value::Object(change)) = file.get("idempotency") {
        change_keys(&mut table, change);
    }
    merge_responses(&mut table, &mut file);
    let (mut kept_routes, mut partial) = (0, Vec::new());
    if let (Some(Value::Array(routes)), Some(Value::Array(change))) = (table.get_mut("routes"), file.get_mut("routes"))
    {
        partial = change.iter_mut().map(|new| complete_route(routes, new)).collect();
        kept_routes = routes.len();
        routes.append(change);
        file.remove("routes");
    }
    put_over(&mut table, file);
    complete_policies(&mut table, kept_routes);
    complete_keys(&mut table, kept_routes, &partial);
    Merged { table, kept_routes }
}

/// What the file says of the service's keys holds for the routes of the description that have rules of their own too.
fn change_keys(table: &mut Table, change: &Table) {
    if let Some(Value::Object(keys)) = table.get_mut("idempotency") {
        make_room(keys, change);
    }
    let Some(Value::Array(routes)) = table.get_mut("routes") else { return };
    for route in routes.iter_mut().filter_map(Value::as_object_mut) {
        if change.get("kind").is_some_and(|kind| kind == "unsupported") {
            route.remove("idempotency");
            route.remove("keyed");
        }
        if let Some(Value::Object(own)) = route.get_mut("idempotency") {
            make_room(own, change);
            put_over(own, change.clone());
        }
    }
}

/// A route of the file takes over what the description says of the same endpoint, which it replaces. Whether its key rules
/// are still to be completed.
fn complete_route(routes: &mut Vec<Value>, new: &mut Value) -> bool {
    let Some(known) = routes.iter().position(|route| is_same_endpoint(route, new)) else { return true };
    let (Value::Object(mut whole), Value::Object(change)) = (routes.remove(known), &mut *new) else { return true };
    let has_rules = whole.contains_key("idempotency");
    if change.get("keyed").is_some_and(|keyed| *keyed == false) {
        whole.remove("idempotency");
    }
    put_over(&mut whole, mem::take(change));
    *change = whole;
    !has_rules
}

/// Tables field by field; everything else is replaced.
fn put_over(base: &mut Table, change: Table) {
    for (name, value) in change {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if !WHOLE.contains(&&*name) => put_over(old, new),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// Removes from the base what contradicts the file's `change`.
fn make_room(base: &mut Table, change: &Table) {
    let is = |table: &Table, kind: &str| table.get("kind").is_some_and(|found| found == kind);
    if is(change, "unsupported") {
        *base = table_of(&Idempotency::none());
        return;
    }
    if is(base, "unsupported")
        && ["kind", "header", "query", "body_member"].iter().any(|field| change.contains_key(*field))
    {
        base.clear();
    }
    if change.contains_key("header") || change.contains_key("query") {
        drop_other_places(base, change);
    }
    if change.contains_key("body_member") {
        base.remove("header");
        base.remove("query");
        base.insert("callers_keys_only".to_owned(), true.into());
    }
    if change.contains_key("kind") {
        drop_what_another_kind_has(base, |kind| is(change, kind));
    }
}

/// Removes the places that keys which can be replaced have no more.
fn drop_other_places(base: &mut Table, change: &Table) {
    if base.remove("body_member").is_some() {
        base.remove("callers_keys_only");
    }
    if change.contains_key("header") {
        base.remove("query");
    }
    if change.contains_key("query") {
        base.remove("header");
        base.remove("format");
    }
}

/// Removes what only other kinds than that of the file have.
fn drop_what_another_kind_has(base: &mut Table, is: impl Fn(&str) -> bool) {
    if !is("replay_all") {
        base.remove("probe");
    }
    if !is("replay_success") && !is("resource_key") {
        base.remove("replay_status");
    }
    if !is("signalled") {
        base.remove("in_progress_needs_signal");
    }
}

/// The rules of the file come first; of the description's, those with the same conditions are replaced, and those are lost
/// that contradict what the file says of keys: they ask for a new one, or are about the status of a stored success.
fn merge_responses(table: &mut Table, file: &mut Table) {
    let of_keys = |field| file.get("idempotency").and_then(|change| change.get(field));
    let never_rotates = of_keys("kind").is_some_and(|kind| kind == "replay_success" || kind == "resource_key");
    let never_rotates = never_rotates || of_keys("body_member").is_some();
    let stored = of_keys("replay_status").cloned();
    let Some(Value::Array(base)) = table.get_mut("responses") else { return };
    let asks_for_a_new_key = |rule: &Value| rule["meaning"] == "key_invalidated" || rule["meaning"] == "not_applied";
    let contradicts =
        |rule: &Value| (never_rotates && asks_for_a_new_key(rule)) || rule.get("status") == stored.as_ref();
    base.retain(|rule| !contradicts(rule));
    if let Some(Value::Array(own)) = file.get_mut("responses") {
        base.retain(|rule| !own.iter().any(|own| has_same_conditions(rule, own)));
        own.append(base);
    }
}

/// Capitals count in pointers only.
fn has_same_conditions(rule: &Value, other: &Value) -> bool {
    let is_same_word = |field: &&str| {
        let word = |rule: &Value| rule.get(field).and_then(Value::as_str).map(str::to_lowercase);
        word(rule) == word(other)
    };
    ["status", "at"].iter().all(|field| rule.get(field) == other.get(field))
        && ["text", "header", "header_value"].iter().all(is_same_word)
}

fn is_same_endpoint(route: &Value, new: &Value) -> bool {
    ["method", "path"].iter().all(|field| route.get(field) == new.get(field))
}

/// Completes the tables that a policy gives in part: a route's with the service's, then all with the defaults.
fn complete_policies(table: &mut Table, kept_routes: usize) {
    let service = match table.get("retry_policy") {
        Some(Value::Object(policy)) => policy.clone(),
        _ => Table::new(),
    };
    if let Some(Value::Array(routes)) = table.get_mut("routes") {
        for route in routes.iter_mut().skip(kept_routes) {
            complete(route.get_mut("retry_policy"), &service);
        }
    }
    complete(table.get_mut("retry_policy"), &Table::new());
}

/// Puts the key rules that a route gives in part over those of the service.
fn complete_keys(table: &mut Table, kept_routes: usize, partial: &[bool]) {
    let Some(Value::Object(service)) = table.get("idempotency").cloned() else { return };
    let Some(Value::Array(routes)) = table.get_mut("routes") else { return };
    for (route, _) in routes.iter_mut().skip(kept_routes).zip(partial).filter(|(_, partial)| **partial) {
        let Some(Value::Object(own)) = route.get_mut("idempotency") else { continue };
        let mut whole = service.clone();
        make_room(&mut whole, own);
        put_over(&mut whole, mem::take(own));
        *own = whole;
    }
}

fn complete(policy: Option<&mut Value>, service: &Table) {
    let Some(Value::Object(policy)) = policy else { return };
    // A first wait that the file does not give fits into a short deadline.
    let deadline = policy.get("deadline").or(service.get("deadline")).and_then(Value::as_str);
    let deadline = deadline.and_then(|text| humantime_serde::re::humantime::parse_duration(text).ok());
    let fitted = |waits: Backoff| Backoff { base: waits.base.min(deadline.unwrap_or(waits.base)), ..waits };
    let defaults = RetryPolicy::new().resolve();
    for (field, default) in [
        ("transient", table_of(&fitted(defaults.transient))),
        ("throttled", table_of(&fitted(defaults.throttled))),
        ("retry_after_jitter", table_of(&defaults.retry_after_jitter)),
    ] {
        let Some(Value::Object(given)) = policy.get_mut(field) else { continue };
        for base in service.get(field).and_then(Value::as_object).into_iter().chain([&default]) {
            for (name, value) in base {
                given.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// A public type as the table that a file would have.
fn table_of(value: &impl Serialize) -> Table {
    match serde_json::to_value(value) {
        Ok(Value::Object(table)) => table,
        other => unreachable!("a description is a table: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::key::{KeyKind, Probe};

    #[test]
    fn another_kind_drops_the_probe_of_the_base() {
        let keys = Idempotency::header("k", KeyKind::ReplayAll).probe(Probe::Never);
        let base = Description { idempotency: keys, ..Description::default() };
        let probe = |change: Value| {
            let file = table_of(&json!({ "idempotency": change }));
            merge(&base, file).table["idempotency"].get("probe").cloned()
        };
        assert_eq!(probe(json!({ "max_length": 64 })), Some(json!("never")));
        assert_eq!(probe(json!({ "kind": "replay_all" })), Some(json!("never")));
        assert_eq!(probe(json!({ "kind": "replay_success" })), None);
        assert_eq!(probe(json!({ "kind": "resource_key", "probe": "once" })), Some(json!("once")));
    }
}
