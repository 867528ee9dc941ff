//! What is read off the wire: transport failures, waits, bounded bodies, JSON members.

pub(crate) mod body;
pub(crate) mod causes;
mod chunk;
pub(crate) mod failure;
pub(crate) mod head;
pub(crate) mod json;
pub(crate) mod json_insert;
#[cfg(test)]
mod json_tests;
pub(crate) mod query;
pub(crate) mod redirect;
pub(crate) mod retry_after;
pub(crate) mod units;
pub(crate) mod whole;
