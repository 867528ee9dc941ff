//! The store against a real Redis server. Where there is none, the tests that need it pass and say so.

// Tests measure and wait.
#![allow(clippy::disallowed_methods)]

mod conformance;
mod fleet;
mod foreign;
mod load;
mod member;
mod support;
