//! The key of a call: the caller's, checked, or a fresh one; in a header or in the body.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header::CONTENT_LENGTH};
use reqwest::{Body, Request};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    decide::key::KeyPlace,
    durable::operation::InvalidOperation,
    key::IdempotencyKey,
    service::idempotency::{Idempotency, KeyFormat},
    time,
    wire::{
        json::{self, Member},
        json_insert,
    },
};

/// The key of a call, resolved once when it begins.
#[derive(Clone, Debug)]
pub(crate) enum CallKey {
    None,
    Header(WireKey),
    Body(IdempotencyKey),
}

impl CallKey {
    /// The caller's key, in the header, in the body or beside the request; or a fresh one if the layer makes keys for this
    /// service.
    pub(super) fn resolve(
        idempotency: &Idempotency,
        request: &Request,
        given: Option<&IdempotencyKey>,
    ) -> Result<Self, InvalidKey> {
        if let Some(pointer) = &idempotency.body_member {
            return Self::in_body(idempotency, request, pointer, given);
        }
        match WireKey::of_caller(idempotency, request.headers(), given)? {
            Some(key) => Ok(Self::Header(key)),
            None if idempotency.callers_keys_only || idempotency.header.is_none() => Ok(Self::None),
            None => Ok(Self::Header(WireKey::fresh(idempotency))),
        }
    }

    fn in_body(
        idempotency: &Idempotency,
        request: &Request,
        pointer: &str,
        given: Option<&IdempotencyKey>,
    ) -> Result<Self, InvalidKey> {
        let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
        let member = json::member(body, pointer).filter(Member::is_given);
        let key = member.and_then(Member::into_text).map(IdempotencyKey::new);
        match (key, given) {
            (key, Some(given)) if key.as_ref() != Some(given) => Err(InvalidKey::NotInBody),
            (Some(key), _) => check_length(idempotency, key.as_str().chars().count()).map(|()| Self::Body(key)),
            (None, _) => Ok(Self::None),
        }
    }

    /// Whether the caller has given it, or what it follows from.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Body(_) | Self::Header(WireKey::Given(..)))
    }

    /// Whether the layer has made it.
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self, Self::Header(WireKey::Fresh(..)))
    }

    pub(super) fn place(&self) -> KeyPlace {
        match self {
            Self::None => KeyPlace::Absent,
            Self::Header(_) => KeyPlace::Header,
            Self::Body(_) => KeyPlace::Body,
        }
    }

    pub(super) fn to_key(&self) -> Option<IdempotencyKey> {
        match self {
            Self::None => None,
            Self::Header(key) => Some(key.to_key()),
            Self::Body(key) => Some(key.clone()),
        }
    }
}

/// Puts the key of an operation into the JSON body, unless there is one already.
pub(super) fn write_into_body(request: &mut Request, pointer: &str, key: &IdempotencyKey) -> Result<(), InvalidKey> {
    let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
    if json::member(body, pointer).is_some() {
        return Ok(());
    }
    let written = json_insert::insert_text(body, pointer, key.as_str()).ok_or(InvalidKey::NotWritten)?;
    *request.body_mut() = Some(written.into());
    // That of the body before; the client works it out anew.
    request.headers_mut().remove(CONTENT_LENGTH);
    Ok(())
}

/// The namespace of keys that replace others: a UUIDv5 (RFC 9562, section 5.5) of it and the exact bytes on the wire of the
/// key before.
const NEXT_KEY: Uuid = uuid::uuid!("7a9c6e0b-3d52-4c1f-9b8e-2f5d1c7ab640");

/// A key in a header, as it is on the wire.
#[derive(Clone, Debug)]
pub(crate) enum WireKey {
    /// The caller's.
    Given(HeaderValue, KeyFormat),
    /// Made by the layer; written anew for each attempt, since a shared header value costs more.
    Fresh(Uuid, KeyFormat),
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
    #[error("the idempotency header is set more than once: set it once")]
    SetTwice,
    #[error("the service takes no idempotency key for this operation: leave it out, since it would protect nothing")]
    NotTaken,
    #[error(
        "an earlier request with this idempotency key may still be executing, and the service may execute this one too"
    )]
    InUse,
    #[error("the service takes its key in the request's body, which has another key or none: put the key there")]
    NotInBody,
    #[error("the idempotency header and the IdempotencyKey extension differ: give the key in one place")]
    Disagree,
    #[error("the request has an operation and an idempotency key, or a record beside one of them: leave one out")]
    TwoKeys,
    #[error("the record is of a call to another service")]
    OtherService,
    #[error("the record is of a call to another host")]
    OtherHost,
    #[error("the record is of another request")]
    OtherRequest,
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
    /// The key of a keyed request: the header that the caller set, the caller's extension, or none given.
    pub(crate) fn of_caller(
        idempotency: &Idempotency,
        headers: &HeaderMap,
        extension: Option<&IdempotencyKey>,
    ) -> Result<Option<Self>, InvalidKey> {
        let Some(name) = idempotency.header_name() else { return Ok(None) };
        let mut values = headers.get_all(name).iter();
        let header = values.next();
        if values.next().is_some() {
            return Err(InvalidKey::SetTwice);
        }
        let given = extension.map(|key| Self::from_raw(idempotency, key.as_str())).transpose()?;
        let Some(header) = header else { return Ok(given) };
        check(idempotency, &raw_part(idempotency.format, header.as_bytes()))?;
        if given.is_some_and(|given| given.header_value() != *header) {
            return Err(InvalidKey::Disagree);
        }
        Ok(Some(Self::Given(header.clone(), idempotency.format)))
    }

    /// A key that no one has used: a UUIDv4.
    pub(crate) fn fresh(idempotency: &Idempotency) -> Self {
        Self::Fresh(idempotency.characters.form(time::fresh_uuid()), idempotency.format)
    }

    /// The key that replaces this one, always the same: whoever holds a key, in this process or a later one, reaches the same
    /// next one.
    pub(crate) fn next(&self, idempotency: &Idempotency) -> Self {
        let next = Uuid::new_v5(&NEXT_KEY, self.header_value().as_bytes());
        Self::Fresh(idempotency.characters.form(next), idempotency.format)
    }

    pub(super) fn from_raw(idempotency: &Idempotency, raw: &str) -> Result<Self, InvalidKey> {
        check(idempotency, raw.as_bytes())?;
        let format = idempotency.format;
        let value = HeaderValue::from_str(&on_the_wire(format, raw)).map_err(|_| InvalidKey::Characters)?;
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
                IdempotencyKey::new(String::from_utf8_lossy(&raw_part(*format, value.as_bytes())))
            }
            Self::Fresh(uuid, _) => IdempotencyKey::new(uuid.to_string()),
        }
    }
}

fn check(idempotency: &Idempotency, raw: &[u8]) -> Result<(), InvalidKey> {
    if raw.is_empty() {
        return Err(InvalidKey::Empty);
    }
    if !raw.iter().all(u8::is_ascii_graphic) {
        return Err(InvalidKey::Characters);
    }
    check_length(idempotency, raw.len())?;
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
