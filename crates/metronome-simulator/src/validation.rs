//! Validates request bodies.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::call::Call;
use crate::runtime::parse_rfc_3339;

const MAX_KEY_CHARS: usize = 128;
const MAX_BATCH: usize = 100;

/// How old an event may be.
const MAX_AGE: Duration = Duration::from_secs(34 * 24 * 60 * 60);

/// The error is the message of the 400.
type Validation = Result<(), String>;

/// Checks the fields of a request, at this time.
pub(crate) fn validate(call: &Call, now: SystemTime) -> Validation {
    let body = &call.body;
    let is_missing = |field: &&&str| matches!(call.field(field), Value::Null) || call.field(field) == "";
    if let Some(missing) = call.route.required.iter().find(is_missing) {
        return Err(format!("{missing} is required"));
    }
    match call.route.path {
        "/v1/customers" | "/v1/customers/{customer_id}/setIngestAliases" => aliases(body),
        "/v2/contracts/edit" => subscriptions(body),
        "/v1/contracts/addManualBalanceLedgerEntry" => amount(body),
        "/v1/ingest" => batch(body, now),
        "/v1/events/search" => transaction_ids(body),
        _ => Ok(()),
    }?;
    uniqueness_key(body)
}

fn requires(body: &Value, fields: &[&str]) -> Validation {
    match fields.iter().find(|field| !is_text(&body[**field])) {
        Some(missing) => Err(format!("{missing} is required")),
        None => Ok(()),
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_short_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| (1..=MAX_KEY_CHARS).contains(&text.chars().count()))
}

fn uniqueness_key(body: &Value) -> Validation {
    let key = &body["uniqueness_key"];
    if key.is_null() || is_short_text(key) {
        Ok(())
    } else {
        Err("uniqueness_key must have 1 to 128 characters".to_owned())
    }
}

fn aliases(body: &Value) -> Validation {
    let valid = match &body["ingest_aliases"] {
        Value::Null => true,
        Value::Array(aliases) => aliases.iter().all(is_short_text),
        _ => false,
    };
    if valid { Ok(()) } else { Err("ingest_aliases must be strings of 1 to 128 characters".to_owned()) }
}

fn subscriptions(body: &Value) -> Validation {
    let mut updates = body["update_subscriptions"].as_array().into_iter().flatten();
    updates
        .try_for_each(|update| requires(update, &["subscription_id"]))
        .map_err(|why| format!("update_subscriptions: {why}"))
}

fn amount(body: &Value) -> Validation {
    if body["amount"].is_number() { Ok(()) } else { Err("amount must be a number".to_owned()) }
}

fn transaction_ids(body: &Value) -> Validation {
    match &body["transactionIds"] {
        Value::Array(ids) if ids.iter().all(is_text) => Ok(()),
        _ => Err("transactionIds must be an array of strings".to_owned()),
    }
}

fn batch(body: &Value, now: SystemTime) -> Validation {
    let events = body.as_array().ok_or("the body must be an array of events")?;
    if !(1..=MAX_BATCH).contains(&events.len()) {
        return Err("the body must hold 1 to 100 events".to_owned());
    }
    let invalid = |(index, event)| self::event(event, now).err().map(|why| format!("event {index}: {why}"));
    match events.iter().enumerate().find_map(invalid) {
        Some(message) => Err(message),
        None => Ok(()),
    }
}

fn event(event: &Value, now: SystemTime) -> Validation {
    requires(event, &["transaction_id", "customer_id", "event_type", "timestamp"])?;
    if !is_short_text(&event["transaction_id"]) {
        return Err("transaction_id must have 1 to 128 characters".to_owned());
    }
    let time = event["timestamp"].as_str().and_then(parse_rfc_3339);
    let time = time.ok_or("timestamp must have the format of RFC 3339")?;
    if now.duration_since(time).is_ok_and(|age| age > MAX_AGE) {
        return Err("timestamp must not be older than 34 days".to_owned());
    }
    Ok(())
}
