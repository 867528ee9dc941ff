//! The file: how it is opened, what it must have, and a transaction in it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    error::{self, FileError},
    rows::Rows,
};

/// Sets both of [`VERSION`] and [`APPLICATION`].
const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 1;
const APPLICATION: i64 = 0x7361_6665;

/// So long a lock is waited for between two tries: a commit takes less than a millisecond on a fast disk. SQLite itself
/// would wait up to 100 ms, while other processes get the lock each time.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct File {
    path: PathBuf,
    /// None after an error that it may not have survived.
    connection: Option<Connection>,
    /// Of the file that is open.
    identity: Identity,
}

impl File {
    /// Creates what is missing if so asked.
    pub(crate) fn open(path: &Path, create: bool, lock_timeout: Duration) -> Result<Self, FileError> {
        // The directory of the process may change later, and `:memory:` is a file too.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if path.parent().is_some_and(|directory| !directory.is_dir()) {
            return Err(FileError::NoDirectory { path });
        }
        if !create && !path.exists() {
            return Err(FileError::Missing { path });
        }
        let connection = connect(&path, create, lock_timeout)?;
        let identity = Identity::of(&path);
        Ok(Self { path, connection: Some(connection), identity })
    }

    /// Does some work in a transaction that locks the file from its start on. What was written is on disk when this
    /// returns, or was not written if it is an error.
    pub(crate) fn transaction(
        &mut self,
        lock_timeout: Duration,
        work: impl FnOnce(&Rows<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), FileError> {
        // What is written to a file that was deleted is lost with the process.
        if self.identity != Identity::of(&self.path) {
            self.connection = None;
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let Self { connection, identity, .. } = Self::open(&self.path, false, lock_timeout)?;
                self.identity = identity;
                self.connection.insert(connection.ok_or_else(|| FileError::Missing { path: self.path.clone() })?)
            }
        };
        let done = commit(connection, lock_timeout, work);
        if done.is_err() && !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
            self.connection = None;
        }
        done.map_err(|error| error.at(&self.path, lock_timeout))
    }
}

/// What is wrong, before it is known where.
enum Wrong {
    Sqlite(rusqlite::Error),
    NewerSchema(i64),
    Foreign,
    NoSchema,
    NoWal(String),
    ReadOnly,
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Wrong {
    fn at(self, path: &Path, lock_timeout: Duration) -> FileError {
        let path = path.to_owned();
        match self {
            Self::Sqlite(error) => FileError::new(path, lock_timeout, error),
            Self::NewerSchema(found) => FileError::NewerSchema { path, found, known: VERSION },
            Self::Foreign => FileError::Foreign { path },
            Self::NoSchema => FileError::NoSchema { path },
            Self::NoWal(mode) => FileError::NoWal { path, mode },
            Self::ReadOnly => FileError::ReadOnly { path },
        }
    }
}

fn commit(
    connection: &Connection,
    lock_timeout: Duration,
    work: impl FnOnce(&Rows<'_>) -> rusqlite::Result<()>,
) -> Result<(), Wrong> {
    while_locked(lock_timeout, || Ok(connection.execute_batch("BEGIN IMMEDIATE")?))?;
    // Another process may have migrated the file since it was opened.
    check(connection)?;
    work(&Rows::new(connection)?)?;
    Ok(connection.execute_batch("COMMIT")?)
}

fn connect(path: &Path, create: bool, lock_timeout: Duration) -> Result<Connection, FileError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let open = || -> Result<Connection, Wrong> {
        let connection = Connection::open_with_flags(path, flags)?;
        while_locked(lock_timeout, || prepare(&connection, create))?;
        Ok(connection)
    };
    open().map_err(|wrong| wrong.at(path, lock_timeout))
}

fn prepare(connection: &Connection, create: bool) -> Result<(), Wrong> {
    // It is waited for by `while_locked`.
    connection.busy_timeout(Duration::ZERO)?;
    let found = check(connection);
    let is_empty = matches!(found, Err(Wrong::NoSchema));
    if !(create && is_empty) {
        found?;
    }
    if connection.is_readonly("main")? {
        return Err(Wrong::ReadOnly);
    }
    // It stays in the file; to read it does not lock.
    let mut mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    }
    if mode != "wal" {
        return Err(Wrong::NoWal(mode));
    }
    // Each commit waits for the disk; on macOS for its cache too.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")?;
    if is_empty { create_schema(connection) } else { Ok(()) }
}

fn create_schema(connection: &Connection) -> Result<(), Wrong> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have been faster.
    let created = match check(connection) {
        Err(Wrong::NoSchema) => connection.execute_batch(SCHEMA).map_err(Wrong::from),
        other => other,
    };
    match created {
        Ok(()) => Ok(connection.execute_batch("COMMIT")?),
        Err(wrong) => {
            // The connection is closed next.
            let _ = connection.execute_batch("ROLLBACK");
            Err(wrong)
        }
    }
}

fn check(connection: &Connection) -> Result<(), Wrong> {
    let mut select = connection.prepare_cached(
        "SELECT user_version, application_id, EXISTS (SELECT 1 FROM sqlite_schema) \
         FROM pragma_user_version, pragma_application_id",
    )?;
    let found: (i64, i64, bool) = select.query_one([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match found {
        (VERSION, APPLICATION, true) => Ok(()),
        (0, 0, false) => Err(Wrong::NoSchema),
        (version, APPLICATION, true) if version > VERSION => Err(Wrong::NewerSchema(version)),
        _ => Err(Wrong::Foreign),
    }
}

/// Tries again for so long as another process has the file locked.
// On the thread of the journal, which has nothing else to do.
#[allow(clippy::disallowed_methods)]
fn while_locked(lock_timeout: Duration, mut work: impl FnMut() -> Result<(), Wrong>) -> Result<(), Wrong> {
    let (started, mut pause) = (std::time::Instant::now(), FIRST_PAUSE);
    loop {
        match work() {
            Err(Wrong::Sqlite(error)) if error::is_busy(&error) && started.elapsed() < lock_timeout => {
                std::thread::sleep(pause);
                pause = LONGEST_PAUSE.min(pause * 2);
            }
            done => return done,
        }
    }
}

/// Which file is at a path; none if it was deleted. Where files are open they cannot be deleted on other systems.
#[derive(Debug, PartialEq, Eq)]
struct Identity(Option<(u64, u64)>);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(fs::metadata(path).ok().map(|file| (file.dev(), file.ino())))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|_| (0, 0)))
    }
}
