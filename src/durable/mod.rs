//! Writes that outlive the process that began them: operations, the keys that follow from them, and the journal in which
//! processes record what they do.
//!
//! A [`Journal`] is a store with one entry for each [`Operation`](crate::Operation). An adapter for a store keeps the
//! entries; what becomes of one is decided by [`JournalStep::apply`], a function of the entry and the store's time. The
//! adapter calls it within a transaction:
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
pub(crate) mod settings;
pub(crate) mod step;
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
