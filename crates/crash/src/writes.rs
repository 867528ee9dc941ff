//! The writes. Only the key keeps each from being applied twice, and each has a text that it alone has.

use serde_json::{Value, json};

use crate::accounts::{ADD_ENTRY, Account, CUSTOMERS};

pub(crate) const EDIT: &str = "/v2/contracts/edit";

/// Where an edit has the id of its subscription; every edit of this program changes one of its own.
pub(crate) const SUBSCRIPTION: &str = "/update_subscriptions/0/subscription_id";

/// Path and body of the write with this number: seat deltas and balance entries in turn, and some customers. None has
/// what the service recognises a repeat by, such as a `uniqueness_key`.
pub(crate) fn write(number: usize, accounts: &[Account]) -> (&'static str, Value) {
    let account = &accounts[number / 2 % accounts.len()];
    let name = name(number);
    if number.is_multiple_of(10) {
        return (CUSTOMERS, json!({ "name": name }));
    }
    if number.is_multiple_of(2) {
        let delta = json!({ "starting_at": "2026-07-01T00:00:00Z", "quantity_delta": 1 + number % 9 });
        let body = json!({
            "customer_id": account.customer, "contract_id": account.contract,
            "update_subscriptions": [{ "subscription_id": name, "quantity_updates": [delta] }],
        });
        return (EDIT, body);
    }
    (ADD_ENTRY, account.entry(1 + number % 100, &name))
}

/// The text that the write with this number alone has.
fn name(number: usize) -> String {
    format!("write-{number}")
}

/// The number of the write with this effect, if it is one of this program.
pub(crate) fn number_of(path: &str, body: &Value) -> Option<usize> {
    let pointer = match path {
        CUSTOMERS => "/name",
        EDIT => SUBSCRIPTION,
        ADD_ENTRY => "/reason",
        _ => return None,
    };
    body.pointer(pointer)?.as_str()?.strip_prefix("write-")?.parse().ok()
}
