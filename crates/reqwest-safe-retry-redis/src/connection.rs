//! A connection that is made when it is needed, and made anew after anything went wrong on it.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};

use crate::error::{self, InvalidUrl, PublishError};

/// Less than the task that reports waits for an answer, so that the error says what happened.
const CONNECTS_WITHIN: Duration = Duration::from_millis(400);
const ANSWERS_WITHIN: Duration = Duration::from_millis(450);

pub(crate) struct Server {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// A connection in use. It is closed when this is dropped before its [answers](Self::keep) have come: they would be
/// taken for those of the next report, or never come.
pub(crate) struct InUse<'a> {
    server: &'a Server,
    pub(crate) connection: MultiplexedConnection,
    is_kept: bool,
}

impl Server {
    /// Without a connection yet.
    pub(crate) fn new(url: &str) -> Result<Self, InvalidUrl> {
        let client = Client::open(url).map_err(|error| InvalidUrl::new(&error))?;
        Ok(Self { client, connection: Mutex::default() })
    }

    pub(crate) async fn connection(&self) -> Result<InUse<'_>, PublishError> {
        let known = self.lock().clone();
        let connection = match known {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(InUse { server: self, connection, is_kept: false })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, PublishError> {
        #[cfg(feature = "tls")]
        choose_cryptography(self.client.get_connection_info().addr());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTS_WITHIN))
            .set_response_timeout(Some(ANSWERS_WITHIN));
        match self.client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => Ok(self.lock().insert(connection).clone()),
            Err(error) => Err(PublishError::Connect { server: self.to_string(), reason: self.reason(&error) }),
        }
    }

    /// The message of an error, without the password.
    pub(crate) fn reason(&self, error: &RedisError) -> String {
        error::reason(error, self.client.get_connection_info().redis_settings().password())
    }

    fn lock(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address alone.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.get_connection_info().addr().fmt(f)
    }
}

impl InUse<'_> {
    /// All answers have come: the next report may use the connection.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.server.lock().take();
        }
    }
}

/// The process's own choice, or else that of reqwest: `redis` panics where several are compiled in and none is chosen.
#[cfg(feature = "tls")]
fn choose_cryptography(address: &redis::ConnectionAddr) {
    use rustls::crypto::{CryptoProvider, aws_lc_rs};

    let needs_it = matches!(address, redis::ConnectionAddr::TcpTls { .. });
    if needs_it && CryptoProvider::get_default().is_none() {
        // Another thread may be faster: it is chosen then.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}
