//! The deciding core of reqwest-safe-retry, compiled with `std` and `http` alone.
#![allow(dead_code, missing_docs, unused_imports, rustdoc::all)]

#[path = "../../../src/decide/mod.rs"]
pub mod decide;
