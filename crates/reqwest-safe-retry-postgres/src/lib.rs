//! Writes that outlive their process, recorded in a database: a journal in PostgreSQL for `reqwest-safe-retry`.
//!
//! A process that dies in the middle of a write leaves behind what it has begun. With a [`PostgresJournal`] another one,
//! of this machine or of another, goes on with the same key, so that the write is applied once.
//!
//! ```no_run
//! use reqwest_safe_retry::{SafeRetry, Service};
//! use reqwest_safe_retry_postgres::PostgresJournal;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let journal = PostgresJournal::connect("postgres://billing@db.internal/billing").await?;
//! journal.create_schema().await?;
//! let service = Service::metronome().journal(journal);
//! assert_eq!(service.name(), "metronome");
//! let client = SafeRetry::new([service]).client(reqwest::Client::builder())?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! A step that has returned is on the server's disk, also where `synchronous_commit` is off for others; not on a server
//! with `fsync` off. Two processes never act on the same entry: what a step writes takes effect if the row is still what it
//! has read, and otherwise the step is applied anew. Times are those of the server's clock.
//!
//! A standby that takes over must have all that was committed: with asynchronous replication it may lack the last steps.
//! Writes that were begun in them may then be applied twice, once the service has forgotten their keys. Use
//! [`synchronous_standby_names`](https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION).
//!
//! # While the server is away
//!
//! A step fails within [its time](PostgresJournal::timeout), four seconds by default, and the call that makes it is not
//! sent. Nothing has to be restarted when the server comes back: lost connections are replaced.
//!
//! # TLS, and poolers
//!
//! [`connect`](PostgresJournal::connect) has no TLS. For TLS give [`new`](PostgresJournal::new) a pool with the
//! implementation that the program already uses. Each statement is a transaction of its own and not prepared, as a pooler
//! such as PgBouncer needs it; the tests use none.
//!
//! PostgreSQL 12 or later.

#![forbid(unsafe_code)]

mod error;
mod journal;
mod rows;
mod schema;
mod server;

// Of which a caller makes a pool: of these versions.
pub use deadpool_postgres;
pub use tokio_postgres;

pub use journal::PostgresJournal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
