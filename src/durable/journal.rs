//! The store in which processes record what they do.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    answer::{Answer, JournalAnswer},
    entry::JournalEntry,
    journal_error::JournalError,
    step::JournalStep,
};
use crate::decide::stop::Applied;

/// A store with one entry for each operation. Give it to a service with [`Service::journal`](crate::Service::journal).
///
/// ```
/// use std::{sync::Mutex, time::SystemTime};
/// use reqwest_safe_retry::{async_trait, durable::{EntryState, testing}};
/// use reqwest_safe_retry::durable::{Journal, JournalAnswer, JournalEntry, JournalError, JournalStep};
///
/// /// A store with room for one row.
/// #[derive(Default)]
/// struct OneRow(Mutex<Option<String>>);
///
/// #[async_trait]
/// impl Journal for OneRow {
///     async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
///         let mut row = self.0.lock().unwrap();
///         let entry = row.as_deref().map(JournalEntry::from_json).transpose()?;
///         let outcome = step.apply(entry, SystemTime::now());
///         if let Some(entry) = outcome.entry {
///             *row = Some(entry.to_json());
///         }
///         Ok(outcome.answer)
///     }
///     async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
///         let row = self.0.lock().unwrap().as_deref().map(JournalEntry::from_json).transpose()?;
///         Ok(row.into_iter().filter(|entry| entry.in_doubt_from().is_some()).take(most).collect())
///     }
///     async fn purge(&self) -> Result<u64, JournalError> {
///         Ok(0)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let journal = OneRow::default();
/// let fence = testing::begin(&journal, "billing", "invoice-7").await?.expect("nothing else holds it");
/// assert_eq!(journal.in_doubt(9).await?[0].state(), EntryState::Begun);
/// assert!(testing::end(&journal, "billing", "invoice-7", fence).await?);
/// assert!(journal.in_doubt(9).await?.is_empty(), "its end is known");
/// # Ok::<_, JournalError>(())
/// # }).unwrap();
/// ```
///
/// [`InMemoryJournal`](super::InMemoryJournal) is for tests; the crates `reqwest-safe-retry-sqlite` and
/// `reqwest-safe-retry-postgres` have journals that outlive a process. An adapter for another store
///
/// - reads the row of the operation, calls [`JournalStep::apply`] and writes the entry that it returns, as if at once: it
///   locks the row, or writes only if the row has not changed. Two steps of one operation never act on the same entry;
/// - returns only once what it wrote is durable;
/// - reads the time from the store itself, not before the row, so that all processes use one clock;
/// - never loses a row: a write whose row is lost after the service has forgotten its key is applied twice.
///
/// [`testing::conformance`](super::testing::conformance) checks the first of these, and that entries are found, listed in
/// order and shortened.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Applies a step to the entry of its operation.
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError>;

    /// The operations in doubt: ended so, or begun by a process that has not come back in its lease. At most so many, the oldest
    /// first. Another run may settle one; what stays needs somebody to look.
    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError>;

    /// Shortens the entries of operations that ended more than twice the service's retention ago: [`JournalEntry::purged`]. What is left refuses another run. Returns how many were shortened.
    ///
    /// Operations in doubt are kept, and all those of services that do not document how long they keep keys. Nothing calls
    /// this by itself.
    async fn purge(&self) -> Result<u64, JournalError>;

    /// Records what somebody has found out about an operation in doubt, which is neither sent nor fetched any more after
    /// [`Applied::Yes`]. [`Applied::No`] lets it run again, as a verdict: with the next key where the service may have stored
    /// an error under the last one. It is refused while an attempt may still be executed, up to
    /// [`longest_attempt`](super::JournalSettings::longest_attempt) after the call. [`Applied::Unknown`] leaves it in doubt.
    ///
    /// # Errors
    ///
    /// If the journal fails, if a process has begun or ended the operation since the entry was read, or if the operation was
    /// not applied but an attempt may still be executed.
    async fn resolve(&self, entry: &JournalEntry, applied: Applied) -> Result<(), JournalError> {
        match self.apply(JournalStep::resolve(entry, applied)).await?.0 {
            Answer::Ended => Ok(()),
            Answer::TooEarly(left) | Answer::RunningElsewhere(left) => {
                let message = format!("an attempt may still be executed: look again in {left:.0?}");
                Err(JournalError::new(message))
            }
            _ => Err(JournalError::new("a process has begun or ended the operation since: read its entry again")),
        }
    }
}

#[async_trait]
impl<J: Journal + ?Sized> Journal for Arc<J> {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        J::apply(self, step).await
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        J::in_doubt(self, most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        J::purge(self).await
    }

    async fn resolve(&self, entry: &JournalEntry, applied: Applied) -> Result<(), JournalError> {
        J::resolve(self, entry, applied).await
    }
}
