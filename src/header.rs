//! A header of a service's description.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header::GetAll};

use crate::config_error::Mistakes;

/// The name of a header, made once; what is no name is refused when the service is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Named(HeaderName),
    Misnamed(Cow<'static, str>),
}

impl Header {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        HeaderName::from_bytes(text.as_bytes()).map_or(Self::Misnamed(text), Self::Named)
    }

    pub(crate) const fn name(&self) -> Option<&HeaderName> {
        match self {
            Self::Named(name) => Some(name),
            Self::Misnamed(_) => None,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Misnamed(text) => text,
        }
    }

    /// Its first value.
    pub(crate) fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        headers.get(self.name()?)
    }

    /// All its values; `None` where there is none.
    pub(crate) fn values<'a>(&self, headers: &'a HeaderMap) -> Option<GetAll<'a, HeaderValue>> {
        let name = self.name()?;
        headers.contains_key(name).then(|| headers.get_all(name))
    }

    pub(crate) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if let Self::Misnamed(text) = self {
            mistakes.add(path, format!("{text:?} is no header name"));
        }
    }
}
