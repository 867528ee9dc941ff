//! The key of a call: the caller's, checked, or a fresh one; in a header, in the URL's query or in the body.

use std::borrow::Cow;

use http::HeaderValue;
use reqwest::{Request, Url};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    decide::key::KeyPlace,
    durable::operation::InvalidOperation,
    key::IdempotencyKey,
    service::idempotency::{Idempotency, KeyFormat},
    time,
    wire::query,
};

/// The key of a call, resolved once when it begins.
#[derive(Clone, Debug)]
pub(crate) enum CallKey {
    None,
    /// In a header or the query.
    Replaceable(WireKey),
    /// In a box, since few calls have one.
    Body(Box<BodyKey>),
}

/// A key in the body, which is written there before the first attempt.
#[derive(Clone, Debug)]
pub(crate) struct BodyKey {
    pub(super) key: IdempotencyKey,
    /// Made by the layer.
    pub(super) is_fresh: bool,
}

impl CallKey {
    /// The caller's key, in the header, in the query or beside the request; or a fresh one if the layer makes keys for this
    /// service.
    pub(super) fn resolve(
        idempotency: &Idempotency,
        request: &Request,
        given: Option<&IdempotencyKey>,
    ) -> Result<Self, InvalidKey> {
        match WireKey::of_caller(idempotency, request, given)? {
            Some(key) => Ok(Self::Replaceable(key)),
            None if idempotency.callers_keys_only || !idempotency.key_place().is_replaceable() => Ok(Self::None),
            None => WireKey::fresh(idempotency).map(Self::Replaceable),
        }
    }

    /// Whether the caller has given it, or what it follows from.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::None => false,
            Self::Replaceable(key) => matches!(key, WireKey::Given(..)),
            Self::Body(body) => !body.is_fresh,
        }
    }

    /// Whether the layer has made it.
    pub(super) fn is_fresh(&self) -> bool {
        self.place() != KeyPlace::Absent && !self.is_known()
    }

    pub(super) fn place(&self) -> KeyPlace {
        match self {
            Self::None => KeyPlace::Absent,
            Self::Replaceable(key) => key.place(),
            Self::Body(_) => KeyPlace::Body,
        }
    }

    pub(super) fn to_key(&self) -> Option<IdempotencyKey> {
        match self {
            Self::None => None,
            Self::Replaceable(key) => Some(key.to_key()),
            Self::Body(body) => Some(body.key.clone()),
        }
    }

    /// The key, if another one may be sent in its place.
    pub(super) fn replaceable(&self) -> Option<&WireKey> {
        match self {
            Self::Replaceable(key) => Some(key),
            Self::None | Self::Body(_) => None,
        }
    }

    /// Another key in the same place.
    pub(super) fn replace(&mut self, next: WireKey) {
        if let Self::Replaceable(key) = self {
            *key = next;
        }
    }

    /// Puts the key into an attempt.
    pub(super) fn write_to(&self, request: &mut Request, idempotency: &Idempotency) {
        match (self, idempotency.header_name()) {
            (Self::Replaceable(key), Some(name)) => {
                request.headers_mut().insert(name.clone(), key.header_value());
            }
            (Self::Replaceable(_), None) => {
                if let Cow::Owned(url) = self.with_url(request.url(), idempotency) {
                    *request.url_mut() = url;
                }
            }
            (Self::None | Self::Body(_), _) => {}
        }
    }

    /// The URL of an attempt.
    pub(super) fn with_url<'u>(&self, url: &'u Url, idempotency: &Idempotency) -> Cow<'u, Url> {
        match (self, &idempotency.query) {
            (Self::Replaceable(key), Some(name)) => query::with(url, name, key.to_key().as_str()),
            _ => Cow::Borrowed(url),
        }
    }
}

/// The namespace of keys that replace others: a UUIDv5 (RFC 9562, section 5.5) of it and the exact bytes on the wire of the
/// key before.
const NEXT_KEY: Uuid = uuid::uuid!("7a9c6e0b-3d52-4c1f-9b8e-2f5d1c7ab640");

/// A key in a header, as it is on the wire; or in the query, where it is raw.
#[derive(Clone, Debug)]
pub(crate) enum WireKey {
    /// The caller's.
    Given(HeaderValue, Written),
    /// Made by the layer; written anew for each attempt, since a shared header value costs more.
    Fresh(Uuid, Written),
}

/// Where and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Header(KeyFormat),
    Query,
}

