//! Validates request bodies.

use serde_json::Value;

use crate::operation::Operation;

const MAX_KEY_CHARS: usize = 128;
const MAX_BATCH: usize = 100;

/// The error is the message of the 400.
type Validation = Result<(), String>;

/// Checks the body of a request.
pub(crate) fn validate(operation: &Operation, body: &Value) -> Validation {
    match operation {
        Operation::CreateCustomer => requires(body, &["name"]).and_then(|()| aliases(body)),
        Operation::CreateContract => requires(body, &["customer_id", "starting_at"]),
        Operation::EditContract => requires(body, &["customer_id", "contract_id"]).and_then(|()| subscriptions(body)),
        Operation::GetContract | Operation::ListEdits => requires(body, &["customer_id", "contract_id"]),
        Operation::ListContracts | Operation::ListBalances => requires(body, &["customer_id"]),
        Operation::AddBalanceEntry => balance_entry(body),
        Operation::Ingest => batch(body),
        Operation::SearchEvents => transaction_ids(body),
        Operation::RemoveCustomField => requires(body, &["entity", "key"]),
        Operation::ListCustomers | Operation::GetCustomer(_) | Operation::OtherWrite => Ok(()),
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

fn balance_entry(body: &Value) -> Validation {
    requires(body, &["customer_id", "id", "segment_id", "reason"])?;
    if body["amount"].is_number() { Ok(()) } else { Err("amount must be a number".to_owned()) }
}

fn transaction_ids(body: &Value) -> Validation {
    match &body["transactionIds"] {
        Value::Array(ids) if ids.iter().all(is_text) => Ok(()),
        _ => Err("transactionIds must be an array of strings".to_owned()),
    }
}

fn batch(body: &Value) -> Validation {
    let events = body.as_array().ok_or("the body must be an array of events")?;
    if !(1..=MAX_BATCH).contains(&events.len()) {
        return Err("the body must hold 1 to 100 events".to_owned());
    }
    let invalid = |(index, event)| self::event(event).err().map(|why| format!("event {index}: {why}"));
    match events.iter().enumerate().find_map(invalid) {
        Some(message) => Err(message),
        None => Ok(()),
    }
}

fn event(event: &Value) -> Validation {
    requires(event, &["transaction_id", "customer_id", "event_type", "timestamp"])?;
    if is_short_text(&event["transaction_id"]) {
        Ok(())
    } else {
        Err("transaction_id must have 1 to 128 characters".to_owned())
    }
}
