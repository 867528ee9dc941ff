//! How a service handles idempotency keys: data, one value a service.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::config_error::Mistakes;

/// What a service stores under a key, and so what the same key gets after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// Only a success is stored; after a failure the same key executes again. A new key could double the write.
    ReplaySuccess,
    /// The first executed result is stored, a 500 included: the same key learns it and then only repeats it.
    ReplayAll,
    /// A header of the answer says whether the same key will execute again.
    Signalled,
    /// An internal error makes the key unusable.
    Poisoned,
    /// The key is a lasting, unique attribute of what was created; a repeat finds it there.
    ResourceKey,
    /// The service documents no keys.
    None,
}

/// How a key is written into the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFormat {
    /// As it is.
    #[default]
    Raw,
    /// As a string of RFC 9651: in double quotes.
    StructuredString,
}

/// What an answer says about the key, where the description can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// An earlier request with this key is still being executed.
    InProgress,
    /// The key was used before with other parameters.
    OtherParameters,
    /// What the write would create is there already.
    AlreadyExists,
    /// The key has become unusable after an internal error.
    Burnt,
    /// The write had no effect and must be sent with a new key.
    RotateAtOnce,
}

/// What a status, with a text in the body where one is given, means for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConflictRule {
    status: u16,
    text: Option<Cow<'static, str>>,
    pub(crate) meaning: Meaning,
}

impl ConflictRule {
    /// `texts` are the body's code, type, name and message. A number is compared whole, so that 704 is not found in
    /// 7041; words are looked for without regard to case.
    fn matches(&self, status: StatusCode, texts: &[&str]) -> bool {
        let Some(wanted) = &self.text else { return status.as_u16() == self.status };
        let number = wanted.bytes().all(|byte| byte.is_ascii_digit());
        status.as_u16() == self.status
            && texts
                .iter()
                .any(|text| if number { text.trim() == wanted } else { contains_ignoring_case(text, wanted) })
    }
}

fn contains_ignoring_case(text: &str, wanted: &str) -> bool {
    text.as_bytes().windows(wanted.len().max(1)).any(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// A header whose value answers a question with yes or no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    header: Cow<'static, str>,
    yes: Cow<'static, str>,
    no: Cow<'static, str>,
}

impl Flag {
    pub(crate) fn new(header: impl Into<Cow<'static, str>>) -> Self {
        Self { header: header.into(), yes: "true".into(), no: "false".into() }
    }

    /// `None` where the header is missing or says neither.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<bool> {
        let value = headers.get(self.header.as_ref())?.to_str().ok()?.trim();
        if value.eq_ignore_ascii_case(&self.yes) {
            return Some(true);
        }
        value.eq_ignore_ascii_case(&self.no).then_some(false)
    }

    pub(crate) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        header_name(&self.header, path, mistakes);
    }
}

/// How a service handles idempotency keys, as it documents it.
///
/// ```
/// use std::time::Duration;
/// use http::Method;
/// use reqwest_safe_retry::{Idempotency, KeyKind, Meaning};
///
/// let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
///     .keyed([Method::POST])
///     .retention(Duration::from_secs(24 * 3600))
///     .conflict(409, Meaning::InProgress);
/// assert_eq!(keys.kind(), KeyKind::ReplaySuccess);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Idempotency {
    kind: KeyKind,
    header_text: Cow<'static, str>,
    header: Option<HeaderName>,
    format: KeyFormat,
    max_length: usize,
    methods: Vec<Method>,
    retention: Option<Duration>,
    made_by_layer: bool,
    conflicts: Vec<ConflictRule>,
    transient_signal: Option<Flag>,
    replay_marker: Option<Flag>,
}

/// What is allowed for a key where a service states no limit; the longest that services are known to take.
const DEFAULT_MAX_LENGTH: usize = 255;
/// The length of a UUID with its hyphens: what the layer makes.
const UUID_LENGTH: usize = 36;

impl Idempotency {
    /// Keys in this header, for POST requests unless [`keyed`](Self::keyed) says otherwise.
    pub fn header(name: impl Into<Cow<'static, str>>, kind: KeyKind) -> Self {
        let header_text = name.into();
        Self {
            kind,
            header: HeaderName::from_bytes(header_text.as_bytes()).ok(),
            header_text,
            format: KeyFormat::Raw,
            max_length: DEFAULT_MAX_LENGTH,
            methods: vec![Method::POST],
            retention: None,
            made_by_layer: true,
            conflicts: Vec::new(),
            transient_signal: None,
            replay_marker: None,
        }
    }

