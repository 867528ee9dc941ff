//! The journal of a mode, as its processes open it.

use std::sync::Arc;

use reqwest_safe_retry::durable::{Journal, JournalEntry};
use reqwest_safe_retry_postgres::PostgresJournal;
use reqwest_safe_retry_sqlite::SqliteJournal;
use tempfile::TempDir;

use crate::{endpoint::BoxError, mode::Mode};

/// A journal that was created for a run.
pub(crate) struct Store {
    /// Where the workers find it.
    pub(crate) place: String,
    journal: Arc<dyn Journal>,
    /// Deleted with what is in it.
    _directory: Option<TempDir>,
}

impl Store {
    /// None if the mode has no journal. `postgres` is the address of a database.
    pub(crate) async fn create(mode: Mode, postgres: Option<&str>) -> Result<Option<Self>, BoxError> {
        match mode {
            Mode::JournalSqlite => Self::sqlite().await.map(Some),
            Mode::JournalPostgres => Self::postgres(postgres.ok_or("this mode needs --postgres")?).await.map(Some),
            Mode::OperationsOnly | Mode::RandomKeys => Ok(None),
        }
    }

    async fn sqlite() -> Result<Self, BoxError> {
        let directory = tempfile::tempdir()?;
        let place = directory.path().join("journal.db");
        let journal = Arc::new(SqliteJournal::create(&place).await?);
        let place = place.into_os_string().into_string().map_err(|_| "the temporary directory has no name in UTF-8")?;
        Ok(Self { place, journal, _directory: Some(directory) })
    }

    async fn postgres(url: &str) -> Result<Self, BoxError> {
        let journal = PostgresJournal::connect(url).await?;
        journal.create_schema().await?;
        Ok(Self { place: url.to_owned(), journal: Arc::new(journal), _directory: None })
    }

    /// The operations of a scope that are in doubt.
    pub(crate) async fn in_doubt(&self, scope: &str) -> Result<Vec<JournalEntry>, BoxError> {
        let mut entries = self.journal.in_doubt(usize::from(u16::MAX)).await?;
        entries.retain(|entry| entry.scope() == scope);
        Ok(entries)
    }
}

/// For a worker; none if the mode has no journal.
pub(crate) async fn open(mode: Mode, place: Option<&str>) -> Result<Option<Arc<dyn Journal>>, BoxError> {
    let place = || place.ok_or("a worker of this mode needs --journal");
    Ok(match mode {
        Mode::JournalSqlite => Some(Arc::new(SqliteJournal::open(place()?).await?)),
        Mode::JournalPostgres => Some(Arc::new(PostgresJournal::connect(place()?).await?)),
        Mode::OperationsOnly | Mode::RandomKeys => None,
    })
}
