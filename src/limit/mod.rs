//! The retry budget of a service, and its concurrency limit: the queue, and a separate limit per limit key.

pub(crate) mod aimd;
pub(crate) mod budget;
pub(crate) mod concurrency_limit;
pub(crate) mod limiter;
pub(crate) mod limiters;
pub(crate) mod permit;
pub(crate) mod state;
pub(crate) mod waiter;
