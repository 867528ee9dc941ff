//! Writes that outlive the process that began them: operations, the keys that follow from them, and the journal in which
//! processes record what they do.
//!
//! A job that runs at least once names its write with an [`Operation`](crate::Operation): each run then sends the same key.
//! That is enough for a service that keeps the result under the key, while it keeps it. A [`Journal`] adds what a key alone
//! cannot: which key an earlier process went on with, when it was first sent, and how the operation has ended.
//!
//! A service that executes two requests with one key at once
//! ([`ConcurrentRequests::Executed`](crate::ConcurrentRequests::Executed)) needs a journal: without one, nothing keeps a later
//! run from sending the key while that of an earlier one is executed.
//!
//! ```
//! use reqwest_safe_retry::{RequestBuilderExt, SafeRetry, Service, durable::InMemoryJournal};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // In memory for tests; `reqwest-safe-retry-sqlite` and `reqwest-safe-retry-postgres` outlive the process.
//! let service = Service::metronome().journal(InMemoryJournal::default());
//! let client = SafeRetry::new([service]).client(reqwest::Client::builder())?;
//! let url = "https://api.metronome.com/v1/contracts/create";
//! client.post(url).operation("customer-12/contract-2026").body("{}").send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What happens when a process dies
//!
//! | what happens | what follows |
//! |---|---|
//! | the process dies before the operation is begun in the journal | nothing was sent; the next run sends the first key |
//! | it dies after that, after the send, or in a wait | the next run goes on with the same key, in doubt |
//! | it dies after a new key is recorded, before it is sent | the next run sends the new key, in doubt about it only |
//! | it is suspended until its lease has passed, and goes on | it begins again, and learns what another process has done |
//! | the journal has lost the entry while the service keeps the key | the first key follows from the operation; its stored error comes back, and the verifier finds the effect of a second one |
//! | the journal has lost the entry after that | the write is applied twice: a journal must not lose entries |
//! | the machine sleeps until the key is forgotten | [`StopReason::KeyExpired`](crate::StopReason::KeyExpired), not sent |
//! | the clock of the journal jumps back | a clock behind a recorded time counts as too late for the key |
//!
//! # The rules
//!
//! - An operation is begun in the journal before anything is sent. If that fails, nothing is sent:
//!   [`StopReason::JournalUnavailable`](crate::StopReason::JournalUnavailable). Reads, and calls without an operation, do not
//!   touch the journal.
//! - One process holds an operation, for its lease: the deadline of the call, unless
//!   [set](JournalSettings::lease). Attempts start within the lease only. Another process meanwhile ends with
//!   [`StopReason::RunningElsewhere`](crate::StopReason::RunningElsewhere), or [waits](JournalSettings::wait_for_running).
//! - What a process has sent may be executed until its lease has passed and
//!   [`longest_attempt`](JournalSettings::longest_attempt) more. Until then a verdict "not applied" does not count.
//! - A key is sent again only while the service keeps it for the rest of the call. If the service does not say how long it
//!   keeps keys, only the call that began it sends it. Afterwards the verifier decides.
//! - A write without a key is never sent again by a later process: it is looked up, or stays in doubt.
//! - What has succeeded is not done again. While the key lasts a later run sends it once more, only to fetch the response; if
//!   that fails, its error still says `applied = Yes`.
//! - What ended without an effect can be run again, as if for the first time. What somebody has resolved as not applied goes on
//!   with the next key where the service may have stored an error under the last one.
//! - Another request under the same operation is refused:
//!   [`ErrorKind::PayloadMismatch`](crate::ErrorKind::PayloadMismatch). See [`Operation::about`](crate::Operation::about).
//! - What is in doubt is listed by [`Journal::in_doubt`], until a later run settles it or somebody
//!   [resolves](Journal::resolve) it.
//!
//! # What to do about an error
//!
//! [`Error::advice`](crate::Error::advice) puts the three facts of an error into one:
//!
//! | `applied()` | when | advice |
//! |---|---|---|
//! | `Yes` | always | `Done` |
//! | `No` | a final answer; or an error is stored under the last key that a later call could use | `Never` |
//! | `No` | not sent, throttled, out of time, attempts or budget | `SameKeyAfter` |
//! | `Unknown` | a repeat does nothing more, by the service's description | `SameKeyAfter` |
//! | `Unknown` | a later call reaches the same key, and the key protects it | `SameKeyAfter`, with `not_after` |
//! | `Unknown` | the journal is not available, or another process holds the operation | `SameKeyAfter` |
//! | `Unknown` | no key; a key that only this call has; one under which an error is stored, or that is forgotten; a final answer | `LookFirst` |
//!
//! Only a journal remembers that an error is stored under the key of an operation. Without one the advice stays `SameKeyAfter`
//! until the service may have forgotten the key.
//!
//! A later call reaches the same key if the request has an operation or a key of the caller's. A key that the layer has made is
//! only in the error's [record](crate::Error::record): [resume](crate::RequestBuilderExt::resume) from it in place of looking.
//!
//! # Writing a journal
//!
//! A journal is a store with one entry for each operation. An adapter for a store keeps the entries; what becomes of one is
//! decided by [`JournalStep::apply`], a function of the entry and the store's time. The adapter calls it within a
//! transaction:
//!
//! ```
//! use std::time::SystemTime;
//! use reqwest_safe_retry::durable::{JournalAnswer, JournalEntry, JournalError, JournalStep};
//!
//! /// What an adapter does within a transaction: `stored` is the text in the row, or `None` if there is no row.
//! fn apply(
//!     step: &JournalStep,
//!     stored: Option<&str>,
//!     now: SystemTime,
//! ) -> Result<(Option<String>, JournalAnswer), JournalError> {
//!     let entry = stored.map(JournalEntry::from_json).transpose()?;
//!     let outcome = step.apply(entry, now);
//!     Ok((outcome.entry.map(|entry| entry.to_json()), outcome.answer))
//! }
//! # let _ = apply;
//! ```

pub(crate) mod answer;
pub(crate) mod digest;
pub(crate) mod entry;
pub(crate) mod in_memory;
pub(crate) mod journal;
pub(crate) mod journal_error;
pub(crate) mod operation;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod step;
#[cfg(test)]
mod step_tests;
pub mod testing;

pub use self::{
    answer::{JournalAnswer, JournalOutcome},
    entry::{EntryState, JournalEntry},
    in_memory::InMemoryJournal,
    journal::Journal,
    journal_error::JournalError,
    settings::JournalSettings,
    step::JournalStep,
};
