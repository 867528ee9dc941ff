//! How a service handles idempotency keys: data, one value a service.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::{config_error::Mistakes, header::Header, signal::Signal};

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

/// Which characters a key may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyCharacters {
    /// Visible ASCII: what a header value can carry without doubt.
    #[default]
    VisibleAscii,
    /// A UUID with its hyphens.
    Uuid,
}

/// Whether a stored 500 is asked for once more with the same key before anything else is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Probe {
    /// Once: where nothing had begun, the same key heals it.
    #[default]
    Once,
    /// Never: a 500 is known to be stored.
    Never,
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
    pub(crate) kind: KeyKind,
    pub(crate) place: Place,
    format: KeyFormat,
    characters: KeyCharacters,
    max_length: usize,
    methods: Vec<Method>,
    retention: Option<Duration>,
    pub(crate) made_by_layer: bool,
    pub(crate) probe: Option<Probe>,
    pub(crate) conflicts: Vec<ConflictRule>,
    transient_signal: Option<Signal>,
    replay_marker: Option<Signal>,
}

/// Where a service takes its keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    Nowhere,
    Header(Header),
    /// A pointer into the request's JSON body.
    Body(Cow<'static, str>),
}

/// What is allowed for a key where a service states no limit; the longest that services are known to take.
const DEFAULT_MAX_LENGTH: usize = 255;
/// The length of a UUID with its hyphens: what the layer makes.
const UUID_LENGTH: usize = 36;

impl Idempotency {
    /// Keys in this header, for POST requests unless [`keyed`](Self::keyed) says otherwise.
    pub fn header(name: impl Into<Cow<'static, str>>, kind: KeyKind) -> Self {
        Self::new(kind, Place::Header(Header::new(name)), vec![Method::POST])
    }

    /// Keys in a member of the request's JSON body, named by a pointer (RFC 6901), for POST requests unless
    /// [`keyed`](Self::keyed) says otherwise. The layer never writes into a body: a request without the member has no
    /// key, and a key that is there is only ever preserved.
    pub fn body_member(pointer: impl Into<Cow<'static, str>>, kind: KeyKind) -> Self {
        Self::new(kind, Place::Body(pointer.into()), vec![Method::POST]).callers_keys_only()
    }

    /// No keys: a write is sent again only where it provably was not executed.
    pub const fn none() -> Self {
        Self::new(KeyKind::None, Place::Nowhere, Vec::new())
    }

