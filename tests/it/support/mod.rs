//! What the tests stand on: a scripted transport, pinned clocks, servers on loopback.

pub mod clock;
pub mod faults;
pub mod profile;
pub mod transport;
