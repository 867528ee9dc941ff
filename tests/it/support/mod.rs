//! Test support: a scripted transport, a fixed clock, servers on loopback, allocation counters.

pub mod alloc;
pub mod clock;
pub mod collector;
pub mod faults;
pub mod http2;
pub mod profile;
pub mod servers;
pub mod transport;
