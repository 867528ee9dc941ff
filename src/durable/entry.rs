//! What a journal keeps of one operation.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::journal_error::JournalError;
use crate::decide::stop::Applied;

/// What a journal keeps of one operation.
///
/// ```
/// use reqwest_safe_retry::{RequestBuilderExt, SafeRetry, Service};
/// use reqwest_safe_retry::durable::{InMemoryJournal, Journal, JournalEntry};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let journal = InMemoryJournal::default();
/// let layer = SafeRetry::new([Service::metronome().journal(journal.clone())]);
/// let client = ScriptedTransport::new([500, 500]).client(layer).unwrap();
/// let request = client.post("https://api.metronome.com/v1/contracts/create").body("{}");
/// request.operation("contract-12").send().await.unwrap_err();
/// let entry = &journal.in_doubt(10).await.unwrap()[0];
/// assert_eq!((entry.operation(), entry.method(), entry.stop()), ("contract-12", "POST", Some("unverified")));
/// assert_eq!(&JournalEntry::from_json(&entry.to_json()).unwrap(), entry);
/// # });
/// ```
///
/// It has the operation's key, with which a stored response may be read, but neither a credential nor the request's body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Of what is stored here: another one is refused.
    pub(super) format: u32,
    pub(super) service: String,
    pub(super) scope: String,
    pub(super) operation: String,
    pub(super) method: String,
    pub(super) path: String,
    /// The digest of the request; none once purged.
    pub(super) request: Option<Uuid>,
    pub(super) key: Option<Key>,
    pub(super) generation: u32,
    /// When the key was first used.
    pub(super) first_sent: Millis,
    /// How long the service keeps keys, if that is documented.
    pub(super) retention: Option<u64>,
    /// Grows with every process that begins the operation.
    pub(super) fence: u64,
    pub(super) lease_until: Millis,
    /// How long after its lease an attempt of the process may still be executed.
    pub(super) longest_attempt: u64,
    /// Until when an attempt of an earlier process may be executed; none if there is no such attempt.
    pub(super) earlier_until: Option<Millis>,
    /// The newest of all recorded times.
    pub(super) newest: Millis,
    pub(super) ending: Option<Ending>,
}

/// Without the operation, from which its first key can be computed.
impl fmt::Debug for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entry = f.debug_struct("JournalEntry");
        entry.field("service", &self.service).field("method", &self.method).field("path", &self.path);
        entry.field("generation", &self.generation).field("fence", &self.fence).field("state", &self.state());
        entry.finish_non_exhaustive()
    }
}

/// Never in Debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Key(pub(crate) String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A time of the store's clock, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Millis(pub(super) u64);

impl Millis {
    /// A time before 1970 counts as 1970.
    pub(super) fn of(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    pub(super) fn after(self, more: u64) -> Self {
        Self(self.0.saturating_add(more))
    }

    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// For columns of 64 bits with a sign.
    fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

/// Rounded down.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) applied: EndedApplied,
    pub(super) at: Millis,
    /// Why the call stopped, in the words of metrics; empty for a success.
    pub(super) stop: String,
    pub(super) by: EndedBy,
}

/// What is known of the ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndedBy {
    /// A success of the service under the entry's key, which fetches it again.
    Response,
    /// Anything else that the call has seen or asked.
    Call,
    /// Somebody has looked.
    Person,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndedApplied {
    No,
    Yes,
    Unknown,
}

impl From<Applied> for EndedApplied {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::No => Self::No,
            Applied::Yes => Self::Yes,
            Applied::Unknown => Self::Unknown,
        }
    }
}

impl From<EndedApplied> for Applied {
    fn from(applied: EndedApplied) -> Self {
        match applied {
            EndedApplied::No => Self::No,
            EndedApplied::Yes => Self::Yes,
            EndedApplied::Unknown => Self::Unknown,
        }
    }
}

/// How far an operation is.
///
/// ```
/// use reqwest_safe_retry::{Applied, RequestBuilderExt, SafeRetry, Service};
/// use reqwest_safe_retry::durable::{EntryState, InMemoryJournal, Journal};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let journal = InMemoryJournal::default();
/// let layer = SafeRetry::new([Service::metronome().journal(journal.clone())]);
/// let client = ScriptedTransport::new([500, 500]).client(layer).unwrap();
/// let request = client.post("https://api.metronome.com/v1/contracts/create").body("{}");
/// request.operation("contract-12").send().await.unwrap_err();
/// let entry = journal.in_doubt(10).await.unwrap().remove(0);
/// assert_eq!(entry.state(), EntryState::Ended(Applied::Unknown));
/// assert_eq!(entry.purged().state(), EntryState::Purged(Applied::Unknown));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryState {
    /// A process has begun it and not recorded an end: it is at work, or it has died.
    Begun,
    /// The last call has ended, and this is whether the write took effect.
    Ended(Applied),
    /// It has ended, and the rest of its entry was purged.
    Purged(Applied),
}

