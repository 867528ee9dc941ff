//! The journal in a real server. Where there is none, the tests that need it pass and say so.

// Tests fail by a panic, measure and wait.
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

mod errors;
mod load;
mod pools;
mod restarts;
#[path = "../../../reqwest-safe-retry-sqlite/tests/it/steps.rs"]
mod steps;
mod support;
