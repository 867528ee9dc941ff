//! The journal in files of its own.

// Tests fail by a panic, measure and wait.
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

mod batches;
mod errors;
mod load;
mod processes;
mod steps;
mod support;
