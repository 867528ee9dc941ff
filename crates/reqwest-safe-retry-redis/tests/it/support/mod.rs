//! Servers for the tests.

pub(crate) mod limited;
pub(crate) mod proxy;
pub(crate) mod redis_server;
