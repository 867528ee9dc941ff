//! Writing a member into a JSON object without rewriting the rest.

use serde::de::IgnoredAny;

use super::json::without_mark;

/// The document with a text at the pointer; `None` unless the document is a JSON object and the pointer names a member of
/// it. The rest stays byte for byte: numbers keep their digits and members their order.
pub(crate) fn insert_text(document: &[u8], pointer: &str, text: &str) -> Option<Vec<u8>> {
    let name = pointer.strip_prefix('/').filter(|name| !name.contains('/'))?;
    let name = name.replace("~1", "/").replace("~0", "~");
    let document = without_mark(document);
    let _: IgnoredAny = serde_json::from_slice(document).ok()?;
    let opens = document.iter().position(|byte| !byte.is_ascii_whitespace()).filter(|at| document[*at] == b'{')?;
    let (before, after) = document.split_at(opens + 1);
    let is_empty = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    let member = format!("{}:{}", serde_json::to_string(&name).ok()?, serde_json::to_string(text).ok()?);
    let comma: &[u8] = if is_empty { b"" } else { b"," };
    Some([before, member.as_bytes(), comma, after].concat())
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
    fn what_is_no_object_stays() {
        for document in ["", "[]", "7", "{", "{\"a\":1", "text"] {
            assert_eq!(inserted(document, "/key"), None, "{document}");
        }
        assert_eq!(inserted("{\"a\":{}}", "/a/key"), None, "only members of the document itself");
    }
}
