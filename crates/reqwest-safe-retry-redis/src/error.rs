//! What goes wrong, in words.

use redis::RedisError;

/// A URL that is not that of a Redis server. It does not show the URL, which may have a password.
///
/// ```
/// use reqwest_safe_retry_redis::{InvalidUrl, RedisSharedLimit};
///
/// let error: InvalidUrl = RedisSharedLimit::new("http://:secret@redis.internal").unwrap_err();
/// let message = error.to_string();
/// assert!(message.starts_with("not the URL of a Redis server: ") && !message.contains("secret"), "{message}");
/// ```
#[derive(Debug, thiserror::Error)]
#[error(
    "not the URL of a Redis server: {reason}; use redis://host:6379, or rediss://user:password@host:6379/0 for TLS, a \
     user and a database"
)]
pub struct InvalidUrl {
    reason: String,
}

/// Why a report has no answer. The messages of a server come without the password, which some repeat.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("cannot connect to Redis at {server}: {reason}; check the address, the password and if the server runs")]
    Connect { server: String, reason: String },
    #[error("Redis at {server} does not answer: {reason}")]
    Connection { server: String, reason: String },
    #[error("Redis at {server} refuses a report on {key:?}: {reason}")]
    Refused { server: String, key: String, reason: String },
    #[error(
        "{key:?} in Redis at {server} does not hold a limit; choose a prefix that nothing else uses, or delete the key"
    )]
    NotALimit { server: String, key: String },
    #[error("Redis at {server} answers a report on {key:?} with what is not a share; check if it is a Redis server")]
    NotAShare { server: String, key: String },
}

impl InvalidUrl {
    /// The error says what is wrong with a URL by constant texts.
    pub(crate) fn new(error: &RedisError) -> Self {
        Self { reason: error.to_string() }
    }
}

/// The message without the password.
pub(crate) fn reason(error: &RedisError, password: Option<&str>) -> String {
    let message = if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() };
    match password {
        Some(password) if !password.is_empty() => message.replace(password, "***"),
        _ => message,
    }
}