impl Written {
    fn by(idempotency: &Idempotency) -> Self {
        if idempotency.query.is_some() { Self::Query } else { Self::Header(idempotency.format) }
    }

    const fn format(self) -> KeyFormat {
        match self {
            Self::Header(format) => format,
            Self::Query => KeyFormat::Raw,
        }
    }
}

/// Why a key cannot be sent; never shows the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidKey {
    #[error("the idempotency key is empty: leave it out to have one made, or give one")]
    Empty,
    #[error("the idempotency key has a character that is not visible ASCII: use letters, digits and punctuation only")]
    Characters,
    #[error("the idempotency key is not a UUID with hyphens, of the version that the service requires")]
    NotUuid,
    #[error("the idempotency key has {length} characters, but the service accepts {max}: shorten it")]
    Length { length: usize, max: usize },
    #[error(
        "the idempotency key was sent so long ago that the service may have forgotten it: find out whether the write took \
         effect before it is sent with a new key"
    )]
    Expired,
    #[error("no idempotency key could be made, since the operating system gave no random bits: give the request a key")]
    NotMade,
    #[error("the idempotency key is set more than once: set it once")]
    SetTwice,
    #[error(
        "the service takes no idempotency key for this request: leave out the key or the operation, which would protect \
         nothing without a journal"
    )]
    NotTaken,
    #[error(
        "an earlier request with this idempotency key may still be executing, and the service may execute this one too"
    )]
    InUse,
    #[error("the service takes its key in the request's body, which has another key or none: put the key there")]
    NotInBody,
    #[error("the idempotency key in the request and the IdempotencyKey extension differ: give the key in one place")]
    Disagree,
    #[error("the request has an operation and an idempotency key, or a record beside one of them: leave one out")]
    TwoKeys,
    #[error("the record is of a call to another service")]
    OtherService,
    #[error("the record is of a call to another host")]
    OtherHost,
    #[error("the record is of another request")]
    OtherRequest,
    #[error("this process has used the idempotency key for another request: use a new key")]
    UsedBefore,
    #[error(transparent)]
    Operation(#[from] InvalidOperation),
    #[error("the service takes its key in the request's body, which is no JSON object in memory: put the key there")]
    NotWritten,
    #[error(
        "the request's body is a stream, which nothing tells from another one: say with `Operation::about` what it is"
    )]
    NoDigest,
    #[error(
        "an earlier process may have sent the write, and the service takes no key that keeps it from being done twice"
    )]
    MayBeSent,
}

impl WireKey {
    /// The key of a keyed request: the one that the caller has written into it, the caller's extension, or none given.
    fn of_caller(
        idempotency: &Idempotency,
        request: &Request,
        extension: Option<&IdempotencyKey>,
    ) -> Result<Option<Self>, InvalidKey> {
        if !idempotency.key_place().is_replaceable() {
            return Ok(None);
        }
        let (how, value) = (Written::by(idempotency), written(idempotency, request)?);
        let given = extension.map(|key| Self::from_raw(idempotency, key.as_str())).transpose()?;
        let Some(value) = value else { return Ok(given) };
        check(idempotency, &raw_part(how.format(), value.as_bytes()))?;
        if given.is_some_and(|given| given.header_value() != value) {
            return Err(InvalidKey::Disagree);
        }
        Ok(Some(Self::Given(value, how)))
    }

    fn place(&self) -> KeyPlace {
        match self {
            Self::Given(_, Written::Query) | Self::Fresh(_, Written::Query) => KeyPlace::Query,
            Self::Given(_, Written::Header(_)) | Self::Fresh(_, Written::Header(_)) => KeyPlace::Header,
        }
    }

    /// A key that no one has used: a UUIDv4.
    pub(crate) fn fresh(idempotency: &Idempotency) -> Result<Self, InvalidKey> {
        Ok(Self::Fresh(fresh(idempotency)?, Written::by(idempotency)))
    }

    /// The key that replaces this one, always the same: whoever holds a key, in this process or a later one, reaches the same
    /// next one.
    pub(crate) fn next(&self, idempotency: &Idempotency) -> Self {
        let next = Uuid::new_v5(&NEXT_KEY, self.header_value().as_bytes());
        Self::Fresh(idempotency.characters.form(next), Written::by(idempotency))
    }

    pub(super) fn from_raw(idempotency: &Idempotency, raw: &str) -> Result<Self, InvalidKey> {
        check(idempotency, raw.as_bytes())?;
        let how = Written::by(idempotency);
        let value = HeaderValue::from_str(&on_the_wire(how.format(), raw)).map_err(|_| InvalidKey::Characters)?;
        Ok(Self::Given(value, how))
    }

