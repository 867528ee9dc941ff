//! Members of a JSON document, found without building the rest.
//!
//! Error bodies are not trusted: a document of 64 KiB can grow to megabytes as a tree of values, so only the members
//! that are asked for are ever built.

use std::{borrow::Cow, fmt, iter, ops::Range, slice, str};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
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
    /// Of a value as it is written, which is known to be valid.
    fn of(written: &str) -> Self {
        match written.as_bytes() {
            [b'{' | b'[', inside @ .., _] if !inside.trim_ascii().is_empty() => Self::Filled,
            [b'{' | b'[', ..] | b"null" => Self::Empty,
            [b'"', ..] => Self::Text(string(written)),
            _ => Self::Literal(written.to_owned()),
        }
    }

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
    member_at(document, &Way::of(pointer))
}

fn member_at(document: &[u8], way: &Option<Way<'_>>) -> Option<Member> {
    written_at(&text(document), way).map(Member::of)
}

/// The same as it is written; `None` also if the document has invalid UTF-8.
pub(crate) fn written<'d>(document: &'d [u8], pointer: &str) -> Option<&'d str> {
    written_at(str::from_utf8(without_mark(document)).ok()?, &Way::of(pointer))
}

fn written_at<'d>(text: &'d str, way: &Option<Way<'_>>) -> Option<&'d str> {
    if way.as_ref()?.cannot_be_in(text) {
        return None;
    }
    let mut found = [None];
    find(text, slice::from_ref(way), &mut found);
    found[0]
}

/// A pointer that is taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Pointer(Option<Way<'static>>);

impl Pointer {
    pub(crate) fn new(pointer: &str) -> Self {
        Self(Way::of(pointer).map(Way::into_owned))
    }

    /// As [`member`].
    pub(crate) fn find(&self, document: &[u8]) -> Option<Member> {
        member_at(document, &self.0)
    }
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
    let text = text(document);
    let Members(found) = Pointers::new(entries.iter().map(String::as_str)).find(&text);
    found.into_iter().flatten().filter_map(|written| Member::of(written).into_text()).collect()
}

/// Whether a document begins as a JSON object or array does.
pub(crate) fn is_document(document: &[u8]) -> bool {
    matches!(without_mark(document).trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Pointers that are looked for together, taken apart once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointers(Box<[Option<Way<'static>>]>);

/// What is at each of some pointers, as it is written.
#[derive(Debug)]
pub(crate) struct Members<'d>(SmallVec<[Option<&'d str>; 12]>);

impl Pointers {
    pub(crate) fn new<'p>(pointers: impl IntoIterator<Item = &'p str>) -> Self {
        Self(pointers.into_iter().map(|pointer| Way::of(pointer).map(Way::into_owned)).collect())
    }

    /// The members at the pointers, in their order; nothing at any if the [`text`] is not JSON.
    pub(crate) fn find<'d>(&self, text: &'d str) -> Members<'d> {
        let mut found = SmallVec::from_elem(None, self.0.len());
        for (ways, found) in self.0.chunks(MOST).zip(found.chunks_mut(MOST)) {
            find(text, ways, found);
        }
        Members(found)
    }
}

impl Members<'_> {
    /// The first text that is not empty, or number, at the pointers of these places.
    pub(crate) fn text(&self, places: Range<usize>) -> Option<String> {
        let members = self.0.get(places)?.iter().flatten().map(|written| Member::of(written));
        members.filter(Member::is_given).find_map(Member::into_text)
    }
}

/// A document as text, to look for [`Pointers`] in it.
pub(crate) fn text(document: &[u8]) -> Cow<'_, str> {
    let document = without_mark(document);
    // Much cheaper than to look for what is to be replaced.
    str::from_utf8(document).map_or_else(|_| String::from_utf8_lossy(document), Cow::Borrowed)
}

/// Finds what is at each of these, by reading the text once.
fn find<'d>(text: &'d str, ways: &[Option<Way<'_>>], found: &mut [Option<&'d str>]) {
    let is_read = At { ways, wanted: Wanted::first(ways.len()), depth: 0, found: &mut *found }.read(text).is_ok();
    if !is_read {
        found.fill(None);
    }
}

/// RFC 8259, section 8.1 lets a parser ignore a byte-order mark.
pub(crate) fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document)
}

/// The names of a pointer.
#[derive(Clone, Debug)]
struct Way<'p>(SmallVec<[Name<'p>; 2]>);

#[derive(Clone, Debug)]
struct Name<'p> {
    text: Cow<'p, str>,
    /// As the index into an array.
    index: Option<usize>,
}

impl<'p> Way<'p> {
    /// `None` if it is not a pointer.
    fn of(pointer: &'p str) -> Option<Self> {
        if pointer.is_empty() {
            return Some(Self(SmallVec::new()));
        }
        Some(Self(pointer.strip_prefix('/')?.split('/').map(Name::of).collect()))
    }

    fn into_owned(self) -> Way<'static> {
        let owned = |Name { text, index }: Name<'p>| Name { text: Cow::Owned(text.into_owned()), index };
        Way(self.0.into_iter().map(owned).collect())
    }

    /// Whether a glance at the text is enough: not an object or array, or a name is nowhere in it. A name may be written with
    /// escapes, and what looks like a number may be an index into an array.
    fn cannot_be_in(&self, text: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let is_missing = |name: &Name<'_>| name.index.is_none() && !text.contains(&*name.text);
        !text.trim_start().starts_with(['{', '[']) || (!text.contains('\\') && self.0.iter().any(is_missing))
    }
}

