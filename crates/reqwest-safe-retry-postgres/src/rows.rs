//! The rows of the journal, and the statements that read and write them.
//!
//! # Why no transaction holds a lock
//!
//! The rules are in Rust, so that a step needs two round trips: one that reads the row and the clock, one that writes.
//! Instead of a lock between them, the second one compares: it writes if the row still has the text that was read, or is
//! still missing. Otherwise the step is applied anew to what is there now.
//!
//! - Two steps of one operation never act on the same entry. An `UPDATE` waits for another one of its row and then looks at
//!   its condition again, at what the other one has written; an `INSERT` waits for another one of its key and then does
//!   nothing. Of two that have read the same text, or nothing, one is refused. That holds under each isolation level:
//!   the stricter ones refuse with an error, after which nothing was done.
//! - The row may have changed in between and changed back. The text is the whole entry, so a step does the same to it.
//! - The clock is not behind what it was for the entry that is read. A statement takes its snapshot first and reads
//!   `clock_timestamp()` later, and the writer of the entry read the clock before it committed. If the row has not changed
//!   until it is written, the time that was read is as good as one read under a lock.
//! - A step that is refused has lost against one that was recorded: some step always goes on.
//!
//! Each statement is a transaction of its own. A process that stops in between holds nothing, a caller that goes leaves
//! nothing open, and a pooler between may change the server's connection after each statement: for that they are not
//! prepared either.

use reqwest_safe_retry::durable::JournalEntry;
use tokio_postgres::{
    Client, Error,
    types::{ToSql, Type},
};

use crate::server::Statement;

/// What a step is applied to.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Milliseconds since the Unix epoch by the server's clock.
    pub(crate) now: i64,
    /// None if there is none.
    pub(crate) version: Option<i64>,
    /// A standby: it shows what the primary had a while ago.
    pub(crate) is_standby: bool,
    pub(crate) entry: Option<String>,
}

/// Reads the row with this service, scope and operation.
pub(crate) struct Read<'a>(pub(crate) [&'a str; 3]);

impl Statement for Read<'_> {
    type Output = Stored;

    async fn run(&self, client: &Client) -> Result<Stored, Error> {
        let query = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
                     (SELECT max(version) FROM reqwest_safe_retry_schema), pg_is_in_recovery(), entry \
                     FROM (VALUES (1)) AS always (one) LEFT JOIN reqwest_safe_retry_journal \
                     ON service = $1 AND scope = $2 AND operation = $3";
        let row = client.query_typed_one(query, &self.0.each_ref().map(|name| text(name))).await?;
        Ok(Stored {
            now: row.try_get(0)?,
            version: row.try_get(1)?,
            is_standby: row.try_get(2)?,
            entry: row.try_get(3)?,
        })
    }
}

/// Returns whether the entry was written: not if the row has changed since `stored` was read.
pub(crate) struct Write<'a> {
    pub(crate) stored: Option<&'a str>,
    pub(crate) entry: &'a JournalEntry,
}

// Even where `synchronous_commit` is off, this commit waits for the disk.
const DURABLE: &str = "WITH durable AS MATERIALIZED (SELECT CASE WHEN current_setting('synchronous_commit') = 'off' \
                       THEN set_config('synchronous_commit', 'on', true) END AS setting) ";
const INSERT: &str = "INSERT INTO reqwest_safe_retry_journal \
                      (service, scope, operation, in_doubt_from, purge_from, entry) \
                      SELECT $1, $2, $3, $4, $5, $6 FROM durable ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE reqwest_safe_retry_journal SET in_doubt_from = $4, purge_from = $5, entry = $6 \
                      FROM durable WHERE service = $1 AND scope = $2 AND operation = $3 AND entry = $7";

impl Statement for Write<'_> {
    type Output = bool;

    async fn run(&self, client: &Client) -> Result<bool, Error> {
        let Self { stored, entry } = self;
        let (service, scope, operation, json) = (entry.service(), entry.scope(), entry.operation(), entry.to_json());
        let (in_doubt_from, purge_from) = (entry.in_doubt_from(), entry.purge_from());
        let mut values = vec![text(&service), text(&scope), text(&operation)];
        values.extend([number(&in_doubt_from), number(&purge_from), text(&json)]);
        let write = match stored {
            None => INSERT,
            Some(stored) => {
                values.push(text(stored));
                UPDATE
            }
        };
        Ok(client.execute_typed(&format!("{DURABLE}{write}"), &values).await? == 1)
    }
}

/// At most so many entries in doubt, the oldest first. `now()` is when the statement began; an index can be searched for it.
pub(crate) struct InDoubt(pub(crate) i64);

impl Statement for InDoubt {
    type Output = Vec<String>;

    async fn run(&self, client: &Client) -> Result<Vec<String>, Error> {
        let query = "SELECT entry FROM reqwest_safe_retry_journal \
                     WHERE in_doubt_from <= floor(extract(epoch FROM now()) * 1000)::bigint \
                     ORDER BY in_doubt_from LIMIT $1";
        entries(client, query, self.0).await
    }
}

/// At most so many entries that are old enough to be shortened.
pub(crate) struct Old(pub(crate) i64);

impl Statement for Old {
    type Output = Vec<String>;

    async fn run(&self, client: &Client) -> Result<Vec<String>, Error> {
        let query = "SELECT entry FROM reqwest_safe_retry_journal \
                     WHERE purge_from <= floor(extract(epoch FROM now()) * 1000)::bigint \
                     ORDER BY purge_from LIMIT $1";
        entries(client, query, self.0).await
    }
}

async fn entries(client: &Client, query: &str, most: i64) -> Result<Vec<String>, Error> {
    let rows = client.query_typed(query, &[number(&most)]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Writes purged entries in place of those that have not changed since, and returns how many.
pub(crate) struct Shorten {
    pub(crate) stored: Vec<String>,
    pub(crate) purged: Vec<JournalEntry>,
}

impl Statement for Shorten {
    type Output = u64;

    async fn run(&self, client: &Client) -> Result<u64, Error> {
        let query = "UPDATE reqwest_safe_retry_journal AS journal \
                     SET in_doubt_from = NULL, purge_from = NULL, entry = purged.entry \
                     FROM unnest($1, $2, $3, $4, $5) AS purged (service, scope, operation, stored, entry) \
                     WHERE journal.service = purged.service AND journal.scope = purged.scope \
                     AND journal.operation = purged.operation AND journal.entry = purged.stored";
        let services: Vec<_> = self.purged.iter().map(JournalEntry::service).collect();
        let scopes: Vec<_> = self.purged.iter().map(JournalEntry::scope).collect();
        let operations: Vec<_> = self.purged.iter().map(JournalEntry::operation).collect();
        let entries: Vec<_> = self.purged.iter().map(JournalEntry::to_json).collect();
        let values = [texts(&services), texts(&scopes), texts(&operations), texts(&self.stored), texts(&entries)];
        client.execute_typed(query, &values).await
    }
}

type Value<'a> = (&'a (dyn ToSql + Sync), Type);

fn text<'a>(value: &'a (dyn ToSql + Sync)) -> Value<'a> {
    (value, Type::TEXT)
}

fn texts<'a>(value: &'a (dyn ToSql + Sync)) -> Value<'a> {
    (value, Type::TEXT_ARRAY)
}

fn number<'a>(value: &'a (dyn ToSql + Sync)) -> Value<'a> {
    (value, Type::INT8)
}
