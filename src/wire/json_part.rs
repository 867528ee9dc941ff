//! A part of a JSON document as it is written.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{unescaped, without_mark};

/// The value at a pointer (RFC 6901), as it is written; `None` if the document is not JSON or has no such value. Nothing
/// else of the document is built.
pub(crate) fn at<'d>(document: &'d [u8], pointer: &str) -> Option<&'d str> {
    let whole: &RawValue = serde_json::from_slice(without_mark(document)).ok()?;
    let Some(way) = pointer.strip_prefix('/') else { return pointer.is_empty().then(|| whole.get()) };
    way.split('/').try_fold(whole.get(), |value, name| {
        let name = unescaped(name);
        let mut value = serde_json::Deserializer::from_str(value);
        value.deserialize_any(Below(&name)).ok()?.map(RawValue::get)
    })
}

/// The value of this name in an object, the last one if there are several, or of this index in an array.
struct Below<'n>(&'n str);

impl<'de> Visitor<'de> for Below<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if name == self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut found, wanted) = (None, self.0.parse::<usize>().ok());
        for index in 0_usize.. {
            if wanted == Some(index) {
                let Some(item) = items.next_element()? else { break };
                found = Some(item);
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_is_found_as_it_is_written() {
        let document = "\u{feff}{\"data\":[ {\"id\": 1.00} ,\"b\"],\"a/b~\":{\"data\":[]}, \"data2\":null}";
        for (pointer, expected) in [
            ("/data/0", Some("{\"id\": 1.00}")),
            ("/data/0/id", Some("1.00")),
            ("/data/1", Some("\"b\"")),
            ("/a~1b~0/data", Some("[]")),
            ("/data2", Some("null")),
            ("", Some(&document[3..])),
            ("/data/2", None),
            ("/data/b", None),
            ("/data/0/id/x", None),
            ("/data2/x", None),
            ("data", None),
        ] {
            assert_eq!(at(document.as_bytes(), pointer), expected, "{pointer}");
        }
        assert_eq!(at(b"{\"a\":1,\"a\":2}", "/a"), Some("2"));
        for document in ["", "{", "{\"a\":1} x", "\u{feff}"] {
            assert_eq!(at(document.as_bytes(), "/a"), None, "{document}");
        }
        assert_eq!(at(b"{\"a\":\"\xff\"}", "/a"), None);
    }
}