impl<'p> Name<'p> {
    fn of(written: &'p str) -> Self {
        Self { text: unescaped(written), index: written.parse().ok() }
    }
}

/// The name that a part of a pointer stands for. RFC 6901, section 3: a slash within a name is written `~1` and a tilde
/// `~0`.
pub(super) fn unescaped(written: &str) -> Cow<'_, str> {
    match written.contains('~') {
        true => Cow::Owned(written.replace("~1", "/").replace("~0", "~")),
        false => Cow::Borrowed(written),
    }
}

/// So many are looked for at once.
const MOST: usize = u64::BITS as usize;

/// Which of at most 64 are looked for in the value at hand.
#[derive(Clone, Copy)]
struct Wanted(u64);

impl Wanted {
    fn first(count: usize) -> Self {
        Self(u64::MAX.checked_shr((MOST - count) as u32).unwrap_or(0))
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn places(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        iter::from_fn(move || {
            let place = left.trailing_zeros() as usize;
            left &= left.checked_sub(1)?;
            Some(place)
        })
    }
}

/// A value, and what is wanted of it: so many names of each way lead to it.
struct At<'a, 'p, 'd> {
    ways: &'a [Option<Way<'p>>],
    wanted: Wanted,
    depth: usize,
    found: &'a mut [Option<&'d str>],
}

impl<'p, 'd> At<'_, 'p, 'd> {
    /// Finds what is wanted of the value that this text is.
    fn read(mut self, text: &'d str) -> Result<(), serde_json::Error> {
        let (mut value, written) = (serde_json::Deserializer::from_str(text), text.trim());
        self.here(written);
        match written.as_bytes() {
            [b'{', ..] => value.deserialize_map(self),
            [b'[', ..] => value.deserialize_seq(self),
            _ => value.deserialize_ignored_any(IgnoredAny).map(drop),
        }?;
        value.end()
    }

    /// The same of a value that was read once and so is known to be valid.
    fn read_again(mut self, value: &'d RawValue) -> Result<(), serde_json::Error> {
        let written = value.get();
        if written.starts_with(['{', '[']) && self.next_names().next().is_some() {
            return self.read(written);
        }
        self.here(written);
        Ok(())
    }

    /// What comes next on each way that does not end here.
    fn next_names(&self) -> impl Iterator<Item = (usize, &Name<'p>)> {
        let next = |place: usize| Some((place, self.ways[place].as_ref()?.0.get(self.depth)?));
        self.wanted.places().filter_map(next)
    }

    /// Puts the value at hand where it is wanted.
    fn here(&mut self, written: &'d str) {
        for place in self.wanted.places() {
            if self.ways[place].as_ref().is_some_and(|way| way.0.len() == self.depth) {
                self.found[place] = Some(written);
            }
        }
    }

    /// What is wanted of the values for which `is_next` holds. Of several members with one name the last counts.
    fn below(&mut self, is_next: impl Fn(&Name<'p>) -> bool) -> Wanted {
        let next = self.next_names().filter(|(_, name)| is_next(name));
        let below = Wanted(next.fold(0, |below, (place, _)| below | 1 << place));
        below.places().for_each(|place| self.found[place] = None);
        below
    }

    fn step(&mut self, below: Wanted) -> At<'_, 'p, 'd> {
        At { ways: self.ways, wanted: below, depth: self.depth + 1, found: self.found }
    }
}

impl<'d> Visitor<'d> for At<'_, '_, 'd> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_seq<A: SeqAccess<'d>>(mut self, mut items: A) -> Result<(), A::Error> {
        let any_numbered = self.next_names().any(|(_, name)| name.index.is_some());
        for index in 0_usize.. {
            let below = if any_numbered { self.below(|name| name.index == Some(index)) } else { Wanted(0) };
            if below.is_empty() {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
            } else {
                let Some(item) = items.next_element::<&RawValue>()? else { break };
                self.step(below).read_again(item).map_err(A::Error::custom)?;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'d>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(below) = members.next_key_seed(MemberName(&mut self))? {
            if below.is_empty() {
                members.next_value::<IgnoredAny>()?;
            } else {
                let member: &RawValue = members.next_value()?;
                self.step(below).read_again(member).map_err(A::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// What a valid string says.
fn string(written: &str) -> String {
    match written.strip_prefix('"').and_then(|written| written.strip_suffix('"')) {
        Some(inside) if !inside.contains('\\') => inside.to_owned(),
        // As bytes, since half of a surrogate pair cannot be read as text.
        _ => serde_json::Deserializer::from_str(written).deserialize_bytes(Unescaped).unwrap_or_default(),
    }
}

struct Unescaped;

impl Visitor<'_> for Unescaped {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, string: &[u8]) -> Result<String, E> {
        Ok(without_surrogates(string))
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

/// What is wanted of the member with this name; the name itself is never kept.
struct MemberName<'a, 'b, 'p, 'd>(&'a mut At<'b, 'p, 'd>);

impl<'de> DeserializeSeed<'de> for MemberName<'_, '_, '_, '_> {
    type Value = Wanted;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Wanted, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for MemberName<'_, '_, '_, '_> {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Wanted, E> {
        Ok(self.0.below(|wanted| wanted.text.as_bytes() == name))
    }
}
