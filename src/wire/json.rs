//! Members of a JSON document, found without building the rest.
//!
//! Error bodies are not trusted: a document of 64 KiB can grow to megabytes as a tree of values, so only the members
//! that are asked for are ever built.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// What is at a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Text(String),
    /// A number or a boolean, as written.
    Literal(String),
    /// An array or object that has something in it.
    Filled,
    /// `null`, or an empty array or object.
    Empty,
}

impl Member {
    /// Text or number, as plain text.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Literal(text) => Some(text),
            Self::Filled | Self::Empty => None,
        }
    }

    /// Whether something was given: not `null`, not the empty text or list.
    pub(crate) fn is_given(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Literal(_) | Self::Filled => true,
            Self::Empty => false,
        }
    }
}

/// The member at an RFC 6901 pointer such as `/error/code` or `/errors/0/code`; `None` if the document is not JSON or has
/// no such member. A byte-order mark is skipped, invalid UTF-8 is replaced.
pub(crate) fn member(document: &[u8], pointer: &str) -> Option<Member> {
    let text = text(document);
    if cannot_have(&text, pointer) {
        return None;
    }
    found(&text, [pointer])?.pop()?
}

/// The members at some pointers, in their order, by reading the document once.
pub(crate) fn members<'p>(document: &[u8], pointers: impl IntoIterator<Item = &'p str>) -> Members {
    Members(found(&text(document), pointers).unwrap_or_default())
}

/// Text or number at each place of a pointer in which one name may be `*`: any of the first entries of a list.
pub(crate) fn texts(document: &[u8], pointer: &str) -> Vec<String> {
    const MOST_ENTRIES: usize = 16;
    let names: Vec<&str> = pointer.split('/').collect();
    let Some(any) = names.iter().position(|name| *name == "*") else {
        return member(document, pointer).and_then(Member::into_text).into_iter().collect();
    };
    let entry = |index: usize| [&names[..any], &[&index.to_string()], &names[any + 1..]].concat().join("/");
    let entries: Vec<String> = (0..MOST_ENTRIES).map(entry).collect();
    let found = members(document, entries.iter().map(String::as_str));
    found.0.into_iter().flatten().filter_map(Member::into_text).collect()
}

/// Whether a document begins as a JSON object or array does.
pub(crate) fn is_document(document: &[u8]) -> bool {
    matches!(without_mark(document).trim_ascii_start().first(), Some(b'{' | b'['))
}

/// What is at each of some pointers; nothing at any if the document is not JSON.
#[derive(Debug)]
pub(crate) struct Members(Found);

type Found = SmallVec<[Option<Member>; 12]>;

impl Members {
    /// The first text that is not empty, or number, at the pointers of these places, taken out.
    pub(crate) fn take_text(&mut self, places: Range<usize>) -> Option<String> {
        self.0.get_mut(places)?.iter_mut().find_map(|member| member.take().filter(Member::is_given)?.into_text())
    }
}

fn text(document: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(without_mark(document))
}

fn found<'p>(text: &str, pointers: impl IntoIterator<Item = &'p str>) -> Option<Found> {
    if text.is_empty() {
        return None;
    }
    let wanted: SmallVec<[Wanted<'_>; 12]> =
        pointers.into_iter().enumerate().map(|(place, pointer)| Wanted { place, rest: pointer }).collect();
    let mut found = Found::from_elem(None, wanted.len());
    At { wanted: &wanted, found: &mut found }.read(text).ok()?;
    Some(found)
}

/// Whether a glance at the text is enough: not an object or array, or a name of the pointer is nowhere in it. A name may be
/// written with escapes, and what looks like a number may be an index into an array.
fn cannot_have(text: &str, pointer: &str) -> bool {
    let mut names = pointer.split('/').skip(1).peekable();
    if names.peek().is_none() {
        return false;
    }
    let is_missing = |name: &str| !name.contains('~') && number(name).is_none() && !text.contains(name);
    !text.trim_start().starts_with(['{', '[']) || (!text.contains('\\') && names.any(is_missing))
}

/// RFC 8259, section 8.1 lets a parser ignore a byte-order mark.
pub(crate) fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document)
}

/// A member that is looked for: where it is put, and the rest of its pointer, seen from the value at hand.
#[derive(Clone, Copy)]
struct Wanted<'p> {
    place: usize,
    rest: &'p str,
}