    /// Sensitive: left out of Debug output and of HTTP/2's header tables.
    pub(crate) fn header_value(&self) -> HeaderValue {
        let mut value = match self {
            Self::Given(value, _) => value.clone(),
            Self::Fresh(uuid, how) => {
                // As a string in quotes, of which the raw format takes the inside.
                let mut quoted = [b'"'; Hyphenated::LENGTH + 2];
                uuid.hyphenated().encode_lower(&mut quoted[1..=Hyphenated::LENGTH]);
                let bytes = match how.format() {
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
            Self::Given(value, how) => {
                IdempotencyKey::new(String::from_utf8_lossy(&raw_part(how.format(), value.as_bytes())))
            }
            Self::Fresh(uuid, _) => {
                let mut text = Uuid::encode_buffer();
                IdempotencyKey::new(&*uuid.hyphenated().encode_lower(&mut text))
            }
        }
    }
}

/// A UUIDv4 in the form that the service demands, for a key that no one has used.
pub(super) fn fresh(idempotency: &Idempotency) -> Result<Uuid, InvalidKey> {
    let uuid = time::fresh_uuid().map_err(|_| InvalidKey::NotMade)?;
    Ok(idempotency.characters.form(uuid))
}

/// What the caller has written into the place of the key.
fn written(idempotency: &Idempotency, request: &Request) -> Result<Option<HeaderValue>, InvalidKey> {
    if let Some(name) = &idempotency.query {
        let value = the_only(query::values(request.url(), name))?;
        return value.map(|value| HeaderValue::from_str(&value).map_err(|_| InvalidKey::Characters)).transpose();
    }
    let Some(name) = idempotency.header_name() else { return Ok(None) };
    let headers = request.headers();
    if headers.len() > FEW_HEADERS {
        return Ok(the_only(headers.get_all(name).iter())?.cloned());
    }
    Ok(the_only(headers.iter().filter_map(|(header, value)| (header == name).then_some(value)))?.cloned())
}

/// To look at so many is cheaper than to hash the name.
const FEW_HEADERS: usize = 4;

fn the_only<T>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, InvalidKey> {
    let first = values.next();
    if values.next().is_some() { Err(InvalidKey::SetTwice) } else { Ok(first) }
}

/// What the service would not accept of a key in the body, where it may have any character.
pub(super) fn check_in_body(idempotency: &Idempotency, key: &IdempotencyKey) -> Result<(), InvalidKey> {
    if key.as_str().is_empty() {
        return Err(InvalidKey::Empty);
    }
    check_length(idempotency, key.as_str().chars().count())?;
    check_characters(idempotency, key.as_str().as_bytes())
}

fn check(idempotency: &Idempotency, raw: &[u8]) -> Result<(), InvalidKey> {
    if raw.is_empty() {
        return Err(InvalidKey::Empty);
    }
    if !raw.iter().all(u8::is_ascii_graphic) {
        return Err(InvalidKey::Characters);
    }
    check_length(idempotency, raw.len())?;
    check_characters(idempotency, raw)
}

fn check_characters(idempotency: &Idempotency, raw: &[u8]) -> Result<(), InvalidKey> {
    if idempotency.characters.accept(raw) { Ok(()) } else { Err(InvalidKey::NotUuid) }
}

fn check_length(idempotency: &Idempotency, length: usize) -> Result<(), InvalidKey> {
    let max = idempotency.max_length;
    if length > max { Err(InvalidKey::Length { length, max }) } else { Ok(()) }
}

fn on_the_wire(format: KeyFormat, raw: &str) -> String {
    match format {
        KeyFormat::Raw => raw.to_owned(),
        // RFC 9651, section 4.1.6: a string in quotes; quotes and backslashes are escaped.
        KeyFormat::StructuredString => format!("\"{}\"", raw.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// The key itself within a header value; a value without the quotes of its format is taken as it is.
fn raw_part(format: KeyFormat, wire: &[u8]) -> Cow<'_, [u8]> {
    let quoted = match format {
        KeyFormat::Raw => None,
        KeyFormat::StructuredString => wire.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")),
    };
    match quoted {
        None => Cow::Borrowed(wire),
        Some(inside) if !inside.contains(&b'\\') => Cow::Borrowed(inside),
        Some(inside) => Cow::Owned(unescaped(inside)),
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