    const fn new(kind: KeyKind, place: Place, methods: Vec<Method>) -> Self {
        Self {
            kind,
            place,
            format: KeyFormat::Raw,
            characters: KeyCharacters::VisibleAscii,
            max_length: DEFAULT_MAX_LENGTH,
            methods,
            retention: None,
            made_by_layer: true,
            probe: None,
            conflicts: Vec::new(),
            transient_signal: None,
            replay_marker: None,
        }
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

    /// Which characters a key may have; [`KeyCharacters::VisibleAscii`] unless set.
    pub const fn characters(mut self, characters: KeyCharacters) -> Self {
        self.characters = characters;
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

    /// Whether the same key is tried once more after a 500; for [`KeyKind::ReplayAll`] only, [`Probe::Once`] unless set.
    pub const fn probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
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
    pub fn transient_signal(mut self, signal: impl Into<Signal>) -> Self {
        self.transient_signal = Some(signal.into());
        self
    }

    /// The header that says `true` where an answer is a stored one, repeated.
    pub fn replay_marker(mut self, signal: impl Into<Signal>) -> Self {
        self.replay_marker = Some(signal.into());
        self
    }

    /// What the service stores under a key.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The header that carries the key.
    pub const fn header_name(&self) -> Option<&HeaderName> {
        match &self.place {
            Place::Header(header) => header.name(),
            Place::Nowhere | Place::Body(_) => None,
        }
    }

    /// The member of the request's body that carries the key.
    pub fn body_pointer(&self) -> Option<&str> {
        match &self.place {
            Place::Body(pointer) => Some(pointer),
            Place::Nowhere | Place::Header(_) => None,
        }
    }

    /// How a key is written into the header.
    pub const fn key_format(&self) -> KeyFormat {
        self.format
    }

    /// Which characters a key may have.
    pub const fn key_characters(&self) -> KeyCharacters {
        self.characters
    }

    /// How many characters a key may have.
    pub const fn max_key_length(&self) -> usize {
        self.max_length
    }

    /// How long a result is kept under its key, where the service says.
    pub const fn kept_for(&self) -> Option<Duration> {
        self.retention
    }

    /// Whether a 500 is followed by one attempt with the same key before anything else is done.
    pub(crate) fn probes(&self) -> Probe {
        self.probe.unwrap_or_default()
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
        match &self.place {
            Place::Nowhere => return,
            Place::Header(header) => header.check("idempotency.header", mistakes),
            Place::Body(pointer) if !pointer.starts_with('/') => {
                mistakes.add(
                    "idempotency.body_member",
                    format!("{pointer:?} is no JSON pointer: it must begin with a slash"),
                );
            }
            Place::Body(_) => {}
        }
        self.check_keys(mistakes);
        self.check_kind(mistakes);
        self.check_deadline(deadline, "idempotency.retention", mistakes);
        for (field, signal) in [("transient_signal", &self.transient_signal), ("replay_marker", &self.replay_marker)] {
            if let Some(signal) = signal {
                signal.check(&format!("idempotency.{field}"), mistakes);
            }
        }
    }

    /// A call must not outlive the result that its key stands for.
    pub(crate) fn check_deadline(&self, deadline: Duration, path: &str, mistakes: &mut Mistakes) {
        if let Some(retention) = self.retention.filter(|retention| *retention < deadline) {
            mistakes.add(path, format!("{retention:?} is below the deadline {deadline:?}"));
        }
    }

    fn check_keys(&self, mistakes: &mut Mistakes) {
        if self.methods.is_empty() {
            mistakes.add("idempotency.keyed", "names no method: use `Idempotency::none()` for a service without keys");
        }
        if self.made_by_layer && self.max_length < UUID_LENGTH {
            mistakes.add(
                "idempotency.max_length",
                format!("{} leaves no room for a UUID ({UUID_LENGTH}): add `callers_keys_only()`", self.max_length),
            );
        }
    }

    /// What contradicts what the service stores.
    fn check_kind(&self, mistakes: &mut Mistakes) {
        if self.kind == KeyKind::None {
            mistakes
                .add("idempotency.kind", "is `None` although keys are sent: use `Idempotency::none()`, or name a kind");
        }
        if self.kind == KeyKind::Signalled && self.transient_signal.is_none() {
            mistakes.add("idempotency.transient_signal", "is missing: the kind `Signalled` reads it after an error");
        }
        if self.probe.is_some() && self.kind != KeyKind::ReplayAll {
            mistakes
                .add("idempotency.probe", format!("makes no sense for the kind `{:?}`: no error is stored", self.kind));
        }
        let rotates = self.conflicts.iter().find(|rule| matches!(rule.meaning, Meaning::Burnt | Meaning::RotateAtOnce));
        let Some(rule) = rotates else { return };
        let reason = match (&self.place, self.kind) {
            (Place::Body(_), _) => "a key in the body is never replaced",
            (_, KeyKind::ReplaySuccess | KeyKind::ResourceKey) => "a new key would double the write",
            _ => return,
        };
        mistakes.add("idempotency.conflicts", format!("{} cannot mean `{:?}`: {reason}", rule.status, rule.meaning));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_compared_whole_and_words_without_regard_to_case() {
        let keys = Idempotency::header("k", KeyKind::ReplayAll)
            .conflict_saying(422, "704", Meaning::InProgress)
            .conflict_saying(409, "already used", Meaning::OtherParameters);
        for (status, texts, expected) in [
            (422, ["704", "type", "message"], Some(Meaning::InProgress)),
            (422, ["", "", " 704 "], Some(Meaning::InProgress)),
            (422, ["7041", "", "code 704"], None),
            (422, ["", "", ""], None),
            (409, ["704", "", ""], None),
            (409, ["", "", "This key was Already Used before"], Some(Meaning::OtherParameters)),
            (409, ["", "", "already  used"], None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(keys.meaning(status, &texts), expected, "{status} {texts:?}");
        }
    }
}
