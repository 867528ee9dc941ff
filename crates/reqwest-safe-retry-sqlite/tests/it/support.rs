//! Journals for the tests.

use std::{path::PathBuf, time::Duration};

use reqwest_safe_retry::durable::{Journal, JournalError, testing};
use reqwest_safe_retry_sqlite::SqliteJournal;
use tempfile::TempDir;

/// A directory that is gone after the test, with the path of a journal.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Which another process would have open.
    pub(crate) fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    pub(crate) async fn journal(&self) -> SqliteJournal {
        SqliteJournal::create(self.path()).await.unwrap()
    }
}

pub(crate) async fn begin(journal: &dyn Journal, operation: &str) -> Result<Option<u64>, JournalError> {
    testing::begin(journal, "test", operation).await
}

/// Waits for something that another thread or process does.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}
