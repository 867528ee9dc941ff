//! One member of a JSON document, found without building the rest.
//!
//! Error bodies come from strangers: a document of 64 KiB can grow to megabytes as a tree of values, so only the
//! members that are asked for are ever built.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

/// What stands at a pointer.
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
    /// Text or number, as people would read it.
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

/// The member at an RFC 6901 pointer such as `/error/code` or `/errors/0/code`; `None` where the document is no JSON
/// or has no such member. A byte-order mark is passed over, invalid UTF-8 is replaced.
pub(crate) fn member(document: &[u8], pointer: &str) -> Option<Member> {
    let text = String::from_utf8_lossy(without_mark(document));
    let segments: SmallVec<[&str; 4]> = pointer.split('/').skip(1).collect();
    if cannot_have(&text, &segments) {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let found = At(&segments).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    found
}

/// Whether a look at the text is enough: no object or array, or a name on the way that is nowhere in it. A name may be
/// written with escapes, and what looks like a number may be a place in an array.
fn cannot_have(text: &str, segments: &[&str]) -> bool {
    if segments.is_empty() {
        return false;
    }
    let is_missing = |name: &&str| !name.contains('~') && name.parse::<usize>().is_err() && !text.contains(name);
    !text.trim_start().starts_with(['{', '[']) || (!text.contains('\\') && segments.iter().any(is_missing))
}

/// RFC 8259, section 8.1 lets a parser ignore a byte-order mark.
pub(crate) fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document)
}

struct At<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<Member>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl At<'_> {
    fn here<E>(&self, member: Member) -> Result<Option<Member>, E> {
        Ok(self.0.is_empty().then_some(member))
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        self.here(Member::Empty)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        self.here(Member::Literal(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        self.here(Member::Literal(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        self.here(Member::Literal(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        self.here(Member::Literal(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        self.here(Member::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let wanted = self.0.first().and_then(|segment| segment.parse::<usize>().ok());
        let (mut found, mut index) = (None, 0_usize);
        loop {
            if wanted == Some(index) {
                match items.next_element_seed(At(&self.0[1..]))? {
                    Some(member) => found = member,
                    None => break,
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            index += 1;
        }
        if self.0.is_empty() { Ok(Some(filled(index > 0))) } else { Ok(found) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut any) = (None, false);
        while let Some(is_wanted) = members.next_key_seed(Is(self.0.first().copied()))? {
            any = true;
            if is_wanted {
                found = members.next_value_seed(At(&self.0[1..]))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        if self.0.is_empty() { Ok(Some(filled(any))) } else { Ok(found) }
    }
}

fn filled(any: bool) -> Member {
    if any { Member::Filled } else { Member::Empty }
}

/// Whether a member's name is this one; the name itself is never kept.
struct Is<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<Member> {
        Some(Member::Text(text.into()))
    }

    #[test]
    fn a_look_at_the_text_misses_nothing() {
        let text = |document: &str, pointer| member(document.as_bytes(), pointer).and_then(Member::into_text);
        for (document, pointer, found) in [
            (r#" {"a":"x"}"#, "/a", Some("x")),
            (r#"{"\u0061":"x"}"#, "/a", Some("x")),
            (r#"[{"a":"x"}]"#, "/0/a", Some("x")),
            (r#"{"b":"a"}"#, "/a", None),
            (r#""a""#, "/a", None),
            ("", "/a", None),
            ("a", "/a", None),
        ] {
            assert_eq!(text(document, pointer).as_deref(), found, "{document} {pointer}");
        }
    }

    #[test]
    fn members_are_found_by_pointer() {
        let body =
            br#"{"message":"m","n":704,"b":true,"x":null,"error":{"code":"c","list":[1,{"deep":"d"}]},"e":[],"o":{}}"#;
        for (pointer, expected) in [
            ("/message", text("m")),
            ("/n", Some(Member::Literal("704".into()))),
            ("/b", Some(Member::Literal("true".into()))),
            ("/x", Some(Member::Empty)),
            ("/e", Some(Member::Empty)),
            ("/o", Some(Member::Empty)),
            ("/error", Some(Member::Filled)),
            ("/error/code", text("c")),
            ("/error/list/1/deep", text("d")),
            ("/error/list/7", None),
            ("/error/list/x", None),
            ("/message/code", None),
            ("/missing", None),
        ] {
            assert_eq!(member(body, pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn whatever_is_sent_is_survived() {
        let bomb = "[".repeat(100_000);
        let nested = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        for body in [
            &b""[..],
            b"null",
            b"<html>",
            b"{",
            b"{\"message\":",
            b"{\"a\":1}x",
            b"\xff\xfe",
            bomb.as_bytes(),
            nested.as_bytes(),
        ] {
            assert_eq!(member(body, "/message"), None, "{:?}", &body[..body.len().min(20)]);
        }
        assert_eq!(member(b"\xef\xbb\xbf{\"message\":\"x\"}", "/message"), text("x"));
        assert_eq!(member(b"{\"message\":\"a\xffb\"}", "/message"), text("a\u{fffd}b"));
        assert_eq!(member(b"{\"mess\\u0061ge\":\"x\"}", "/message"), text("x"));
    }
}
