//! The store.

use std::fmt;

use async_trait::async_trait;
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value};
use reqwest_safe_retry::{LimitReport, LimitShare, SharedLimit, SharedLimitError};

use crate::{
    connection::{InUse, Server},
    error::{InvalidUrl, PublishError},
    protocol,
};

/// A store of shared limits in Redis.
///
/// ```
/// use reqwest_safe_retry_redis::RedisSharedLimit;
///
/// let store = RedisSharedLimit::new("rediss://user:secret@redis.internal:6379/0")?.prefix("billing:");
/// assert_eq!(
///     format!("{store:?}"),
///     r#"RedisSharedLimit { server: "redis.internal:6379", prefix: "billing:", .. }"#
/// );
/// # Ok::<_, reqwest_safe_retry_redis::InvalidUrl>(())
/// ```
///
/// It has one connection, which is made by the first report and made anew after an error. Connections take at most 400
/// ms, answers 450 ms.
pub struct RedisSharedLimit {
    server: Server,
    prefix: String,
    script: Script,
}

impl RedisSharedLimit {
    /// A store on the server at this URL: `redis://user:password@host:port/database`, or `rediss://` for TLS. All but
    /// the host can be left out. It does not connect yet.
    ///
    /// ```
    /// use reqwest_safe_retry_redis::RedisSharedLimit;
    ///
    /// let error = RedisSharedLimit::new("https://:secret@redis.internal").unwrap_err();
    /// assert!(!error.to_string().contains("secret"));
    /// ```
    ///
    /// With TLS the server's certificate has to be signed by a root of the system, or of the file that the environment
    /// variable `SSL_CERT_FILE` names. If the process has no default `CryptoProvider` of rustls when it first connects,
    /// aws-lc-rs becomes it.
    ///
    /// # Errors
    ///
    /// If it is not such a URL. The error does not show it.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let server = Server::new(url)?;
        Ok(Self { server, prefix: "reqwest-safe-retry:".to_owned(), script: Script::new(protocol::SCRIPT) })
    }

    /// What the keys in Redis begin with; the service's name follows. The default is `reqwest-safe-retry:`.
    ///
    /// A limit belongs to an account of the service: processes of two accounts that use one Redis need two prefixes.
    ///
    /// ```
    /// use reqwest_safe_retry_redis::RedisSharedLimit;
    ///
    /// let store = RedisSharedLimit::new("redis://redis.internal")?.prefix("sandbox:");
    /// # let _ = store;
    /// # Ok::<_, reqwest_safe_retry_redis::InvalidUrl>(())
    /// ```
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn key(&self, report: &LimitReport) -> String {
        format!("{}{}", self.prefix, report.limit)
    }

    /// One answer for each report, in one round trip; in two if the server does not know the script.
    async fn ask(&self, in_use: &mut InUse<'_>, reports: &[LimitReport]) -> RedisResult<Vec<RedisResult<Value>>> {
        let mut pipeline = redis::pipe();
        for report in reports {
            pipeline.add_command(protocol::by_digest(&self.script, &self.key(report), report));
        }
        let mut answers = send(&mut pipeline, in_use).await?;
        let unknown: Vec<_> = (0..answers.len().min(reports.len())).filter(|&n| is_no_script(&answers[n])).collect();
        if !unknown.is_empty() {
            let mut pipeline = redis::pipe();
            for &number in &unknown {
                let (key, report) = (self.key(&reports[number]), &reports[number]);
                pipeline.add_command(protocol::with_script(&key, report));
            }
            let late = send(&mut pipeline, in_use).await?;
            unknown.into_iter().zip(late).for_each(|(number, answer)| answers[number] = answer);
        }
        Ok(answers)
    }

    fn share(&self, report: &LimitReport, answer: RedisResult<Value>) -> Result<LimitShare, PublishError> {
        let (server, key) = (self.server.to_string(), self.key(report));
        match answer {
            Ok(value) => protocol::share(value).ok_or(PublishError::NotAShare { server, key }),
            Err(error) if is_not_a_limit(&error) => Err(PublishError::NotALimit { server, key }),
            Err(error) => Err(PublishError::Refused { server, key, reason: self.server.reason(&error) }),
        }
    }
}

#[async_trait]
impl SharedLimit for RedisSharedLimit {
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let mut in_use = self.server.connection().await?;
        let answers = self.ask(&mut in_use, reports).await.map_err(|error| PublishError::Connection {
            server: self.server.to_string(),
            reason: self.server.reason(&error),
        })?;
        let shares: Vec<_> = reports.iter().zip(answers).map(|(report, answer)| self.share(report, answer)).collect();
        // Of any other error, such as that of a replica, another connection may be free.
        if shares.iter().all(|share| matches!(share, Ok(_) | Err(PublishError::NotALimit { .. }))) {
            in_use.keep();
        }
        Ok(shares.into_iter().collect::<Result<_, _>>()?)
    }
}

impl fmt::Debug for RedisSharedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSharedLimit")
            .field("server", &self.server.to_string())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

async fn send(pipeline: &mut Pipeline, in_use: &mut InUse<'_>) -> RedisResult<Vec<RedisResult<Value>>> {
    pipeline.ignore_errors().query_async(&mut in_use.connection).await
}

fn is_no_script(answer: &RedisResult<Value>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
}

/// The script says so, or finds a string or a list.
fn is_not_a_limit(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOTALIMIT" | "WRONGTYPE"))
}
