//! Connections to the server, and how long they may take.

use std::{fmt, future::Future, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Client, Config, Error, NoTls, config::SslMode};

use crate::error::{ServerError, is_conflict};

/// Connections of a pool of its own.
const CONNECTIONS: usize = 16;
/// A time that can be added to each clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Clone)]
pub(crate) struct Server {
    pool: Pool,
    pub(crate) timeout: Duration,
}

/// A connection, until when it has to answer.
///
/// It goes back to the pool when this is dropped, also by a caller that has gone: each statement is a transaction, so that
/// none is left open. After an error it is closed instead.
pub(crate) struct Connection {
    object: Option<Object>,
    deadline: Deadline,
}

/// For all that a step does.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    at: tokio::time::Instant,
    timeout: Duration,
}

impl Server {
    pub(crate) fn new(pool: Pool, timeout: Duration) -> Self {
        Self { pool, timeout }
    }

    /// Without TLS.
    pub(crate) fn at(url: &str, timeout: Duration) -> Result<Self, ServerError> {
        let mut config: Config = url.parse().map_err(|error: Error| ServerError::InvalidUrl(error.to_string()))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(ServerError::Tls);
        }
        if config.get_application_name().is_none() {
            config.application_name("reqwest-safe-retry");
        }
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).build();
        Ok(Self::new(pool.map_err(|error| ServerError::Pool(error.to_string()))?, timeout))
    }

    #[allow(clippy::disallowed_methods)] // The clock of the timeout.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline { at: tokio::time::Instant::now() + self.timeout.min(LONGEST), timeout: self.timeout }
    }

    pub(crate) async fn connection(&self, deadline: Deadline) -> Result<Connection, ServerError> {
        let object = match deadline.within(self.pool.get()).await {
            Some(object) => object.map_err(ServerError::no_connection)?,
            None => return Err(self.no_connection()),
        };
        Ok(Connection { object: Some(object), deadline })
    }

    fn no_connection(&self) -> ServerError {
        let status = self.pool.status();
        if status.waiting > 0 || status.size >= status.max_size {
            ServerError::Exhausted { size: status.max_size, timeout: self.timeout }
        } else {
            ServerError::Connect(format!("no answer within {:?}", self.timeout))
        }
    }
}

impl Deadline {
    #[allow(clippy::disallowed_methods)] // Elsewhere it is the library's own.
    async fn within<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.at, work).await.ok()
    }
}

/// What is sent to the server in one round trip, as a transaction of its own.
pub(crate) trait Statement: Sync {
    type Output: Send;

    fn run(&self, client: &Client) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

impl Connection {
    /// `None` if nothing was done because of what others do at the same time.
    pub(crate) async fn run<S: Statement>(&mut self, statement: &S) -> Result<Option<S::Output>, Failed> {
        let Some(object) = &self.object else { return Err(Failed::Server(ServerError::Lost("closed".to_owned()))) };
        let failed = match self.deadline.within(statement.run(object)).await {
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(error)) if is_conflict(&error) => return Ok(None),
            Some(Err(error)) => Failed::Statement(error),
            None => Failed::Server(ServerError::NoAnswer(self.deadline.timeout)),
        };
        // Another one may reach a server that has taken over.
        self.object.take().map(Object::take);
        Err(failed)
    }
}

/// Why a statement has no result.
#[derive(Debug)]
pub(crate) enum Failed {
    Statement(Error),
    Server(ServerError),
}

impl From<Failed> for ServerError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Statement(error) => error.into(),
            Failed::Server(error) => error,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A manager shows the URL's parts.
        f.debug_struct("Server").field("status", &self.pool.status()).finish_non_exhaustive()
    }
}
