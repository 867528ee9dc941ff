//! The state of the account: the ledger, and the views that requests read from it.

mod balances;
mod contracts;
mod customers;
mod data;
mod edits;
mod events;
mod execute;
mod others;
mod pages;
mod parts;

pub(crate) use data::State;
