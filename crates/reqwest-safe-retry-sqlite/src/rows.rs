//! The rows of the journal, within a transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest_safe_retry::durable::{JournalAnswer, JournalEntry, JournalError, JournalStep};
use rusqlite::{Connection, OptionalExtension, params};

/// So many are shortened in one transaction, so that calls do not wait for a purge.
pub(crate) const PURGED_AT_ONCE: usize = 256;

/// The rows within a transaction that has the file locked.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) connection: &'a Connection,
    /// Milliseconds since the Unix epoch by SQLite's clock, read once the file was locked.
    pub(crate) now: i64,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An entry cannot be read, which does not concern the calls that share the transaction.
    Entry(JournalError),
    /// The whole transaction has failed.
    File(rusqlite::Error),
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Entry(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error)
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let mut clock = connection.prepare_cached("SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)")?;
        Ok(Self { connection, now: clock.query_one([], |row| row.get(0))? })
    }

    pub(crate) fn apply(&self, step: &JournalStep) -> Result<JournalAnswer, Failure> {
        let mut select = self
            .connection
            .prepare_cached("SELECT entry FROM journal WHERE service = ?1 AND scope = ?2 AND operation = ?3")?;
        let name = params![step.service(), step.scope(), step.operation()];
        let stored: Option<String> = select.query_row(name, |row| row.get(0)).optional()?;
        let entry = stored.as_deref().map(JournalEntry::from_json).transpose()?;
        let now = UNIX_EPOCH.checked_add(Duration::from_millis(self.now.try_into().unwrap_or_default()));
        let outcome = step.apply(entry, now.unwrap_or(SystemTime::UNIX_EPOCH));
        if let Some(entry) = outcome.entry {
            self.write(&entry)?;
        }
        Ok(outcome.answer)
    }

    fn write(&self, entry: &JournalEntry) -> rusqlite::Result<()> {
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO journal (service, scope, operation, in_doubt_from, purge_from, entry) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (service, scope, operation) DO UPDATE SET \
             in_doubt_from = excluded.in_doubt_from, purge_from = excluded.purge_from, entry = excluded.entry",
        )?;
        upsert.execute(params![
            entry.service(),
            entry.scope(),
            entry.operation(),
            entry.in_doubt_from(),
            entry.purge_from(),
            entry.to_json()
        ])?;
        Ok(())
    }

    /// The oldest first.
    pub(crate) fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, Failure> {
        self.entries(
            "SELECT entry FROM journal WHERE in_doubt_from <= ?1 ORDER BY in_doubt_from LIMIT ?2",
            i64::try_from(most).unwrap_or(i64::MAX),
        )
    }

    /// Shortens some entries; all of them if it returns fewer than [`PURGED_AT_ONCE`].
    pub(crate) fn purge_some(&self) -> Result<usize, Failure> {
        let old = self.entries(
            "SELECT entry FROM journal WHERE purge_from <= ?1 ORDER BY purge_from LIMIT ?2",
            PURGED_AT_ONCE as i64,
        )?;
        let count = old.len();
        for entry in old {
            self.write(&entry.purged())?;
        }
        Ok(count)
    }

    fn entries(&self, query: &str, most: i64) -> Result<Vec<JournalEntry>, Failure> {
        let mut select = self.connection.prepare_cached(query)?;
        let mut rows = select.query([self.now, most])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(JournalEntry::from_json(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
        }
        Ok(entries)
    }
}
