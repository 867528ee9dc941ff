//! Where a service's error responses have their message, code, type and request id: data.

use std::{borrow::Cow, mem};

use http::HeaderMap;

use super::{config_error::FieldErrors, header::Header};
use crate::wire::json;

/// Where a service's error responses have their message, code, type and request id.
///
/// Each is a list of places of which the first that is there counts; a member that is neither text nor a number is
/// ignored. The default knows the members that most services use, and RFC 9457's problem details: message in `/message`,
/// `/Message`, `/error/message`, `/detail`, `/title` or `/error`; code in `/code` or `/error/code`; type in `/type`,
/// `/error/type` or `/name`; request id in the header `x-request-id` or `request-id`.
///
/// ```
/// use reqwest_safe_retry::ErrorFormat;
///
/// let format = ErrorFormat::new().message(["/errorMessage"]).code(["/errorCode"]);
/// assert_eq!(format.message, ["/errorMessage"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct ErrorFormat {
    /// Pointers (RFC 6901) to the message.
    pub message: Pointers,
    /// Pointers to the code.
    pub code: Pointers,
    /// Pointers to the type or name of the error.
    pub error_type: Pointers,
    /// The headers that carry the request id.
    pub request_id_headers: Vec<Header>,
    /// Pointers to the request id in the body.
    pub request_id: Pointers,
}

type Pointers = Vec<Cow<'static, str>>;

/// Reads error responses by an [`ErrorFormat`]. Its pointers are parsed once, when the service is built.
#[derive(Clone, Debug)]
pub(crate) struct ErrorReader {
    pointers: json::Pointers,
    /// Up to which pointer they are those of the message, of the code, of the type, and of the request id.
    ends: [usize; 4],
    request_id_headers: Vec<Header>,
}

/// What the body of an error response says of the error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorParts {
    pub(crate) message: Option<Box<str>>,
    pub(crate) code: Option<Box<str>>,
    pub(crate) error_type: Option<Box<str>>,
    pub(crate) request_id: Option<Box<str>>,
}

impl Default for ErrorFormat {
    fn default() -> Self {
        Self::new()
    }
}

fn owned<T: Into<Cow<'static, str>>>(places: impl IntoIterator<Item = T>) -> Pointers {
    places.into_iter().map(Into::into).collect()
}

impl ErrorFormat {
    /// The places listed above.
    pub fn new() -> Self {
        Self {
            message: owned(["/message", "/Message", "/error/message", "/detail", "/title", "/error"]),
            code: owned(["/code", "/error/code"]),
            error_type: owned(["/type", "/error/type", "/name"]),
            request_id_headers: ["x-request-id", "request-id"].map(Header::from).into(),
            request_id: Vec::new(),
        }
    }

    /// Where the message is.
    pub fn message<T: Into<Cow<'static, str>>>(mut self, pointers: impl IntoIterator<Item = T>) -> Self {
        self.message = owned(pointers);
        self
    }

    /// Where the code is.
    pub fn code<T: Into<Cow<'static, str>>>(mut self, pointers: impl IntoIterator<Item = T>) -> Self {
        self.code = owned(pointers);
        self
    }

    /// Where the type or name of the error is.
    pub fn error_type<T: Into<Cow<'static, str>>>(mut self, pointers: impl IntoIterator<Item = T>) -> Self {
        self.error_type = owned(pointers);
        self
    }

    /// The headers that carry the request id.
    pub fn request_id_headers<T: Into<Header>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.request_id_headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Where the request id is in the body; used if no header has it.
    pub fn request_id<T: Into<Cow<'static, str>>>(mut self, pointers: impl IntoIterator<Item = T>) -> Self {
        self.request_id = owned(pointers);
        self
    }

    pub(crate) fn reader(&self) -> ErrorReader {
        let places = [&self.message, &self.code, &self.error_type, &self.request_id];
        let mut end = 0;
        ErrorReader {
            pointers: json::Pointers::new(places.into_iter().flatten().map(AsRef::as_ref)),
            ends: places.map(|pointers| {
                end += pointers.len();
                end
            }),
            request_id_headers: self.request_id_headers.clone(),
        }
    }

    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        for (field, pointers) in [
            ("message", &self.message),
            ("code", &self.code),
            ("error_type", &self.error_type),
            ("request_id", &self.request_id),
        ] {
            for pointer in pointers {
                errors.check_pointer(&format!("error_format.{field}"), pointer);
            }
        }
        for name in &self.request_id_headers {
            name.check("error_format.request_id_headers", errors);
        }
    }
}

impl ErrorReader {
    pub(crate) fn parts(&self, body: &[u8]) -> ErrorParts {
        if body.is_empty() {
            return ErrorParts::default();
        }
        let text = json::text(body);
        let members = self.pointers.find(&text);
        let mut start = 0;
        let [message, code, error_type, request_id] = self.ends.map(|end| {
            let places = mem::replace(&mut start, end)..end;
            members.text(places).map(String::into_boxed_str)
        });
        ErrorParts { message, code, error_type, request_id }
    }

    /// The request id that a header has.
    pub(crate) fn request_id(&self, headers: &HeaderMap) -> Option<Box<str>> {
        let names = &self.request_id_headers;
        names.iter().find_map(|name| name.value(headers)?.to_str().ok()).map(Box::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> [Option<Box<str>>; 3] {
        let parts = ErrorFormat::new().reader().parts(body.as_bytes());
        [parts.message, parts.code, parts.error_type]
    }

    #[test]
    fn parts_are_found_in_common_members() {
        let some = |text: &str| Some(Box::from(text));
        for (body, message, code, error_type) in [
            (r#"{"message":"m"}"#, some("m"), None, None),
            (r#"{"code":"c","message":"m"}"#, some("m"), some("c"), None),
            (r#"{"Message":"m"}"#, some("m"), None, None),
            (r#"{"error":{"type":"t","code":"c","message":"m"}}"#, some("m"), some("c"), some("t")),
            (r#"{"error":"m"}"#, some("m"), None, None),
            (r#"{"type":"about:blank","title":"t","detail":"d"}"#, some("d"), None, some("about:blank")),
            (r#"{"title":7,"detail":["x"]}"#, some("7"), None, None),
            (r#"{"message":null,"code":704}"#, None, some("704"), None),
            (r#"{"message":{"deep":1}}"#, None, None, None),
            // What is empty hides nothing.
            (r#"{"message":"","detail":"d","code":"","error":{"code":"c"}}"#, some("d"), some("c"), None),
            (r#"{"message":"","code":""}"#, None, None, None),
            ("null", None, None, None),
            ("<html>", None, None, None),
            ("", None, None, None),
        ] {
            assert_eq!(read(body), [message, code, error_type], "{body}");
        }
    }

    #[test]
    fn first_header_that_is_there_has_the_request_id() {
        let reader = ErrorFormat::new().request_id(["/request_id"]).reader();
        let mut headers = HeaderMap::new();
        assert_eq!(reader.request_id(&headers), None);
        for (name, id) in [("request-id", "second"), ("x-request-id", "first")] {
            headers.insert(name, id.parse().unwrap());
            assert_eq!(reader.request_id(&headers).as_deref(), Some(id));
        }
    }
}
