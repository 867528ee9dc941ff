//! The journal.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use deadpool_postgres::Pool;
use reqwest_safe_retry::{
    async_trait,
    durable::{Journal, JournalAnswer, JournalEntry, JournalError, JournalStep},
};

use crate::{
    error::{ServerError, is_lost},
    rows::{InDoubt, Old, Read, Shorten, Write},
    schema,
    server::{Connection, Deadline, Failed, Server, Statement},
};

/// How long a step may take, unless it is said otherwise: less than the five seconds after which the library gives up,
/// since only the error of the server says what is wrong.
const TIMEOUT: Duration = Duration::from_secs(4);
/// So often a step is applied anew because another process has changed the row meanwhile.
const TRIES: usize = 16;
/// So many connections of the pool may turn out to be closed, as they all are once the server was restarted.
const LOST: usize = 3;
/// So many are shortened at once.
const PURGED_AT_ONCE: usize = 256;

/// A journal in a database of PostgreSQL. Clones share its connections.
///
/// ```no_run
/// use reqwest_safe_retry::durable::{Journal, testing};
/// use reqwest_safe_retry_postgres::PostgresJournal;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let journal = PostgresJournal::connect("postgres://billing@db.internal/billing").await?;
/// journal.create_schema().await?;
/// testing::begin(&journal, "billing", "invoice-7").await?;
///
/// // Another process finds what was begun.
/// let journal = PostgresJournal::connect("postgres://billing@db.internal/billing").await?;
/// assert_eq!(testing::begin(&journal, "billing", "invoice-7").await?, None);
/// # Ok(())
/// # }
/// ```
///
/// A step that has returned is on the server's disk. It takes two round trips, or one if it changes nothing. A call that is
/// dropped meanwhile may be recorded.
#[derive(Clone)]
pub struct PostgresJournal {
    server: Server,
}

impl PostgresJournal {
    /// A journal with the connections of a pool, such as one of the program's own, or one with TLS. It does not connect
    /// yet.
    ///
    /// ```
    /// use deadpool_postgres::{Manager, Pool};
    /// use reqwest_safe_retry_postgres::{PostgresJournal, deadpool_postgres, tokio_postgres};
    ///
    /// let config: tokio_postgres::Config = "postgres://billing@db.internal/billing".parse()?;
    /// // In place of `NoTls` that of the crate `tokio-postgres-rustls` or `postgres-native-tls`.
    /// let pool = Pool::builder(Manager::new(config, tokio_postgres::NoTls)).max_size(16).build()?;
    /// let journal = PostgresJournal::new(pool);
    /// assert!(format!("{journal:?}").starts_with("PostgresJournal"));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A connection that somebody gives back with an open transaction would take the steps with it: use
    /// `deadpool_postgres::Transaction`, which does not, rather than a `BEGIN` of your own.
    pub fn new(pool: Pool) -> Self {
        Self { server: Server::new(pool, TIMEOUT) }
    }

    /// Connects to the database at a URL, with up to 16 connections and without TLS.
    ///
    /// ```
    /// use reqwest_safe_retry_postgres::PostgresJournal;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = PostgresJournal::connect("postgres://db.internal?sslmode=require").await.unwrap_err();
    /// assert!(error.to_string().contains("give a pool that has it"));
    /// # }
    /// ```
    ///
    /// It takes at most four seconds.
    ///
    /// # Errors
    ///
    /// If it is not such a URL, or asks for TLS, or the server cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, JournalError> {
        let server = Server::at(url, TIMEOUT).map_err(JournalError::new)?;
        server.connection(server.deadline()).await.map_err(JournalError::new)?;
        Ok(Self { server })
    }

    /// How long a step may take before it fails, with the wait for a connection of the pool. The default is four seconds,
    /// one less than that of [`JournalSettings::timeout`](reqwest_safe_retry::durable::JournalSettings::timeout), after which
    /// the call has given up.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.server.timeout = timeout;
        self
    }

    /// Creates the tables, if they are missing, in the first schema of the `search_path`. It can be called by several
    /// processes at once, and whenever a program starts.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, the user may not create tables, or there are those of a newer version.
    pub async fn create_schema(&self) -> Result<(), JournalError> {
        self.get(&schema::Create).await?;
        self.check_schema().await
    }

    /// Checks that the tables are there and those of this version, so that a program can say so when it starts. Each step
    /// checks it too.
    ///
    /// # Errors
    ///
    /// If not, or if the server cannot be reached or is a standby.
    pub async fn check_schema(&self) -> Result<(), JournalError> {
        let (version, is_standby) = self.get(&schema::Version).await?;
        schema::check(version, is_standby).map_err(JournalError::new)
    }

    /// For what can be done twice: again on another connection if one is lost, and again if others have got in its way.
    /// With the connection that it was done on.
    async fn run<S: Statement>(
        &self,
        statement: &S,
        deadline: Deadline,
    ) -> Result<(Connection, S::Output), JournalError> {
        let mut lost = 0;
        for _ in 0..TRIES {
            let mut connection = self.server.connection(deadline).await.map_err(JournalError::new)?;
            match connection.run(statement).await {
                Ok(Some(output)) => return Ok((connection, output)),
                Ok(None) => {}
                Err(Failed::Statement(error)) if is_lost(&error) && lost < LOST => lost += 1,
                Err(failed) => return Err(JournalError::new(ServerError::from(failed))),
            }
        }
        Err(JournalError::new(ServerError::Contended(TRIES)))
    }

    async fn get<S: Statement>(&self, statement: &S) -> Result<S::Output, JournalError> {
        Ok(self.run(statement, self.server.deadline()).await?.1)
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        let deadline = self.server.deadline();
        let read = Read([step.service(), step.scope(), step.operation()]);
        for _ in 0..TRIES {
            let (mut connection, stored) = self.run(&read, deadline).await?;
            schema::check(stored.version, stored.is_standby).map_err(JournalError::new)?;
            let entry = stored.entry.as_deref().map(JournalEntry::from_json).transpose()?;
            let outcome = step.apply(entry, time(stored.now));
            let Some(entry) = outcome.entry else { return Ok(outcome.answer) };
            let write = Write { stored: stored.entry.as_deref(), entry: &entry };
            let written = connection.run(&write).await;
            if written.map_err(|failed| JournalError::new(ServerError::from(failed)))? == Some(true) {
                return Ok(outcome.answer);
            }
        }
        Err(JournalError::new(ServerError::Contended(TRIES)))
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        self.check_schema().await?;
        let entries = self.get(&InDoubt(i64::try_from(most).unwrap_or(i64::MAX))).await?;
        entries.iter().map(|entry| JournalEntry::from_json(entry)).collect()
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        self.check_schema().await?;
        let mut purged = 0;
        loop {
            let stored = self.get(&Old(PURGED_AT_ONCE as i64)).await?;
            let entries = stored.iter().map(|entry| JournalEntry::from_json(entry).map(JournalEntry::purged));
            let entries = entries.collect::<Result<_, _>>()?;
            let is_last = stored.len() < PURGED_AT_ONCE;
            purged += self.get(&Shorten { stored, purged: entries }).await?;
            if is_last {
                return Ok(purged);
            }
        }
    }
}

fn time(millis: i64) -> SystemTime {
    let since = Duration::from_millis(millis.try_into().unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

impl fmt::Debug for PostgresJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresJournal").field("server", &self.server).finish_non_exhaustive()
    }
}
