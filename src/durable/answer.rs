//! What a journal answers to a step.

use std::time::Duration;

use super::entry::{JournalEntry, Key};
use crate::decide::stop::Applied;

/// What a step makes of an entry: for the adapter, which writes the entry and returns the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct JournalOutcome {
    /// The entry to be written; `None` if the row stays as it is.
    pub entry: Option<JournalEntry>,
    /// What the call is told.
    pub answer: JournalAnswer,
}

/// What a journal answers to a step.
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
