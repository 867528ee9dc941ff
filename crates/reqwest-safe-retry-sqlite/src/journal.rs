//! The journal.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest_safe_retry::{
    async_trait,
    durable::{Journal, JournalAnswer, JournalEntry, JournalError, JournalStep},
};

use crate::{rows::PURGED_AT_ONCE, thread::Thread};

/// How long a lock of another process is waited for, unless it is said otherwise: less than the five seconds after which
/// the library gives up, since only the error of the file says what is wrong.
const LOCK_TIMEOUT: Duration = Duration::from_secs(4);

/// A journal in a file of SQLite. Clones share its thread, which ends with the last of them.
///
/// ```
/// use reqwest_safe_retry::durable::{Journal, testing};
/// use reqwest_safe_retry_sqlite::SqliteJournal;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("journal.db");
/// let journal = SqliteJournal::create(&path).await?;
/// testing::begin(&journal, "billing", "invoice-7").await?;
/// drop(journal);
///
/// // Another process finds what was begun.
/// let journal = SqliteJournal::open(&path).await?;
/// assert_eq!(testing::begin(&journal, "billing", "invoice-7").await?, None);
/// # Ok(())
/// # }
/// ```
///
/// A step that has returned is on disk. Steps that are queued while another one is written are committed together, at most
/// 256, so that a disk that takes a millisecond for a commit carries many thousand steps a second. Up to 1,024 calls are
/// queued, more wait for room.
///
/// A call that is dropped while it is queued is left out. One that is dropped later may be recorded.
#[derive(Clone)]
pub struct SqliteJournal {
    path: PathBuf,
    thread: Thread,
}

impl SqliteJournal {
    /// Opens the journal in a file that [`create`](Self::create) has made.
    ///
    /// ```
    /// use reqwest_safe_retry_sqlite::SqliteJournal;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = SqliteJournal::open("misspelt.db").await.unwrap_err();
    /// assert!(error.to_string().contains("does not exist: create it once"));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the file does not exist, may not be written, is not a journal or that of a newer version, or is locked for four
    /// seconds.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::start(path.as_ref(), false).await
    }

    /// As [`open`](Self::open), but creates the file and its tables if they are missing. The directory has to exist.
    ///
    /// A program that always creates its journal starts with an empty one if the file was lost, or the path was changed:
    /// what was begun in the lost file may then be applied twice, once the service has forgotten its keys. Where that
    /// matters create it once, and open it after that.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and if the file has tables of another program, or the disk is full.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::start(path.as_ref(), true).await
    }

    async fn start(path: &Path, create: bool) -> Result<Self, JournalError> {
        let thread = Thread::start(path.to_owned(), create, LOCK_TIMEOUT).await?;
        Ok(Self { path: path.to_owned(), thread })
    }

    /// How long a step waits while another process has the file locked, before it fails. The default is four seconds,
    /// one less than that of [`JournalSettings::timeout`](reqwest_safe_retry::durable::JournalSettings::timeout), after which
    /// the call has given up.
    ///
    /// It is for all clones.
    #[must_use]
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        self.thread.set_lock_timeout(timeout);
        self
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        self.thread.call(move |rows| rows.apply(&step)).await
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.thread.call(move |rows| rows.in_doubt(most)).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        let mut purged = 0;
        loop {
            let some = self.thread.call(|rows| rows.purge_some()).await?;
            purged += some as u64;
            if some < PURGED_AT_ONCE {
                return Ok(purged);
            }
        }
    }
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteJournal").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use reqwest_safe_retry::durable::testing;

    use super::*;

    async fn begin(journal: &SqliteJournal, operation: &str) -> Result<Option<u64>, JournalError> {
        testing::begin(journal, "test", operation).await
    }

    #[tokio::test]
    async fn full_disk_fails_and_room_helps() {
        let directory = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::create(directory.path().join("journal.db")).await.unwrap();
        let pages = |most: u32| {
            journal.thread.call(move |rows| Ok(rows.connection.pragma_update(None, "max_page_count", most)?))
        };
        pages(20).await.unwrap();
        let mut begun = 0;
        let error = loop {
            match begin(&journal, &begun.to_string()).await {
                Ok(_) => begun += 1,
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("cannot grow: free space on its disk"), "{error}");
        // Larger than a page, so that none of them finds room in one that is not full.
        let [a, b, c] = ["a", "b", "c"].map(|name| name.repeat(5_000));
        let calls = tokio::join!(begin(&journal, &a), begin(&journal, &b), begin(&journal, &c));
        assert!(calls.0.is_err() && calls.1.is_err() && calls.2.is_err(), "each has an answer");
        journal.in_doubt(10).await.unwrap();
        pages(10_000).await.unwrap();
        assert_eq!(begin(&journal, &a).await.unwrap(), Some(1));
        for number in 0..begun {
            assert_eq!(begin(&journal, &number.to_string()).await.unwrap(), None, "what was answered is there");
        }
    }

    #[tokio::test]
    async fn panic_is_an_error_of_its_call_alone() {
        let directory = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::create(directory.path().join("journal.db")).await.unwrap();
        let panics = journal.thread.call::<()>(|_| panic!("of the test"));
        let (before, panicked, after) = tokio::join!(begin(&journal, "before"), panics, begin(&journal, "after"));
        assert_eq!((before.unwrap(), after.unwrap()), (Some(1), Some(1)));
        assert!(panicked.unwrap_err().to_string().contains("a step panicked: of the test"));
        assert_eq!(begin(&journal, "before").await.unwrap(), None);
    }

    #[tokio::test]
    async fn clock_is_that_of_the_system() {
        let directory = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::create(directory.path().join("journal.db")).await.unwrap();
        let now = journal.thread.call(|rows| Ok(rows.now)).await.unwrap();
        #[allow(clippy::disallowed_methods)]
        let expected = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        assert!(expected.abs_diff(u128::try_from(now).unwrap()) < 5_000, "{now} is not {expected}");
    }
}
