//! The idempotency key of a call: the caller's, checked, or a fresh one.

use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderMap, HeaderValue};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    idempotency::{Idempotency, KeyCharacters, KeyFormat},
    time,
};

/// The value of a service's idempotency header, as given by the caller or made by the layer.
///
/// Given to a request with `.with_extension(..)` it is sent in the header that the service documents, in the
/// service's format; the header need not be known to the caller. It is checked when the call starts: a key that
/// the service would not take ends the call with [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) before
/// anything is sent.
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
    /// A key from the caller's own data. The same intention must have the same key, another one a different key.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// The key itself. Whoever knows it may be able to read the answer that is stored under it.
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

/// FNV-1a, folded to 32 bits: the same in every process and version, and too short to lead back to the key.
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

/// The key of a call as it stands on the wire.
#[derive(Clone, Debug)]
pub(crate) enum WireKey {
    /// The caller's, as it stands on the wire.
    Given(HeaderValue, KeyFormat),
    /// Made for the call; written out anew for each attempt, since a shared header value costs more.
    Fresh(Uuid, KeyFormat),
}

/// Why a key cannot be sent; never shows the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyProblem {
    #[error("the idempotency key is empty: leave it out to have one made, or give one")]
    Empty,
    #[error("the idempotency key has a character that is not visible ASCII: use letters, digits and punctuation only")]
    Characters,
    #[error("the idempotency key is no UUID with hyphens, which the service asks for")]
    NoUuid,
    #[error("the idempotency key has {length} characters, and the service takes {max}: shorten it")]
    Length { length: usize, max: usize },
    #[error("the idempotency header is set more than once: set it once")]
    SetTwice,
    #[error("the service takes its key in the request's body, which has another key or none: put the key there")]
    NotInBody,
    #[error("the idempotency header and the IdempotencyKey extension differ: give the key in one place")]
    Disagree,
}

impl WireKey {
    /// The key of a keyed request: the header that the caller set, the caller's extension, or none given.
    pub(crate) fn of_caller(
        idempotency: &Idempotency,
        headers: &HeaderMap,
        extension: Option<&IdempotencyKey>,
    ) -> Result<Option<Self>, KeyProblem> {
        let Some(name) = idempotency.header_name() else { return Ok(None) };
        let mut values = headers.get_all(name).iter();
        let header = values.next();
        if values.next().is_some() {
            return Err(KeyProblem::SetTwice);
        }
        let given = extension.map(|key| Self::from_raw(idempotency, key.as_str())).transpose()?;
        let Some(header) = header else { return Ok(given) };
        check(idempotency, &idempotency.key_format().raw_part(header.as_bytes()))?;
        if given.is_some_and(|given| given.header_value() != *header) {
            return Err(KeyProblem::Disagree);
        }
        Ok(Some(Self::Given(header.clone(), idempotency.key_format())))
    }

    /// A key that no one has used: a UUIDv4.
    pub(crate) fn fresh(idempotency: &Idempotency) -> Self {
        Self::Fresh(time::fresh_uuid(), idempotency.key_format())
    }

    fn from_raw(idempotency: &Idempotency, raw: &str) -> Result<Self, KeyProblem> {
        check(idempotency, raw.as_bytes())?;
        let format = idempotency.key_format();
        let value = HeaderValue::from_str(&format.on_the_wire(raw)).map_err(|_| KeyProblem::Characters)?;
        Ok(Self::Given(value, format))
    }

    /// Sensitive: left out of Debug output and of HTTP/2's header tables.
    pub(crate) fn header_value(&self) -> HeaderValue {
        let mut value = match self {
            Self::Given(value, _) => value.clone(),
            Self::Fresh(uuid, format) => {
                // As a string in quotes, of which the raw format takes the inside.
                let mut quoted = [b'"'; Hyphenated::LENGTH + 2];
                uuid.hyphenated().encode_lower(&mut quoted[1..=Hyphenated::LENGTH]);
                let bytes = match format {
                    KeyFormat::Raw => &quoted[1..=Hyphenated::LENGTH],
                    KeyFormat::StructuredString => &quoted[..],
                };
                // Hexadecimal digits, hyphens and quotes, of which a header value can always be made.
                HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static(""))
            }
        };
        value.set_sensitive(true);
        value
    }

    pub(crate) fn to_key(&self) -> IdempotencyKey {
        match self {
            Self::Given(value, format) => {
                IdempotencyKey::new(String::from_utf8_lossy(&format.raw_part(value.as_bytes())))
            }
            Self::Fresh(uuid, _) => IdempotencyKey::new(uuid.to_string()),
        }
    }
}

fn check(idempotency: &Idempotency, raw: &[u8]) -> Result<(), KeyProblem> {
    let max = idempotency.max_key_length();
    if raw.is_empty() {
        return Err(KeyProblem::Empty);
    }
    if !raw.iter().all(u8::is_ascii_graphic) {
        return Err(KeyProblem::Characters);
    }
    if raw.len() > max {
        return Err(KeyProblem::Length { length: raw.len(), max });
    }
    match idempotency.key_characters() {
        KeyCharacters::Uuid if raw.len() != 36 || uuid::Uuid::try_parse_ascii(raw).is_err() => Err(KeyProblem::NoUuid),
        KeyCharacters::Uuid | KeyCharacters::VisibleAscii => Ok(()),
    }
}

impl KeyFormat {
    fn on_the_wire(self, raw: &str) -> String {
        match self {
            Self::Raw => raw.to_owned(),
            // RFC 9651, section 4.1.6: a string in quotes; quotes and backslashes are escaped.
            Self::StructuredString => format!("\"{}\"", raw.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }

    /// The key itself within a header value; a value without the quotes of its format is taken as it is.
    fn raw_part(self, wire: &[u8]) -> Cow<'_, [u8]> {
        let quoted = match self {
            Self::Raw => None,
            Self::StructuredString => wire.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")),
        };
        match quoted {
            None => Cow::Borrowed(wire),
            Some(inside) if !inside.contains(&b'\\') => Cow::Borrowed(inside),
            Some(inside) => Cow::Owned(unescaped(inside)),
        }
    }
}

/// RFC 9651, section 4.2.5: a backslash stands before a quote or a backslash that is meant.
fn unescaped(inside: &[u8]) -> Vec<u8> {
    let mut bytes = inside.iter();
    let mut raw = Vec::with_capacity(inside.len());
    while let Some(byte) = bytes.next() {
        raw.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    raw
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0.as_ref().to_owned()
    }
}