/// Few have a name in common.
type AllWanted<'p> = SmallVec<[Wanted<'p>; 3]>;

impl<'p> Wanted<'p> {
    /// The next name on the way, and what is then left of it; `None` where it is the value at hand.
    fn step(self) -> Option<(&'p str, Self)> {
        let way = self.rest.strip_prefix('/')?;
        let end = way.find('/').unwrap_or(way.len());
        Some((&way[..end], Self { rest: &way[end..], ..self }))
    }
}

/// A value, and what is wanted of it.
struct At<'a, 'p> {
    wanted: &'a [Wanted<'p>],
    found: &'a mut Found,
}

impl<'p> At<'_, 'p> {
    /// Finds what is wanted of the value that this text is.
    ///
    /// A number stays as written. A string is read as bytes, since half of a surrogate pair cannot be read as text.
    fn read(self, text: &str) -> Result<(), serde_json::Error> {
        let mut value = serde_json::Deserializer::from_str(text);
        match text.trim_start().as_bytes().first() {
            Some(b'{') => value.deserialize_map(self),
            Some(b'[') => value.deserialize_seq(self),
            Some(b'"') => value.deserialize_bytes(self),
            _ => {
                let written = <&RawValue>::deserialize(&mut value)?.get();
                self.here(|| if written == "null" { Member::Empty } else { Member::Literal(written.to_owned()) })
            }
        }?;
        value.end()
    }

    /// Puts the value at hand where it is wanted.
    fn here<E>(self, member: impl Fn() -> Member) -> Result<(), E> {
        for wanted in self.wanted.iter().filter(|wanted| wanted.rest.is_empty()) {
            self.found[wanted.place] = Some(member());
        }
        Ok(())
    }

    /// What is wanted of the values for which `is_next` holds. Of several members with one name the last counts.
    fn below(&mut self, is_next: impl Fn(&str) -> bool) -> AllWanted<'p> {
        let steps = self.wanted.iter().filter_map(|wanted| wanted.step());
        let below: AllWanted<'p> = steps.filter(|(name, _)| is_next(name)).map(|(_, wanted)| wanted).collect();
        for wanted in &below {
            self.found[wanted.place] = None;
        }
        below
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        self.here(|| Member::Text(without_surrogates(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let any_numbered =
            self.wanted.iter().filter_map(|wanted| wanted.step()).any(|(name, _)| number(name).is_some());
        let mut index = 0_usize;
        loop {
            let below = if any_numbered { self.below(|name| number(name) == Some(index)) } else { AllWanted::new() };
            if below.is_empty() {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
            } else {
                let Some(item) = items.next_element::<&RawValue>()? else { break };
                At { wanted: &below, found: self.found }.read(item.get()).map_err(A::Error::custom)?;
            }
            index += 1;
        }
        self.here(|| filled(index > 0))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut any = false;
        while let Some(below) = members.next_key_seed(Name(&mut self))? {
            any = true;
            if below.is_empty() {
                members.next_value::<IgnoredAny>()?;
            } else {
                let member: &RawValue = members.next_value()?;
                At { wanted: &below, found: self.found }.read(member.get()).map_err(A::Error::custom)?;
            }
        }
        self.here(|| filled(any))
    }
}

fn number(name: &str) -> Option<usize> {
    name.parse().ok()
}

/// RFC 6901, section 3: a slash within a name is written `~1` and a tilde `~0`.
fn is_written(name: &[u8], written: &str) -> bool {
    if written.contains('~') {
        written.replace("~1", "/").replace("~0", "~").as_bytes() == name
    } else {
        written.as_bytes() == name
    }
}

/// Replaces each half of a surrogate pair, which are three bytes that begin with this one.
fn without_surrogates(string: &[u8]) -> String {
    const SURROGATE: &[u8] = b"\xed";
    let mut text = String::with_capacity(string.len());
    for chunk in string.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().starts_with(SURROGATE) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

fn filled(any: bool) -> Member {
    if any { Member::Filled } else { Member::Empty }
}

/// What is wanted of the member with this name; the name itself is never kept.
struct Name<'a, 'b, 'p>(&'a mut At<'b, 'p>);

impl<'de, 'p> DeserializeSeed<'de> for Name<'_, '_, 'p> {
    type Value = AllWanted<'p>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'p> Visitor<'_> for Name<'_, '_, 'p> {
    type Value = AllWanted<'p>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.below(|written| is_written(name, written)))
    }
}
