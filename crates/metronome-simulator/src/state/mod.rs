//! The state of the account: the ledger, and the objects that requests read.

mod alerts;
mod balances;
mod billing;
mod contracts;
mod custom_fields;
mod customers;
mod data;
mod edits;
mod events;
mod invoices;
pub(crate) mod kinds;
mod notifications;
mod objects;
mod others;
mod pages;
mod parts;
mod plans;
mod products;
mod rates;
mod schedules;
mod seed;
mod shapes;
mod terms;
mod values;

pub(crate) use data::{Kind, State};
