//! The integration tests, in one binary, at three heights:
//! - `tables`: the pure core, by data
//! - `scripted`: the loop over a scripted transport under a paused clock, without sockets
//! - `wire`: real connections over loopback, in real time
//!
//! And `cli` runs the program; `figures` draws those of the guide.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, unreachable_pub)]

#[cfg(feature = "cli")]
mod cli;
mod conformance;
mod doc_examples;
mod figures;
mod scripted;
mod structure;
mod support;
mod tables;
mod wire;
