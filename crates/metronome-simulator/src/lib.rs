//! A simulated [Metronome](https://docs.metronome.com) billing API on loopback, for tests of API clients.
//!
//! [`Metronome`] is a real HTTP server. It keeps idempotency keys, uniqueness keys and ingest aliases as Metronome
//! documents them, and it injects [faults](Fault): request by request with [`Metronome::script`], or at random from a
//! seed with [`Metronome::inject`]. Its [`Ledger`] lists the writes that took effect, whatever response the client saw.
//!
//! ```
//! use metronome_simulator::{Fault, Metronome, Moment};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let metronome = Metronome::start().await?;
//! metronome.script([Some(Fault::gateway(504, Moment::After))]);
//!
//! let response = reqwest::Client::new()
//!     .post(format!("{}/v1/customers", metronome.base_url()))
//!     .bearer_auth(metronome.token())
//!     .body(r#"{"name":"Acme"}"#)
//!     .send()
//!     .await?;
//!
//! assert_eq!(response.status(), 504);
//! assert_eq!(metronome.ledger().on("/v1/customers").count(), 1);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```
//!
//! # What it serves
//!
//! All 126 endpoints of the vendor's Python SDK 4.12.0, in the types of that SDK: `script/vendor-sdk` in the repository
//! holds them to it, with the clients of Python and Node. Unknown paths get a 404. Lists are read page by page, and can be
//! [behind](Metronome::set_list_lag).
//!
//! # Limitations
//!
//! - Nothing is billed: usage makes no invoices and no costs, and sets no alert off. Such lists are empty.
//! - The ids of products, rate cards and subscriptions that a request names need not exist; those of customers, contracts,
//!   commits and credits must.
//! - Recurring schedules are not spread over time, and overrides are not applied to rates.
//! - The endpoints that are in the specification and in no SDK are recorded and answer with a new id.
//! - Archiving twice is rejected with a 400 (a package: 422). The vendor's pages differ on that.
//! - Stored results never expire, unless [`Metronome::retain_keys_for`] or [`Metronome::prune_keys`] is called.
//! - Ids are counted, not random: two runs of a test get the same ids.
#![forbid(unsafe_code)]

mod account;
mod application;
mod call;
mod close;
mod control;
mod dispatch;
mod fault;
mod faults;
mod gateway;
mod keys;
mod ledger;
mod metronome;
mod observer;
mod operation;
mod operations;
mod rate_limit;
mod received;
mod reply;
mod request;
mod route;
mod runtime;
mod scenario;
mod schedule;
mod script;
mod server;
mod state;
mod text;
mod unfinished;
mod validation;

pub use close::Close;
pub use fault::{Fault, Moment};
pub use faults::Faults;
pub use ledger::{Entry, Ledger};
pub use metronome::Metronome;
pub use observer::Stage;
pub use rate_limit::RateLimit;
pub use received::Received;
pub use script::{Script, ScriptError};
pub use text::FaultError;

/// Compiles and runs the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