    /// No keys: a write is sent again only where it provably was not executed.
    pub fn none() -> Self {
        Self { header: None, methods: Vec::new(), ..Self::header("", KeyKind::None) }
    }

    /// The methods that the service keys.
    pub fn keyed(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// How a key is written into the header; [`KeyFormat::Raw`] unless set.
    pub const fn format(mut self, format: KeyFormat) -> Self {
        self.format = format;
        self
    }

    /// How many characters a key may have; 255 unless set.
    pub const fn max_length(mut self, characters: usize) -> Self {
        self.max_length = characters;
        self
    }

    /// How long a result is kept under its key. A deadline beyond it is refused when the service is built.
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Makes no keys: only a key that the caller gives is sent, and a write without one counts as un-keyed.
    pub const fn callers_keys_only(mut self) -> Self {
        self.made_by_layer = false;
        self
    }

    /// What this status means, whatever the body says. Rules are tried in the order given.
    pub fn conflict(mut self, status: u16, meaning: Meaning) -> Self {
        self.conflicts.push(ConflictRule { status, text: None, meaning });
        self
    }

    /// What this status means where the body's code, type, name or message has this text (without regard to case;
    /// a number must be the whole value).
    pub fn conflict_saying(mut self, status: u16, text: impl Into<Cow<'static, str>>, meaning: Meaning) -> Self {
        self.conflicts.push(ConflictRule { status, text: Some(text.into()), meaning });
        self
    }

    /// The header that says `true` where the same key may be sent again after an error.
    pub fn transient_signal(mut self, header: impl Into<Cow<'static, str>>) -> Self {
        self.transient_signal = Some(Flag::new(header));
        self
    }

    /// The header that says `true` where an answer is a stored one, repeated.
    pub fn replay_marker(mut self, header: impl Into<Cow<'static, str>>) -> Self {
        self.replay_marker = Some(Flag::new(header));
        self
    }

    /// What the service stores under a key.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The header that carries the key.
    pub fn header_name(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }

    pub(crate) fn key_format(&self) -> KeyFormat {
        self.format
    }

    pub(crate) fn max_key_length(&self) -> usize {
        self.max_length
    }

    pub(crate) fn makes_keys(&self) -> bool {
        self.made_by_layer
    }

    pub(crate) fn keys(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    pub(crate) fn meaning(&self, status: StatusCode, texts: &[&str]) -> Option<Meaning> {
        self.conflicts.iter().find(|rule| rule.matches(status, texts)).map(|rule| rule.meaning)
    }

    pub(crate) fn is_transient(&self, headers: &HeaderMap) -> bool {
        self.transient_signal.as_ref().and_then(|flag| flag.read(headers)) == Some(true)
    }

    pub(crate) fn is_replay(&self, headers: &HeaderMap) -> bool {
        self.replay_marker.as_ref().and_then(|flag| flag.read(headers)) == Some(true)
    }

    pub(crate) fn check(&self, deadline: Duration, mistakes: &mut Mistakes) {
        if self.kind == KeyKind::None {
            return;
        }
        header_name(&self.header_text, "idempotency.header", mistakes);
        if self.methods.is_empty() {
            mistakes.add("idempotency.keyed", "names no method: use `Idempotency::none()` for a service without keys");
        }
        if self.made_by_layer && self.max_length < UUID_LENGTH {
            mistakes.add(
                "idempotency.max_length",
                format!("{} leaves no room for a UUID ({UUID_LENGTH}): add `callers_keys_only()`", self.max_length),
            );
        }
        if let Some(retention) = self.retention.filter(|retention| *retention < deadline) {
            mistakes.add("idempotency.retention", format!("{retention:?} is below the deadline {deadline:?}"));
        }
        match (self.kind, &self.transient_signal) {
            (KeyKind::Signalled, None) => {
                mistakes
                    .add("idempotency.transient_signal", "is missing: the kind `Signalled` reads it after an error");
            }
            (_, Some(flag)) => flag.check("idempotency.transient_signal", mistakes),
            (_, None) => {}
        }
        if let Some(flag) = &self.replay_marker {
            flag.check("idempotency.replay_marker", mistakes);
        }
    }
}

pub(crate) fn header_name(name: &str, path: &str, mistakes: &mut Mistakes) {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        mistakes.add(path, format!("{name:?} is no header name"));
    }
}
