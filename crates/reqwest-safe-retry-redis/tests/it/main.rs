//! The store against a real Redis server. Where there is none, the tests that need it pass and say so.

// Tests fail by a panic, measure and wait.
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

mod conformance;
mod fleet;
mod foreign;
mod load;
mod member;
mod support;
