//! The error of a call: what the service said, why retrying stopped, whether the write took effect.

pub(crate) mod call_error;
pub(crate) mod callee;
pub(crate) mod details;
pub(crate) mod display;
#[allow(clippy::module_inception)]
pub(crate) mod error;
pub(crate) mod find;
pub(crate) mod kind;
pub(crate) mod not_sent;
pub(crate) mod one_line;
pub(crate) mod script_exhausted;
pub(crate) mod secrets;
