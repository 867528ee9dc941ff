//! The record of a received request.

use http::Method;

use crate::fault::Fault;

/// A request that the simulator received, and the fault it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The value of the `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The injected fault, if any.
    pub fault: Option<Fault>,
}
