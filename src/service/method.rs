//! The methods that a description may name.

use http::Method;

use super::config_error::FieldErrors;

/// The methods of RFC 9110 and RFC 5789, and QUERY.
pub(crate) const KNOWN: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// Methods are compared with regard to case: `post` would be another method, which no request has.
pub(crate) fn check(method: &Method, path: &str, errors: &mut FieldErrors) {
    if !KNOWN.contains(&method.as_str()) {
        errors.add(path, format!("{:?} is not a known method: use one of {}", method.as_str(), KNOWN.join(", ")));
    }
}

/// A method as text in a file.
#[cfg(feature = "config")]
pub(crate) mod text {
    use http::Method;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(method.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(D::Error::custom)
    }

    pub(super) fn parse(text: &str) -> Result<Method, &'static str> {
        Method::from_bytes(text.as_bytes()).map_err(|_| "expected a method such as \"POST\"")
    }
}

/// Methods as a list of text in a file.
#[cfg(feature = "config")]
pub(crate) mod list {
    use http::Method;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(methods: &[Method], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(methods.iter().map(Method::as_str))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Method>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| super::text::parse(text).map_err(D::Error::custom)).collect()
    }
}
