//! What tells the request of an operation from another one.

use uuid::Uuid;

/// The namespace of digests of requests.
const REQUEST: Uuid = uuid::uuid!("1f6f4f0e-6a1c-4e0e-9a55-3d0a5c8f2b71");

/// The same for the same request, in every process and version: the UUIDv5 of a namespace and the method, the path, the
/// query and the body, each behind its length. It recognises an accident, not an attack: SHA-1 can be made to collide.
pub(crate) fn of_request(method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Uuid {
    let fields = [method.as_bytes(), path.as_bytes(), query.unwrap_or_default().as_bytes(), body];
    of_fields(REQUEST, &fields)
}

/// What the caller says that the request is about.
pub(crate) fn of_text(text: &str) -> Uuid {
    of_fields(REQUEST, &[text.as_bytes()])
}

/// The UUIDv5 (RFC 9562, section 5.5) of the fields, each behind its length as four bytes, the highest first.
pub(crate) fn of_fields(namespace: Uuid, fields: &[&[u8]]) -> Uuid {
    let mut name = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        name.extend(length.to_be_bytes());
        name.extend(*field);
    }
    Uuid::new_v5(&namespace, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_request_counts() {
        let parts = [
            of_request("POST", "/a", None, b"x"),
            of_request("PUT", "/a", None, b"x"),
            of_request("POST", "/b", None, b"x"),
            of_request("POST", "/a", Some("x"), b""),
            of_request("POST", "/a", None, b"y"),
            of_text("x"),
        ];
        for (at, digest) in parts.iter().enumerate() {
            assert_eq!(parts.iter().position(|other| other == digest), Some(at));
        }
        assert_eq!(parts[0], of_request("POST", "/a", Some(""), b"x"), "an empty query is none");
    }
}
