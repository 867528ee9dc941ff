//! A Metronome on loopback that behaves as documented and fails as told.
//!
//! [`Metronome`] is a real HTTP server for tests: it keeps idempotency keys, uniqueness keys and ingest
//! aliases as Metronome documents them, and its [`Ledger`] says what truly took effect, whatever the
//! client was made to see. What goes wrong is scripted request by request with [`Metronome::script`], or
//! drawn from a seed with [`Metronome::inject`].
//!
//! ```
//! use reqwest_safe_retry::simulator::{Fault, Metronome, Moment};
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
//! # What it leaves out
//! Reads and validation cover what a client of the writes needs; a write it has no special knowledge of is
//! recorded and answered with a fresh id. Keys are kept for as long as the simulator lives, unless
//! [`Metronome::retain_keys_for`] or [`Metronome::prune_keys`] says otherwise. Ids are counted, not random, so that two
//! runs of one test read alike.

mod admission;
mod answer;
mod application;
mod books;
mod course;
mod cut;
mod describe;
mod fault;
mod faults;
mod gateway;
mod keys;
mod ledger;
mod metronome;
mod operation;
mod pause;
mod schedule;
mod server;
mod validation;
mod writes;

pub use fault::{Close, Fault, Moment, RateLimit};
pub use faults::Faults;
pub use ledger::{Entry, Ledger};
pub use metronome::Metronome;
pub use schedule::Received;