impl JournalEntry {
    /// The format of what is stored.
    pub(super) const FORMAT: u32 = 1;

    /// An entry of an operation that nothing is known of yet.
    pub(super) fn new(service: &str, scope: &str, operation: &str) -> Self {
        Self {
            format: Self::FORMAT,
            service: service.to_owned(),
            scope: scope.to_owned(),
            operation: operation.to_owned(),
            method: String::new(),
            path: String::new(),
            request: None,
            key: None,
            generation: 0,
            first_sent: Millis::default(),
            retention: None,
            fence: 0,
            lease_until: Millis::default(),
            longest_attempt: 0,
            earlier_until: None,
            newest: Millis::default(),
            ending: None,
        }
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The scope of the operation; empty if it has none.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The id of the operation.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The method of the request; empty once purged.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path of the request, with its parameters' names where a route matches; empty once purged.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The key with which the write may have taken effect.
    pub fn key(&self) -> Option<crate::IdempotencyKey> {
        let key = crate::IdempotencyKey::new(self.key.as_ref()?.0.as_str());
        Some(key.first_sent(self.first_sent()?))
    }

    /// When the key was first used, by the store's clock.
    pub fn first_sent(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.first_sent.0))
    }

    /// How far the operation is.
    pub fn state(&self) -> EntryState {
        match &self.ending {
            None => EntryState::Begun,
            Some(ending) if self.request.is_none() => EntryState::Purged(ending.applied.into()),
            Some(ending) => EntryState::Ended(ending.applied.into()),
        }
    }

    /// Why the last call stopped, in the words of metrics (`attempts_exhausted`), or `resolved`; `None` if it has not ended,
    /// or with a success.
    pub fn stop(&self) -> Option<&str> {
        self.ending.as_ref().map(|ending| &*ending.stop).filter(|stop| !stop.is_empty())
    }

    /// When the last call ended, by the store's clock.
    pub fn ended(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.ending.as_ref()?.at.0))
    }

    /// From when on [`in_doubt`](super::Journal::in_doubt) lists the operation, in milliseconds since the Unix epoch: at
    /// once if it ended in doubt, from the end of the lease if it has not ended; `None` if it does not need to be listed. A
    /// column for the adapter's query.
    pub fn in_doubt_from(&self) -> Option<i64> {
        match &self.ending {
            None => Some(self.lease_until.signed()),
            Some(ending) if ending.applied == EndedApplied::Unknown => Some(ending.at.signed()),
            Some(_) => None,
        }
    }

    /// From when on [`purge`](super::Journal::purge) shortens the entry, in milliseconds since the Unix epoch: twice the
    /// service's retention after its end. `None` if it is in doubt, purged, or the retention is not documented. A column for
    /// the adapter's query.
    pub fn purge_from(&self) -> Option<i64> {
        let ending = self.ending.as_ref().filter(|ending| ending.applied != EndedApplied::Unknown)?;
        let retention = self.retention.filter(|retention| *retention != u64::MAX && self.request.is_some())?;
        Some(ending.at.after(retention.saturating_mul(2)).signed())
    }

    /// When everything is over that the process with the last lease has sent.
    pub(super) fn over_at(&self) -> Millis {
        self.lease_until.after(self.longest_attempt)
    }

    /// What is left of the entry when it is purged: that the operation has ended, and how.
    #[must_use]
    pub fn purged(self) -> Self {
        let Self { fence, newest, ending, .. } = self;
        Self { fence, newest, ending, ..Self::new(&self.service, &self.scope, &self.operation) }
    }

    /// The entry as text, for the adapter's row.
    pub fn to_json(&self) -> String {
        // Texts and numbers, of which JSON can always be made.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The entry in the adapter's row.
    ///
    /// # Errors
    ///
    /// If it was written by a newer version, or is none.
    pub fn from_json(text: &str) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let format = serde_json::from_str::<Format>(text).map_err(JournalError::new)?.format;
        if format != Self::FORMAT {
            let message = format!("an entry has the format {format}, but this version reads {}", Self::FORMAT);
            return Err(JournalError::new(format!("{message}: update this program")));
        }
        serde_json::from_str(text).map_err(JournalError::new)
    }
}
