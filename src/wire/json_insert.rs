//! Writing a member into a JSON object without rewriting the rest, and leaving one out.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{unescaped, without_mark};

/// The document with a text at the pointer; `None` unless the document is a JSON object and the pointer names a member of
/// it. The rest stays byte for byte: numbers keep their digits and members their order.
pub(crate) fn insert_text(document: &[u8], pointer: &str, text: &str) -> Option<Vec<u8>> {
    let name = member_name(pointer)?;
    let document = without_mark(document);
    let _: IgnoredAny = serde_json::from_slice(document).ok()?;
    let opens = document.iter().position(|byte| !byte.is_ascii_whitespace()).filter(|at| document[*at] == b'{')?;
    let (before, after) = document.split_at(opens + 1);
    let is_empty = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    let member = format!("{}:{}", serde_json::to_string(&name).ok()?, serde_json::to_string(text).ok()?);
    let comma: &[u8] = if is_empty { b"" } else { b"," };
    Some([before, member.as_bytes(), comma, after].concat())
}

/// The members of a JSON object but for the one at the pointer, each as it is written and in its order; `None` unless the
/// document is a JSON object and the pointer names a member of it.
pub(crate) fn without_member(document: &[u8], pointer: &str) -> Option<Vec<u8>> {
    struct Others<'p>(&'p str);

    impl<'de> Visitor<'de> for Others<'_> {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<u8>, A::Error> {
            let mut others = Vec::new();
            while let Some((name, value)) = members.next_entry::<String, &RawValue>()? {
                if name != self.0 {
                    let name = serde_json::to_string(&name).unwrap_or_default();
                    others.extend([name.as_bytes(), b":", value.get().as_bytes(), b","].concat());
                }
            }
            Ok(others)
        }
    }

    let name = member_name(pointer)?;
    let mut document = serde_json::Deserializer::from_slice(without_mark(document));
    let others = document.deserialize_map(Others(&name)).ok()?;
    document.end().ok()?;
    Some(others)
}

/// Of a member of the document itself.
fn member_name(pointer: &str) -> Option<Cow<'_, str>> {
    let name = pointer.strip_prefix('/').filter(|name| !name.contains('/'))?;
    Some(unescaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserted(document: &str, pointer: &str) -> Option<String> {
        insert_text(document.as_bytes(), pointer, "k\"1").map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn member_is_written_and_the_rest_stays() {
        let big = " {\"amount\": 12345678901234567890.10, \"b\":[1]}";
        let expected = " {\"key\":\"k\\\"1\",\"amount\": 12345678901234567890.10, \"b\":[1]}";
        assert_eq!(inserted(big, "/key").as_deref(), Some(expected));
        assert_eq!(inserted("{ }", "/a~1b~0").as_deref(), Some("{\"a/b~\":\"k\\\"1\" }"));
        assert_eq!(inserted("\u{feff}{}", "/key").as_deref(), Some("{\"key\":\"k\\\"1\"}"));
    }

    #[test]
    fn one_member_is_left_out() {
        let others =
            |document: &str| without_member(document.as_bytes(), "/key").map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            others("{\"a\": 1.0 , \"key\":\"k\",\"b\":{\"key\":2}}").as_deref(),
            Some("\"a\":1.0,\"b\":{\"key\":2},")
        );
        assert_eq!(others("{\"k\\u0065y\":1}").as_deref(), Some(""), "a name with an escape");
        assert_eq!(others("{}"), Some(String::new()));
        for document in ["", "[]", "{} {}", "{\"a\":1"] {
            assert_eq!(others(document), None, "{document}");
        }
    }

    #[test]
    fn what_is_no_object_stays() {
        for document in ["", "[]", "7", "{", "{\"a\":1", "text"] {
            assert_eq!(inserted(document, "/key"), None, "{document}");
        }
        assert_eq!(inserted("{\"a\":{}}", "/a/key"), None, "only members of the document itself");
    }
}
