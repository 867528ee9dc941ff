//! Which characters a key may have.

/// Which characters a key may have.
///
/// ```
/// use reqwest_safe_retry::{Error, ErrorKind, Idempotency, KeyCharacters, KeyKind, RequestBuilderExt};
/// use reqwest_safe_retry::{SafeRetry, Service, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll).characters(KeyCharacters::UuidV4);
/// let service = Service::builder("billing", "https://billing.internal").idempotency(keys).build().unwrap();
/// let transport = ScriptedTransport::new([200]);
/// let client = transport.client(SafeRetry::new([service])).unwrap();
/// let error = client.post("https://billing.internal/").idempotency_key("invoice-7").send().await.unwrap_err();
/// assert_eq!(Error::find(&error).map(Error::kind), Some(ErrorKind::InvalidKey));
/// assert!(transport.sent().is_empty());
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum KeyCharacters {
    /// Visible ASCII, which every header value can carry.
    #[default]
    VisibleAscii,
    /// A UUID with its hyphens.
    Uuid,
    /// A UUID of version 4. That of an operation, and one that replaces another, has the digit of its version set to 4.
    UuidV4,
    /// A UUID of version 5. One that the layer makes at random has the digit of its version set to 5.
    UuidV5,
}

impl KeyCharacters {
    /// The version that a UUID must have, if it is one.
    const fn version(self) -> Option<uuid::Version> {
        match self {
            Self::VisibleAscii | Self::Uuid => None,
            Self::UuidV4 => Some(uuid::Version::Random),
            Self::UuidV5 => Some(uuid::Version::Sha1),
        }
    }

    /// The UUID in the form that the service demands.
    pub(crate) fn form(self, uuid: uuid::Uuid) -> uuid::Uuid {
        match self.version() {
            Some(version) => uuid::Builder::from_bytes(uuid.into_bytes()).with_version(version).into_uuid(),
            None => uuid,
        }
    }

    /// Whether the service accepts it.
    pub(crate) fn accept(self, raw: &[u8]) -> bool {
        if self == Self::VisibleAscii {
            return true;
        }
        let uuid = uuid::Uuid::try_parse_ascii(raw).ok().filter(|_| raw.len() == 36);
        uuid.is_some_and(|uuid| self.version().is_none_or(|version| uuid.get_version() == Some(version)))
    }
}
