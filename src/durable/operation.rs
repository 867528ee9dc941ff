//! What a caller wants done, named so that every process that tries it uses the same key.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::digest;

/// What a write is to achieve, in the caller's words: `invoice-2026-07/charge`. The keys of the call follow from it.
///
/// A job that runs at least once (after a crash, from a queue, in a durable engine) names the operation, and each of its runs
/// sends the same key. Given to a request with
/// [`RequestBuilderExt::operation`](crate::RequestBuilderExt::operation), or as an extension.
///
/// ```
/// use reqwest_safe_retry::Operation;
///
/// let charge = Operation::new("invoice-2026-07/charge").scope("account-12");
/// assert_eq!(charge.key("metronome").as_str(), "58c6ebeb-75c7-5470-8deb-04f5d2648cc7");
/// ```
///
/// # The recipe
///
/// The first key is the UUIDv5 (RFC 9562, section 5.5) of the namespace `fa5960bf-e271-4aa5-a1b6-44ac4f9cc46d` and three
/// fields one after the other: the service's name, the scope (empty unless given) and the id. Each is its length in bytes as
/// four bytes, the highest first, and then its UTF-8 bytes. Each further key is the UUIDv5 of the namespace
/// `7a9c6e0b-3d52-4c1f-9b8e-2f5d1c7ab640` and the key before it, byte for byte as it was sent. So whoever has one key of the
/// chain can compute the next one, in any language. For a service that demands UUIDs of version 4
/// ([`KeyCharacters::UuidV4`](crate::KeyCharacters::UuidV4)) the digit of the version is set to 4 in each of them.
///
/// A service with [several hosts](crate::ServiceBuilder::base_urls) adds a fourth field: the host of the request, in small
/// letters and without a dot at its end, a colon and the port.
///
/// The name of the service and the scope are part of the key: a write that is tried again after one of them was renamed has
/// another key, and may be applied twice. The same holds if its id changes between two runs.
///
/// The id has 1 to 1,024 bytes, the scope at most 1,024; neither has control characters. The call ends with
/// [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) otherwise, before anything is sent.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Operation {
    #[cfg_attr(feature = "serde", serde(with = "crate::key::text"))]
    id: Arc<str>,
    #[cfg_attr(feature = "serde", serde(with = "crate::key::text"))]
    scope: Arc<str>,
    /// What the caller says that the request is about.
    request: Option<Uuid>,
}

/// The namespace of the first keys of operations.
const FIRST_KEY: Uuid = uuid::uuid!("fa5960bf-e271-4aa5-a1b6-44ac4f9cc46d");
const MOST_BYTES: usize = 1024;

/// Why an operation has no key; never shows its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOperation {
    #[error("the operation has no id: name what the write is to achieve")]
    Empty,
    #[error("the operation's id or scope has {0} bytes, but at most 1,024 are taken: shorten it")]
    Length(usize),
    #[error("the operation's id or scope has a control character: leave it out")]
    Characters,
}

impl Operation {
    /// An operation with an id from the caller's own data, the same whenever it is tried.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), scope: Arc::from(""), request: None }
    }

    /// Within which the id is unique: the account, or the environment. Never a credential, which changes.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// What the request is about, for the journal, which refuses another request under the same operation. Without it the
    /// request is told by its method, path, query and body; give it if the body differs from run to run (a timestamp), or
    /// is a stream.
    ///
    /// ```
    /// use reqwest_safe_retry::Operation;
    ///
    /// let charge = Operation::new("invoice-2026-07/charge").about("customer 12, 4200 USD");
    /// assert_eq!(charge.key("billing"), Operation::new("invoice-2026-07/charge").key("billing"), "not part of the key");
    /// ```
    #[must_use]
    pub fn about(mut self, request: impl AsRef<str>) -> Self {
        self.request = Some(digest::of_text(request.as_ref()));
        self
    }

    /// What was said that the request is [about](Self::about).
    pub(crate) fn request(&self) -> Option<Uuid> {
        self.request
    }

    /// The scope; empty unless given.
    pub fn scope_name(&self) -> &str {
        &self.scope
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first key for a service of this name that has one host.
    pub fn key(&self, service: &str) -> crate::IdempotencyKey {
        crate::IdempotencyKey::new(self.first_key(service, None).to_string())
    }

    /// `host` is that of the request, if the service has several.
    pub(crate) fn first_key(&self, service: &str, host: Option<&str>) -> Uuid {
        let fields: Vec<_> = [service, &self.scope, &self.id].into_iter().chain(host).map(str::as_bytes).collect();
        digest::of_fields(FIRST_KEY, &fields)
    }

    pub(crate) fn check(&self) -> Result<(), InvalidOperation> {
        if self.id.is_empty() {
            return Err(InvalidOperation::Empty);
        }
        for field in [&self.id, &self.scope] {
            if field.len() > MOST_BYTES {
                return Err(InvalidOperation::Length(field.len()));
            }
            if field.chars().any(char::is_control) {
                return Err(InvalidOperation::Characters);
            }
        }
        Ok(())
    }
}

impl From<&str> for Operation {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl From<String> for Operation {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}

/// Its first key can be computed from it, and with that a stored response may be read.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with another implementation: Python's `uuid.uuid5`.
    #[test]
    fn keys_are_those_of_another_implementation() {
        for (service, scope, id, key) in [
            ("metronome", "", "invoice-2026-07/charge", "830a8228-36a8-5d57-a350-95b7e6bc9d06"),
            ("metronome", "account-12", "invoice-2026-07/charge", "58c6ebeb-75c7-5470-8deb-04f5d2648cc7"),
            ("billing", "prüfung", "été ✓", "81efe9e2-3c0d-5a25-908a-5ede62acdce1"),
        ] {
            assert_eq!(Operation::new(id).scope(scope).key(service).as_str(), key);
        }
        let at_the_border = [("ab", "c"), ("a", "bc")].map(|(scope, id)| Operation::new(id).scope(scope).key("s"));
        assert_ne!(at_the_border[0], at_the_border[1]);
    }

    #[test]
    fn absurd_operations_are_refused() {
        let long = "x".repeat(1025);
        assert_eq!(Operation::new("").check(), Err(InvalidOperation::Empty));
        assert_eq!(Operation::new("x".repeat(10_000)).check(), Err(InvalidOperation::Length(10_000)));
        assert_eq!(Operation::new("a").scope(long).check(), Err(InvalidOperation::Length(1025)));
        assert_eq!(Operation::new("a\nb").check(), Err(InvalidOperation::Characters));
        assert_eq!(Operation::new("x".repeat(1024)).check(), Ok(()));
    }
}
