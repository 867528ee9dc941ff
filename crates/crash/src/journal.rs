//! The journal of a mode, as its processes open it.

use std::sync::Arc;

use reqwest_safe_retry::durable::{Journal, JournalEntry};
use reqwest_safe_retry_sqlite::SqliteJournal;
use tempfile::TempDir;

use crate::{endpoint::BoxError, mode::Mode};

/// A journal that was created for a run.
pub(crate) struct Store {
    /// Where the workers find it.
    pub(crate) place: String,
    journal: Arc<dyn Journal>,
    /// Deleted with what is in it.
    _directory: TempDir,
}

impl Store {
    /// None if the mode has no journal.
    pub(crate) async fn create(mode: Mode) -> Result<Option<Self>, BoxError> {
        if !mode.has_journal() {
            return Ok(None);
        }
        let directory = tempfile::tempdir()?;
        let place = directory.path().join("journal.db");
        let journal = Arc::new(SqliteJournal::create(&place).await?);
        let place = place.into_os_string().into_string().map_err(|_| "the temporary directory has no name in UTF-8")?;
        Ok(Some(Self { place, journal, _directory: directory }))
    }

    /// The operations of a scope that somebody has to look at.
    pub(crate) async fn in_doubt(&self, scope: &str) -> Result<Vec<JournalEntry>, BoxError> {
        let mut entries = self.journal.in_doubt(usize::from(u16::MAX)).await?;
        entries.retain(|entry| entry.scope() == scope);
        Ok(entries)
    }
}

/// For a worker; none if the mode has no journal.
pub(crate) async fn open(mode: Mode, place: Option<&str>) -> Result<Option<Arc<dyn Journal>>, BoxError> {
    if !mode.has_journal() {
        return Ok(None);
    }
    let place = place.ok_or("a worker of this mode needs --journal")?;
    Ok(Some(Arc::new(SqliteJournal::open(place).await?)))
}
