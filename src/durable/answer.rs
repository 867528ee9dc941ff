//! What a journal answers to a step.

use std::time::Duration;

use super::entry::{JournalEntry, Key};
use crate::decide::stop::Applied;

/// What a step makes of an entry: for the adapter, which writes the entry and returns the answer.
///
/// ```
/// use std::time::SystemTime;
/// use reqwest_safe_retry::durable::{JournalEntry, JournalOutcome, JournalStep};
///
/// /// What becomes of the row: `None` leaves it as it is.
/// fn next_row(step: &JournalStep, row: Option<JournalEntry>, now: SystemTime) -> Option<String> {
///     let JournalOutcome { entry, answer: _ } = step.apply(row, now);
///     entry.map(|entry| entry.to_json())
/// }
///
/// # use reqwest_safe_retry::{async_trait, durable::*};
/// # struct Rows(std::sync::Mutex<Vec<Option<String>>>);
/// # #[async_trait]
/// # impl Journal for Rows {
/// #     async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
/// #         let row = next_row(&step, None, SystemTime::UNIX_EPOCH);
/// #         self.0.lock().unwrap().push(row);
/// #         Ok(step.apply(None, SystemTime::UNIX_EPOCH).answer)
/// #     }
/// #     async fn in_doubt(&self, _: usize) -> Result<Vec<JournalEntry>, JournalError> { Ok(Vec::new()) }
/// #     async fn purge(&self) -> Result<u64, JournalError> { Ok(0) }
/// # }
/// # let rows = Rows(std::sync::Mutex::default());
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// #     testing::begin(&rows, "billing", "invoice-7").await.unwrap();
/// #     testing::end(&rows, "billing", "invoice-7", 1).await.unwrap();
/// # });
/// # let written: Vec<_> = rows.0.into_inner().unwrap().iter().map(Option::is_some).collect();
/// assert_eq!(written, [true, false], "a beginning makes a row; an end without one is refused");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct JournalOutcome {
    /// The entry to be written; `None` if the row stays as it is.
    pub entry: Option<JournalEntry>,
    /// What the call is told.
    pub answer: JournalAnswer,
}

/// What a journal answers to a step.
///
/// ```
/// # use reqwest_safe_retry::{async_trait, durable::JournalEntry};
/// use reqwest_safe_retry::durable::{InMemoryJournal, Journal, JournalAnswer, JournalError, JournalStep, testing};
///
/// /// Keeps the last answer, to look at it.
/// #[derive(Default)]
/// struct Watched(InMemoryJournal, std::sync::Mutex<Option<JournalAnswer>>);
///
/// #[async_trait]
/// impl Journal for Watched {
///     async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
///         let answer = self.0.apply(step).await?;
///         *self.1.lock().unwrap() = Some(answer.clone());
///         Ok(answer)
///     }
/// #     async fn in_doubt(&self, _: usize) -> Result<Vec<JournalEntry>, JournalError> { Ok(Vec::new()) }
/// #     async fn purge(&self) -> Result<u64, JournalError> { Ok(0) }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (first, second) = (Watched::default(), Watched::default());
/// for journal in [&first, &first, &second] {
///     testing::begin(journal, "billing", "invoice-7").await.unwrap();
/// }
/// let answer = |journal: Watched| format!("{:?}", journal.1.into_inner().unwrap().unwrap());
/// assert!(answer(first).contains("RunningElsewhere") && answer(second).contains("Begun"));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalAnswer(pub(crate) Answer);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call holds the operation now.
    Begun(Held),
    /// Another process holds it, for at most so long.
    RunningElsewhere(Duration),
    /// It took effect earlier, under this key.
    Applied(Held),
    /// It has ended so, and is neither run nor fetched again.
    Closed(Applied),
    /// It was begun with another request, which has ended so.
    OtherRequest(Applied),
    /// The new key is recorded.
    Rotated,
    /// An attempt of an earlier process may still be executed, for so long.
    TooEarly(Duration),
    /// Another process has begun the operation since.
    Fenced,
    /// The ending is recorded.
    Ended,
}

/// What a call learns of the operation that it holds. Times are relative to the store's clock at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Grows with every process that begins the operation.
    pub(crate) fence: u64,
    pub(crate) key: Option<Key>,
    /// 0 for the first key.
    pub(crate) generation: u32,
    /// How long ago the key was first used.
    pub(crate) age: Duration,
    /// For how long an attempt of an earlier process may still be executed; `None` if there is none.
    pub(crate) earlier: Option<Duration>,
    /// Somebody has found that it was not applied: the key may be used up.
    pub(crate) is_resolved: bool,
    /// The store's clock is behind a time that it has recorded.
    pub(crate) clock_is_behind: bool,
}
