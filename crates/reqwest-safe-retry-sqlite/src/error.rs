//! What goes wrong, in words.

use std::{path::PathBuf, time::Duration};

use rusqlite::ErrorCode;

/// Why a journal does not open, or a step was not recorded. Each message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{path:?} does not exist: create it once, with `SqliteJournal::create`, or check the path")]
    Missing { path: PathBuf },
    #[error("the directory of {path:?} does not exist: create it, or check the path")]
    NoDirectory { path: PathBuf },
    #[error("{path:?} cannot be opened: {reason}; check that it is a file that this user may read and write")]
    CannotOpen { path: PathBuf, reason: String },
    #[error("{path:?} may not be written: check the permissions of the file and of its directory")]
    ReadOnly { path: PathBuf },
    #[error("{path:?} is not a database of SQLite: check the path; nothing was changed")]
    NotADatabase { path: PathBuf },
    #[error("{path:?} is a database of another program: give the journal a file of its own; nothing was changed")]
    Foreign { path: PathBuf },
    #[error("{path:?} has no tables yet: create them once, with `SqliteJournal::create`")]
    NoSchema { path: PathBuf },
    #[error("{path:?} has the schema {found}, but this version reads up to {known}: update this program")]
    NewerSchema { path: PathBuf, found: i64, known: i64 },
    #[error("{path:?} cannot have a write-ahead log ({mode}): put it on a local disk, not on a network's file system")]
    NoWal { path: PathBuf, mode: String },
    #[error(
        "{path:?} was locked by another process for {lock_timeout:?}: look for a program that has a transaction open on it"
    )]
    Locked { path: PathBuf, lock_timeout: Duration },
    #[error("{path:?} cannot grow: free space on its disk")]
    Full { path: PathBuf },
    #[error("{path:?}: {source}")]
    Other { path: PathBuf, source: rusqlite::Error },
}

/// What stops a step that is not the file's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThreadError {
    #[error("a step panicked: {0}; this is a mistake in the library, please report it")]
    Panicked(String),
    #[error("the thread of the journal could not be started: {0}")]
    NotStarted(std::io::Error),
    #[error("the thread of the journal has ended; open the journal again")]
    Ended,
}

impl FileError {
    /// `lock_timeout` is how long the file was tried while it was locked.
    pub(crate) fn new(path: PathBuf, lock_timeout: Duration, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path, lock_timeout },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::CannotOpen) => Self::CannotOpen { path, reason: source.to_string() },
            _ => Self::Other { path, source },
        }
    }
}

/// Whether another process has the file locked, which may be over in a moment.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
