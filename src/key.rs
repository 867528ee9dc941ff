//! The idempotency key of a write, as callers give and get it.

use std::{
    fmt,
    hash::{Hash, Hasher},
    num::NonZeroU32,
    sync::Arc,
    time::SystemTime,
};

/// The idempotency key of a write, given by the caller or made by the layer.
///
/// Given to a request as an extension it is sent in the place that the service documents, in the service's format; the
/// caller need not know the place. It is checked when the call starts: a key that the service would not accept ends the
/// call with [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) before anything is sent.
///
/// ```
/// use reqwest_safe_retry::IdempotencyKey;
///
/// let key = IdempotencyKey::new("invoice-2026-07-customer-12");
/// assert_eq!(key.as_str(), "invoice-2026-07-customer-12");
/// assert!(!format!("{key:?}").contains("invoice"), "Debug shows a short digest only");
/// ```
///
/// Keys are equal if their text is.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IdempotencyKey {
    #[cfg_attr(feature = "serde", serde(rename = "key", with = "text"))]
    text: Arc<str>,
    #[cfg_attr(feature = "serde", serde(serialize_with = "not_before_1970"))]
    first_sent: Option<SystemTime>,
    generation: Option<NonZeroU32>,
}

/// serde refuses earlier times, which come up where a clock was not set yet: they count as 1970, as in a journal.
#[cfg(feature = "serde")]
fn not_before_1970<S: serde::Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&at.map(|at| at.max(SystemTime::UNIX_EPOCH)), serializer)
}

/// A text that is shared, as a text.
#[cfg(feature = "serde")]
pub(crate) mod text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        (**text).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

impl IdempotencyKey {
    /// A key from the caller's own data. The same operation must have the same key, another one a different key.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self { text: key.into(), first_sent: None, generation: None }
    }

    /// Says that a request with this key was sent before the call, and when for the first time: an earlier process, or
    /// another client, may have had it executed.
    ///
    /// A write whose key is older than the service keeps keys is not sent but ends with
    /// [`StopReason::KeyExpired`](crate::StopReason::KeyExpired). Whether the write took effect is unknown from the start:
    /// only a success, a stored refusal or a verdict settles it.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use reqwest_safe_retry::IdempotencyKey;
    ///
    /// let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    /// let key = IdempotencyKey::new("invoice-2026-07-customer-12").first_sent(yesterday);
    /// assert_eq!(key.first_sent_at(), Some(yesterday));
    /// ```
    ///
    /// The key in an [`Error`](crate::Error) whose write is in doubt has the time already.
    #[must_use]
    pub fn first_sent(mut self, at: SystemTime) -> Self {
        self.first_sent = Some(at);
        self
    }

    /// When a request with this key was sent for the first time, as far as that is known and may matter.
    pub fn first_sent_at(&self) -> Option<SystemTime> {
        self.first_sent
    }

    /// Which of its chain it is, if it comes from the layer: 1 for the first one, 2 for the one that replaced it, and so on.
    pub fn generation(&self) -> Option<u32> {
        self.generation.map(NonZeroU32::get)
    }

    pub(crate) fn of_generation(mut self, generation: u32) -> Self {
        self.generation = NonZeroU32::new(generation);
        self
    }

    /// Nothing that was sent with it can have taken effect.
    pub(crate) fn never_sent(mut self) -> Self {
        self.first_sent = None;
        self
    }

    /// The key itself. Anyone who knows it may be able to read the response that is stored under it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Eight hexadecimal digits that stand for the key in logs.
    pub fn digest(&self) -> impl fmt::Display + use<> {
        Digest::of(self.text.as_bytes())
    }
}

impl PartialEq for IdempotencyKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for IdempotencyKey {}

impl Hash for IdempotencyKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey(#{})", self.digest())
    }
}

/// FNV-1a, folded to 32 bits: the same in every process and version, and too short to recover the key.
struct Digest(u32);

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Self((hash ^ (hash >> 32)) as u32)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl From<&str> for IdempotencyKey {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for IdempotencyKey {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Arc<str>> for IdempotencyKey {
    fn from(text: Arc<str>) -> Self {
        Self::new(text)
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.text.as_ref().to_owned()
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn key_from_before_1970_can_be_stored() {
        let key = IdempotencyKey::new("k").first_sent(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        let stored = serde_json::to_string(&key).unwrap();
        let read: IdempotencyKey = serde_json::from_str(&stored).unwrap();
        assert_eq!((read.as_str(), read.first_sent_at()), ("k", Some(SystemTime::UNIX_EPOCH)));
    }
}
