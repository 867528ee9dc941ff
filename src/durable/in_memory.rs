//! A journal in the memory of one process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{
    answer::JournalAnswer, entry::JournalEntry, journal::Journal, journal_error::JournalError, step::JournalStep,
};
use crate::time::{Clock, SystemClock};

/// A [`Journal`] in memory, for tests: it ends with its process. Clones share their entries.
///
/// ```
/// use reqwest_safe_retry::durable::{InMemoryJournal, testing};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let journal = InMemoryJournal::default();
/// let of_another_service = journal.clone();
/// assert!(testing::begin(&journal, "billing", "invoice-7").await.unwrap().is_some());
/// assert!(testing::begin(&of_another_service, "billing", "invoice-7").await.unwrap().is_none(), "it is held");
/// # });
/// ```
#[derive(Clone)]
pub struct InMemoryJournal {
    /// Each as text, as another store would have it.
    entries: Arc<Mutex<HashMap<[String; 3], String>>>,
    clock: Arc<dyn Clock>,
}

impl InMemoryJournal {
    /// Takes the store's time from here; for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    fn update(&self, step: &JournalStep) -> Result<JournalAnswer, JournalError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let name = [step.service(), step.scope(), step.operation()].map(str::to_owned);
        let entry = entries.get(&name).map(|text| JournalEntry::from_json(text)).transpose()?;
        let outcome = step.apply(entry, self.clock.wall());
        if let Some(entry) = outcome.entry {
            entries.insert(name, entry.to_json());
        }
        Ok(outcome.answer)
    }

    fn now(&self) -> i64 {
        let since = self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for InMemoryJournal {
    fn default() -> Self {
        Self { entries: Arc::default(), clock: Arc::new(SystemClock) }
    }
}

#[async_trait]
impl Journal for InMemoryJournal {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        self.update(&step)
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        let now = self.now();
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut doubtful: Vec<_> =
            entries.values().map(|text| JournalEntry::from_json(text)).collect::<Result<_, _>>()?;
        doubtful.retain(|entry| entry.in_doubt_from().is_some_and(|from| from <= now));
        doubtful.sort_by_key(JournalEntry::in_doubt_from);
        doubtful.truncate(most);
        Ok(doubtful)
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        let now = self.now();
        let mut purged = 0;
        for text in self.entries.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            let entry = JournalEntry::from_json(text)?;
            if entry.purge_from().is_some_and(|from| from <= now) {
                *text = entry.purged().to_json();
                purged += 1;
            }
        }
        Ok(purged)
    }
}

impl fmt::Debug for InMemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryJournal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        decide::stop::Applied,
        durable::{
            step::{Begin, Ended},
            testing::{self, first},
        },
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn journal_keeps_its_promises() {
        testing::conformance(Arc::new(InMemoryJournal::default())).await;
    }

    #[tokio::test]
    async fn purge_counts_what_it_shortens() {
        let journal = InMemoryJournal::default();
        for (operation, retention) in [("a", Some(Duration::ZERO)), ("b", Some(Duration::ZERO)), ("c", None)] {
            let place = ("billing", "", operation);
            journal.apply(JournalStep::begin(place, Begin { retention, ..first(Duration::ZERO) })).await.unwrap();
            journal.apply(JournalStep::end(place, 1, Ended::new(Applied::Yes))).await.unwrap();
        }
        assert_eq!([journal.purge().await.unwrap(), journal.purge().await.unwrap()], [2, 0]);
    }
}
