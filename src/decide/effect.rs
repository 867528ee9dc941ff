//! What sending a request again does.

use std::fmt;

use http::Method;

/// What sending a request again does.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::Effect;
///
/// assert_eq!(Effect::of_method(&Method::PUT), Effect::Idempotent);
/// assert_eq!(Effect::Write.to_string(), "write");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Effect {
    /// Nothing: it only reads. Never keyed, always repeatable, never in doubt.
    Read,
    /// The same end state as sending it once.
    Idempotent,
    /// Nothing more: the service recognises the repeat by something in the body.
    Deduplicated,
    /// It happens again. Only a key makes it repeatable.
    Write,
}

impl Effect {
    /// RFC 9110, sections 9.2.1 and 9.2.2: safe methods read, idempotent ones may be repeated, all others write. QUERY is
    /// safe as well (draft-ietf-httpbis-safe-method-w-body).
    pub fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => Self::Read,
            _ if method.as_str() == "QUERY" => Self::Read,
            Method::PUT | Method::DELETE => Self::Idempotent,
            _ => Self::Write,
        }
    }

    /// The word for it in files, logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Deduplicated => "deduplicated",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_the_effect_of_rfc_9110() {
        for (method, effect) in [
            (Method::GET, Effect::Read),
            (Method::HEAD, Effect::Read),
            (Method::OPTIONS, Effect::Read),
            (Method::from_bytes(b"QUERY").unwrap(), Effect::Read),
            (Method::from_bytes(b"query").unwrap(), Effect::Write),
            (Method::PUT, Effect::Idempotent),
            (Method::DELETE, Effect::Idempotent),
            (Method::POST, Effect::Write),
            (Method::PATCH, Effect::Write),
            (Method::CONNECT, Effect::Write),
            (Method::from_bytes(b"PURGE").unwrap(), Effect::Write),
        ] {
            assert_eq!(Effect::of_method(&method), effect, "{method}");
        }
    }
}
