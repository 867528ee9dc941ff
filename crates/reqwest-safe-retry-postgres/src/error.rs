//! What goes wrong, in words.

use std::{error::Error as StdError, time::Duration};

use deadpool_postgres::PoolError;
use tokio_postgres::{Error, error::SqlState};

/// Why a step has no answer. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("not the URL of a database: {0}; use postgres://user:password@host:5432/database")]
    InvalidUrl(String),
    #[error("the URL asks for TLS: give a pool that has it to `PostgresJournal::new`")]
    Tls,
    #[error("the pool of connections: {0}")]
    Pool(String),
    #[error("cannot connect to PostgreSQL: {0}; check the address, the password and if the server runs")]
    Connect(String),
    #[error(
        "all {size} connections of the pool were in use for {timeout:?}: make it larger, or look for what holds them"
    )]
    Exhausted { size: usize, timeout: Duration },
    #[error("PostgreSQL does not answer within {0:?}: look for its load, and for a transaction that locks the row")]
    NoAnswer(Duration),
    #[error("the connection to PostgreSQL was lost: {0}; the step may have been recorded")]
    Lost(String),
    #[error("PostgreSQL does not write ({0}): connect to the primary")]
    ReadOnly(String),
    #[error("the database has no tables yet: create them once, with `create_schema`, or check the `search_path`")]
    NoSchema,
    #[error("the database has the schema {found}, but this version reads up to {known}: update this program")]
    NewerSchema { found: i64, known: i64 },
    #[error("other processes have changed the operation {0} times meanwhile: they run it in a loop")]
    Contended(usize),
    #[error("PostgreSQL refuses a step: {0}")]
    Refused(String),
}

impl ServerError {
    pub(crate) fn no_connection(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Connect(reason(&error)),
            other => Self::Pool(other.to_string()),
        }
    }
}

impl From<Error> for ServerError {
    fn from(error: Error) -> Self {
        let words = reason(&error);
        match error.code() {
            None => Self::Lost(words),
            Some(code) if is_shutdown(code) => Self::Lost(words),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Self::ReadOnly(words),
            Some(&SqlState::UNDEFINED_TABLE) => Self::NoSchema,
            Some(_) => Self::Refused(words),
        }
    }
}

/// Nothing was done, and the next try may succeed.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
}

/// The connection cannot be used any more.
pub(crate) fn is_lost(error: &Error) -> bool {
    error.code().is_none_or(is_shutdown)
}

fn is_shutdown(code: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
}

/// With its causes, which the client leaves out.
pub(crate) fn reason(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
