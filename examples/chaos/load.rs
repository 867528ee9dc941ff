//! What is written and read: each write has something in its body that it alone has.

use std::{fmt, time::SystemTime};

use http::Method;
use serde_json::{Value, json};

use crate::accounts::{ADD_ENTRY, Account, CUSTOMERS};

pub(crate) const GET_CONTRACT: &str = "/v2/contracts/get";
pub(crate) const EDIT: &str = "/v2/contracts/edit";
pub(crate) const LIST_BALANCES: &str = "/v1/contracts/customerBalances/list";
pub(crate) const INGEST: &str = "/v1/ingest";

/// Where an edit has the id of its subscription; every edit of this program changes one of its own.
pub(crate) const SUBSCRIPTION: &str = "/update_subscriptions/0/subscription_id";

const EVENTS: usize = 6;

/// One call, before it belongs to a client.
pub(crate) struct Message {
    pub(crate) number: Number,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// How many writes and reads there are.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) writes: usize,
    pub(crate) reads: usize,
}

/// The number of a call among those of its kind. Its text is the identity that the faults are drawn by: the same in every
/// attempt and for every client.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Write(usize),
    Read(usize),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(number) => write!(f, "write-{number}"),
            Self::Read(number) => write!(f, "read-{number}"),
        }
    }
}

impl Load {
    /// Writes and reads, evenly mixed.
    pub(crate) fn numbers(self) -> impl Iterator<Item = Number> {
        let total = self.writes + self.reads;
        (0..total).map(move |index| {
            let before = index * self.writes / total;
            let is_write = (index + 1) * self.writes / total > before;
            if is_write { Number::Write(before) } else { Number::Read(index - before) }
        })
    }
}

impl Message {
    pub(crate) fn new(number: Number, accounts: &[Account]) -> Self {
        match number {
            Number::Write(number) => write(number, accounts),
            Number::Read(number) => read(number, accounts),
        }
    }

    fn post(number: Number, path: &str, body: Value) -> Self {
        Self { number, method: Method::POST, path: path.to_owned(), body: Some(body) }
    }
}

/// The write with this number: customers, seat deltas, balance entries and batches of events in turn. Every other
/// customer has an ingest alias, every other seat delta a `uniqueness_key`.
fn write(number: usize, accounts: &[Account]) -> Message {
    let round = number / 4;
    let is_guarded = round % 2 == 0;
    let account = &accounts[round % accounts.len()];
    let (path, body) = match number % 4 {
        0 => (CUSTOMERS, customer(number, is_guarded)),
        1 => (EDIT, edit(number, is_guarded, account)),
        2 => (ADD_ENTRY, account.entry(1 + number % 100, &name(number))),
        _ => (INGEST, (0..EVENTS).map(|event| self::event(number, event, account)).collect()),
    };
    Message::post(Number::Write(number), path, body)
}

fn read(number: usize, accounts: &[Account]) -> Message {
    let place = Number::Read(number);
    let Account { customer, contract, .. } = &accounts[number / 3 % accounts.len()];
    match number % 3 {
        0 => Message { number: place, method: Method::GET, path: format!("{CUSTOMERS}/{customer}"), body: None },
        1 => Message::post(place, GET_CONTRACT, json!({ "customer_id": customer, "contract_id": contract })),
        _ => Message::post(place, LIST_BALANCES, json!({ "customer_id": customer })),
    }
}

/// What takes effect by the write with this number, each by what tells it from every other.
pub(crate) fn effects(number: usize) -> Vec<String> {
    match number % 4 {
        3 => (0..EVENTS).map(|event| transaction_id(number, event)).collect(),
        _ => vec![name(number)],
    }
}

/// What tells an effect from every other.
pub(crate) fn effect<'a>(path: &str, body: &'a Value) -> Option<&'a str> {
    let pointer = match path {
        CUSTOMERS => "/name",
        EDIT => SUBSCRIPTION,
        ADD_ENTRY => "/reason",
        INGEST => "/transaction_id",
        _ => return None,
    };
    body.pointer(pointer)?.as_str()
}

fn name(number: usize) -> String {
    match number % 4 {
        0 => format!("customer-{number}"),
        1 => format!("seats-{number}"),
        _ => format!("entry-{number}"),
    }
}

fn transaction_id(number: usize, event: usize) -> String {
    format!("event-{number}-{event}")
}

fn customer(number: usize, with_alias: bool) -> Value {
    let mut body = json!({ "name": name(number) });
    if with_alias {
        body["ingest_aliases"] = json!([format!("alias-{number}")]);
    }
    body
}

fn edit(number: usize, with_key: bool, account: &Account) -> Value {
    let delta = json!({ "starting_at": "2026-07-01T00:00:00Z", "quantity_delta": 1 + number % 9 });
    let mut body = json!({
        "customer_id": account.customer, "contract_id": account.contract,
        "update_subscriptions": [{ "subscription_id": name(number), "quantity_updates": [delta] }],
    });
    if with_key {
        body["uniqueness_key"] = json!(format!("edit-{number}"));
    }
    body
}

fn event(number: usize, event: usize, account: &Account) -> Value {
    json!({
        "transaction_id": transaction_id(number, event), "customer_id": account.customer,
        "event_type": "api_call", "timestamp": today(),
    })
}

/// The service rejects events that are older than 34 days.
// The crate itself reads the clock in one file only; a program may where it likes.
#[allow(clippy::disallowed_methods)]
fn today() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
