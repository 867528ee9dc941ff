//! Writes that outlive their process, recorded in a file: a journal in SQLite for `reqwest-safe-retry`.
//!
//! A process that dies in the middle of a write leaves behind what it has begun. With a [`SqliteJournal`] the next one goes
//! on with the same key, so that the write is applied once.
//!
//! ```
//! use reqwest_safe_retry::{SafeRetry, Service};
//! use reqwest_safe_retry_sqlite::SqliteJournal;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("journal.db");
//! let journal = SqliteJournal::create(&path).await?;
//! let service = Service::metronome().journal(journal);
//! assert_eq!(service.name(), "metronome");
//! let client = SafeRetry::new([service]).client(reqwest::Client::builder())?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! It is for processes of one machine. Several may have one file open, and they take turns. For processes of several
//! machines there is `reqwest-safe-retry-postgres`.
//!
//! # What is promised
//!
//! A step that has returned is on disk (`synchronous = FULL`, on macOS with `fullfsync`), as far as the disk does what it
//! is asked to. It is written in a transaction that locks the file from its start on, so that two processes never see the
//! same entry. Times are those of SQLite's own clock, which is the machine's.
//!
//! # The file
//!
//! It has a [write-ahead log](https://sqlite.org/wal.html) and needs a local disk: on the file system of a network locks
//! and logs are not safe. Next to it are the files `-wal` and `-shm`, which belong to it: do not copy or delete one without
//! the others. Copy a journal with `VACUUM INTO` of the `sqlite3` command, and know that a restored copy has forgotten what
//! was begun since. The user of the process has to be able to write to the directory.
//!
//! Before each step a journal checks whether its file was deleted or replaced. It then opens the new file, or fails if there is
//! none.
//!
//! # The thread
//!
//! Each journal has a thread with its one connection, so that no call blocks a runtime. It commits whatever is queued in
//! one transaction.

#![forbid(unsafe_code)]

mod error;
mod file;
mod journal;
mod rows;
mod thread;

pub use journal::SqliteJournal;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
