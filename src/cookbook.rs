//! Pages to copy from. Each is compiled, and run if it needs no credentials.
//!
//! - [`metronome`]: from an empty `main` to a write that survives a stored error
//! - [`stripe`]: keys of your own, typed error bodies
//! - [`own_service`]: a description of your own
//! - [`config_file`]: services from a file
//! - [`authentication`]: a fresh token for each attempt
//! - [`axum_handler`]: in a web service, which answers errors with its own
//! - [`tracing`]: a span for each attempt
//! - [`testing`]: tests with a simulated service
//! - [`worker`]: an outbox whose writes survive their process
//! - [`temporal`], [`restate`], [`dbos`]: in a durable engine, which may run a step more than once

#[doc = include_str!("../docs/cookbook/authentication.md")]
pub mod authentication {}
#[doc = include_str!("../docs/cookbook/axum_handler.md")]
pub mod axum_handler {}
#[cfg_attr(feature = "config", doc = include_str!("../docs/cookbook/config_file.md"))]
#[cfg_attr(not(feature = "config"), doc = "Services from a file, with the feature `config`.")]
pub mod config_file {}
#[doc = include_str!("../docs/cookbook/dbos.md")]
pub mod dbos {}
#[doc = include_str!("../docs/cookbook/metronome.md")]
pub mod metronome {}
#[doc = include_str!("../docs/cookbook/own_service.md")]
pub mod own_service {}
#[doc = include_str!("../docs/cookbook/restate.md")]
pub mod restate {}
#[doc = include_str!("../docs/cookbook/stripe.md")]
pub mod stripe {}
#[doc = include_str!("../docs/cookbook/temporal.md")]
pub mod temporal {}
#[doc = include_str!("../docs/cookbook/testing.md")]
pub mod testing {}
#[doc = include_str!("../docs/cookbook/tracing.md")]
pub mod tracing {}
#[doc = include_str!("../docs/cookbook/worker.md")]
pub mod worker {}
