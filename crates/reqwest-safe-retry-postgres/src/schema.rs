//! The tables, and whether this version can use them.

use tokio_postgres::{Client, Error};

use crate::{error::ServerError, server::Statement};

const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 1;

/// Creates what is missing.
pub(crate) struct Create;

impl Statement for Create {
    type Output = ();

    async fn run(&self, client: &Client) -> Result<(), Error> {
        // All statements at once are one transaction.
        client.batch_execute(SCHEMA).await
    }
}

/// Reads the version of the tables, and whether the server is a standby.
pub(crate) struct Version;

impl Statement for Version {
    type Output = (Option<i64>, bool);

    async fn run(&self, client: &Client) -> Result<(Option<i64>, bool), Error> {
        // The journal is named so that its absence is noticed.
        let query = "SELECT (SELECT max(version) FROM reqwest_safe_retry_schema), pg_is_in_recovery() \
                     WHERE NOT EXISTS (SELECT FROM reqwest_safe_retry_journal WHERE false)";
        let row = client.query_typed_one(query, &[]).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}

pub(crate) fn check(version: Option<i64>, is_standby: bool) -> Result<(), ServerError> {
    match version {
        _ if is_standby => Err(ServerError::ReadOnly("it is a standby".to_owned())),
        None => Err(ServerError::NoSchema),
        Some(found) if found > VERSION => Err(ServerError::NewerSchema { found, known: VERSION }),
        Some(_) => Ok(()),
    }
}
