//! What the tests stand on: a scripted transport, pinned clocks, servers on loopback, counters.

pub mod alloc;
pub mod clock;
pub mod collector;
pub mod faults;
pub mod http2;
pub mod profile;
pub mod servers;
pub mod transport;
