//! Tables over the pure core: no clock, no transport, only data.

#[cfg(feature = "serde")]
mod config;
mod decide;
mod explain;
mod fuzz;
mod ladder;
mod properties;
mod services;
mod setup;
