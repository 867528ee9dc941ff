//! What is needed to go on with a call elsewhere.

use std::time::SystemTime;

use uuid::Uuid;

use super::operation::Operation;
use crate::{
    attempts::Attempts,
    decide::{
        advice::Advice,
        stop::{Applied, StopReason},
    },
    error::kind::ErrorKind,
    key::IdempotencyKey,
};

/// What is needed to go on with a failed call in another process: its operation, its keys and what is known of the write.
/// From [`Error::record`](crate::Error::record), for
/// [`RequestBuilderExt::resume`](crate::RequestBuilderExt::resume).
///
/// With the feature `serde` it can be stored. It has the keys of the call, with which a stored response may be read, but no
/// credential and no body; what is stored has a format, and that of a newer version is refused.
///
/// ```
/// use reqwest_safe_retry::{Advice, Error, Record, RequestBuilderExt, SafeRetry, Service, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let transport = ScriptedTransport::new([503, 503, 503, 200]);
/// let client = transport.client(SafeRetry::new([Service::metronome()])).unwrap();
/// let create = || client.post("https://api.metronome.com/v1/contracts/create").body("{}");
/// let record: Record = Error::find(&create().send().await.unwrap_err()).unwrap().record();
/// assert_eq!(record.advice(), Advice::LookFirst, "or go on with its key, in this process or another:");
/// create().resume(&record).send().await.unwrap();
/// let sent = transport.sent();
/// assert_eq!(sent[3].header("idempotency-key"), sent[0].header("idempotency-key"));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Record {
    #[cfg_attr(feature = "serde", serde(deserialize_with = "known_format"))]
    pub(crate) format: u32,
    pub(crate) service: String,
    /// Host and port, if the service has several hosts.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub(crate) host: Option<String>,
    pub(crate) operation: Option<Operation>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) request: Option<Uuid>,
    pub(crate) protected_until: Option<SystemTime>,
    pub(crate) attempts: Attempts,
    pub(crate) kind: ErrorKind,
    pub(crate) stop: StopReason,
    pub(crate) applied: Applied,
    pub(crate) advice: Advice,
}

impl Record {
    pub(crate) const FORMAT: u32 = 1;

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Host and port of the request, such as `a.example.com:443`, if the service has several hosts: the call goes on there
    /// only.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The operation, if the request named one.
    pub fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }

    /// The method of the request.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path of the request, with its parameters' names where a route matches.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The keys of the call, see [`Attempts::keys`].
    pub fn keys(&self) -> &[IdempotencyKey] {
        self.attempts.keys()
    }

    /// Until when the last key keeps the write from being applied twice; `None` if there is no key, or the service does not
    /// say.
    pub fn protected_until(&self) -> Option<SystemTime> {
        self.protected_until
    }

    /// The attempts of the call.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// What the last response said.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Why there was no further attempt.
    pub fn stop(&self) -> StopReason {
        self.stop
    }

    /// Whether the write took effect.
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// What to do about it.
    pub fn advice(&self) -> Advice {
        self.advice
    }

    /// The key to go on with: in doubt if the write is.
    pub(crate) fn last_key(&self) -> Option<IdempotencyKey> {
        let key = self.keys().last()?;
        Some(if self.applied == Applied::No { key.clone().never_sent() } else { key.clone() })
    }
}

#[cfg(feature = "serde")]
fn known_format<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let format = <u32 as serde::Deserialize>::deserialize(deserializer)?;
    if format == Record::FORMAT {
        return Ok(format);
    }
    let message = format!("the record has the format {format}, but this version reads {}", Record::FORMAT);
    Err(serde::de::Error::custom(message))
}
