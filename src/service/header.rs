//! The name of a header in a description.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header::GetAll};

use super::config_error::FieldErrors;

/// The name of a header in a service's description, made from text or an [`http::HeaderName`].
///
/// ```
/// use reqwest_safe_retry::Header;
///
/// assert_eq!(Header::from("Retry-After").as_str(), "retry-after");
/// ```
///
/// Text that is not a header name is refused when the service is built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(from = "String", into = "String"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(description = "The name of a header."))]
pub struct Header(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Valid(HeaderName),
    Invalid(Cow<'static, str>),
}

impl Header {
    pub(crate) const fn from_name(name: HeaderName) -> Self {
        Self(Name::Valid(name))
    }

    fn from_text(text: Cow<'static, str>) -> Self {
        Self(HeaderName::from_bytes(text.as_bytes()).map_or(Name::Invalid(text), Name::Valid))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Valid(name) => name.as_str(),
            Name::Invalid(text) => text,
        }
    }

    pub(crate) const fn name(&self) -> Option<&HeaderName> {
        match &self.0 {
            Name::Valid(name) => Some(name),
            Name::Invalid(_) => None,
        }
    }

    /// Its first value.
    pub(crate) fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        headers.get(self.name()?)
    }

    /// All its values; `None` if there are none.
    pub(crate) fn values<'a>(&self, headers: &'a HeaderMap) -> Option<GetAll<'a, HeaderValue>> {
        let name = self.name()?;
        headers.contains_key(name).then(|| headers.get_all(name))
    }

    pub(crate) fn check(&self, path: &str, errors: &mut FieldErrors) {
        if let Name::Invalid(text) = &self.0 {
            errors.add(path, format!("{text:?} is not a header name"));
        }
    }
}

impl From<&'static str> for Header {
    fn from(text: &'static str) -> Self {
        Self::from_text(Cow::Borrowed(text))
    }
}

impl From<String> for Header {
    fn from(text: String) -> Self {
        Self::from_text(Cow::Owned(text))
    }
}

impl From<HeaderName> for Header {
    fn from(name: HeaderName) -> Self {
        Self::from_name(name)
    }
}

impl From<Header> for String {
    fn from(header: Header) -> Self {
        header.as_str().to_owned()
    }
}
