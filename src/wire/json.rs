//! Members of a JSON document, found without building the rest.
//!
//! Error bodies are not trusted: a document of 64 KiB can grow to megabytes as a tree of values, so only the members
//! that are asked for are ever built.

use std::{borrow::Cow, fmt, iter, ops::Range, str};

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
    member_at(document, &[Some(Way::of(pointer)?)])
}

fn member_at(document: &[u8], way: &[Option<Way<'_>>; 1]) -> Option<Member> {
    let text = text(document);
    if way[0].as_ref().is_none_or(|way| way.cannot_be_in(&text)) {
        return None;
    }
    let mut found = [None];
    find(&text, way, &mut found);
    found[0].take()
}

/// A pointer that is taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Pointer([Option<Way<'static>>; 1]);

impl Pointer {
    pub(crate) fn new(pointer: &str) -> Self {
        Self([Way::of(pointer).map(Way::into_owned)])
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
    let mut found = Members::default();
    Pointers::new(entries.iter().map(String::as_str)).find(document, &mut found);
    found.0.into_iter().flatten().filter_map(Member::into_text).collect()
}

/// Whether a document begins as a JSON object or array does.
pub(crate) fn is_document(document: &[u8]) -> bool {
    matches!(without_mark(document).trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Pointers that are looked for together, taken apart once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointers(Box<[Option<Way<'static>>]>);

/// What is at each of some pointers; nothing at any if the document is not JSON.
#[derive(Debug, Default)]
pub(crate) struct Members(SmallVec<[Option<Member>; 12]>);

impl Pointers {
    pub(crate) fn new<'p>(pointers: impl IntoIterator<Item = &'p str>) -> Self {
        Self(pointers.into_iter().map(|pointer| Way::of(pointer).map(Way::into_owned)).collect())
    }

    /// Writes the members at the pointers into the list, in their order. The list is large, so returning it would cost a copy.
    pub(crate) fn find(&self, document: &[u8], Members(found): &mut Members) {
        let text = text(document);
        found.resize_with(self.0.len(), || None);
        for (ways, found) in self.0.chunks(MOST).zip(found.chunks_mut(MOST)) {
            find(&text, ways, found);
        }
    }
}

impl Members {
    /// The first text that is not empty, or number, at the pointers of these places, taken out.
    pub(crate) fn take_text(&mut self, places: Range<usize>) -> Option<String> {
        self.0.get_mut(places)?.iter_mut().find_map(|member| member.take().filter(Member::is_given)?.into_text())
    }
}

fn text(document: &[u8]) -> Cow<'_, str> {
    let document = without_mark(document);
    // Much cheaper than to look for what is to be replaced.
    str::from_utf8(document).map_or_else(|_| String::from_utf8_lossy(document), Cow::Borrowed)
}

/// Finds what is at each of these, by reading the text once.
fn find(text: &str, ways: &[Option<Way<'_>>], found: &mut [Option<Member>]) {
    let is_read = At { ways, wanted: Wanted::all(ways), depth: 0, found: &mut *found }.read(text).is_ok();
    if !is_read {
        found.fill_with(|| None);
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
    fn all(ways: &[Option<Way<'_>>]) -> Self {
        let given = ways.iter().enumerate().filter(|(_, way)| way.is_some());
        Self(given.fold(0, |all, (place, _)| all | 1 << place))
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
struct At<'a, 'p> {
    ways: &'a [Option<Way<'p>>],
    wanted: Wanted,
    depth: usize,
    found: &'a mut [Option<Member>],
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
                self.literal(written)
            }
        }?;
        value.end()
    }

    /// The same of a value that was read once and so is known to be valid.
    fn read_again(self, value: &RawValue) -> Result<(), serde_json::Error> {
        let text = value.get();
        match text.as_bytes() {
            [b'{' | b'[', ..] => self.read(text),
            [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => {
                self.here(|| Member::Text(text[1..text.len() - 1].to_owned()))
            }
            [b'"', ..] => self.read(text),
            _ => self.literal(text),
        }
    }

    fn literal<E>(self, written: &str) -> Result<(), E> {
        self.here(|| if written == "null" { Member::Empty } else { Member::Literal(written.to_owned()) })
    }

    /// What comes next on each way that does not end here.
    fn next_names(&self) -> impl Iterator<Item = (usize, &Name<'p>)> {
        let next = |place: usize| Some((place, self.ways[place].as_ref()?.0.get(self.depth)?));
        self.wanted.places().filter_map(next)
    }

    /// Puts the value at hand where it is wanted.
    fn here<E>(self, member: impl Fn() -> Member) -> Result<(), E> {
        for place in self.wanted.places() {
            if self.ways[place].as_ref().is_some_and(|way| way.0.len() == self.depth) {
                self.found[place] = Some(member());
            }
        }
        Ok(())
    }

    /// What is wanted of the values for which `is_next` holds. Of several members with one name the last counts.
    fn below(&mut self, is_next: impl Fn(&Name<'p>) -> bool) -> Wanted {
        let next = self.next_names().filter(|(_, name)| is_next(name));
        let below = Wanted(next.fold(0, |below, (place, _)| below | 1 << place));
        below.places().for_each(|place| self.found[place] = None);
        below
    }

    fn step(&mut self, below: Wanted) -> At<'_, 'p> {
        At { ways: self.ways, wanted: below, depth: self.depth + 1, found: self.found }
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
        let any_numbered = self.next_names().any(|(_, name)| name.index.is_some());
        let mut index = 0_usize;
        loop {
            let below = if any_numbered { self.below(|name| name.index == Some(index)) } else { Wanted(0) };
            if below.is_empty() {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
            } else {
                let Some(item) = items.next_element::<&RawValue>()? else { break };
                self.step(below).read_again(item).map_err(A::Error::custom)?;
            }
            index += 1;
        }
        self.here(|| filled(index > 0))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut any = false;
        while let Some(below) = members.next_key_seed(MemberName(&mut self))? {
            any = true;
            if below.is_empty() {
                members.next_value::<IgnoredAny>()?;
            } else {
                let member: &RawValue = members.next_value()?;
                self.step(below).read_again(member).map_err(A::Error::custom)?;
            }
        }
        self.here(|| filled(any))
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
struct MemberName<'a, 'b, 'p>(&'a mut At<'b, 'p>);

impl<'de> DeserializeSeed<'de> for MemberName<'_, '_, '_> {
    type Value = Wanted;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Wanted, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for MemberName<'_, '_, '_> {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Wanted, E> {
        Ok(self.0.below(|wanted| wanted.text.as_bytes() == name))
    }
}
