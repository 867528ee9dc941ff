//! The idempotency key of a write, as callers give and get it.

use std::{fmt, sync::Arc};

/// The idempotency key of a write, given by the caller or made by the layer.
///
/// Given to a request as an extension it is sent in the header that the service documents, in the service's format; the
/// caller need not know the header. It is checked when the call starts: a key that the service would not accept ends the
/// call with [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) before anything is sent.
///
/// ```
/// use reqwest_safe_retry::IdempotencyKey;
///
/// let key = IdempotencyKey::new("invoice-2026-07-customer-12");
/// assert_eq!(key.as_str(), "invoice-2026-07-customer-12");
/// assert!(!format!("{key:?}").contains("invoice"), "Debug shows a short digest only");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// A key from the caller's own data. The same operation must have the same key, another one a different key.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// The key itself. Anyone who knows it may be able to read the response that is stored under it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Eight hexadecimal digits that stand for the key in logs.
    pub fn digest(&self) -> impl fmt::Display + use<> {
        Digest::of(self.0.as_bytes())
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

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0.as_ref().to_owned()
    }
}
