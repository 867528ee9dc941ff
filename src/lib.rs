//! Safe retries for writes to JSON APIs.
#![forbid(unsafe_code)]

#[cfg(feature = "simulator")]
pub mod simulator;
