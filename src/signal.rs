//! A header in which a service answers a question with yes or no.

use std::borrow::Cow;

use http::HeaderMap;

use crate::{config_error::Mistakes, header::Header};

/// A header whose value says yes or no.
///
/// ```
/// use reqwest_safe_retry::Signal;
///
/// // `true` means yes and `false` no, unless said otherwise.
/// let plain = Signal::new("x-should-retry");
/// // A header that says the opposite of what is asked.
/// let opposite = Signal::new("x-do-not-retry").saying("false", "true");
/// assert_ne!(plain, opposite);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    header: Header,
    yes: Cow<'static, str>,
    no: Cow<'static, str>,
}

impl Signal {
    /// A header that says `true` for yes and `false` for no; anything else is no answer.
    pub fn new(header: impl Into<Cow<'static, str>>) -> Self {
        Self { header: Header::new(header), yes: "true".into(), no: "false".into() }
    }

    /// The values for yes and no, compared without regard to case.
    pub fn saying(mut self, yes: impl Into<Cow<'static, str>>, no: impl Into<Cow<'static, str>>) -> Self {
        (self.yes, self.no) = (yes.into(), no.into());
        self
    }

    /// The header's name, in lower case.
    pub fn header(&self) -> &str {
        self.header.as_str()
    }

    /// `None` where the header is missing or says neither.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<bool> {
        let value = self.header.value(headers)?.to_str().ok()?.trim();
        if value.eq_ignore_ascii_case(&self.yes) {
            return Some(true);
        }
        value.eq_ignore_ascii_case(&self.no).then_some(false)
    }

    pub(crate) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        self.header.check(path, mistakes);
        if self.yes.eq_ignore_ascii_case(&self.no) {
            mistakes.add(path, format!("says {:?} for yes and for no", self.yes));
        }
    }
}

impl From<&'static str> for Signal {
    fn from(header: &'static str) -> Self {
        Self::new(header)
    }
}

impl From<String> for Signal {
    fn from(header: String) -> Self {
        Self::new(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_words_are_answers() {
        let read = |signal: Signal, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-signal", value.parse().unwrap());
            signal.read(&headers)
        };
        let plain = || Signal::new("X-Signal");
        for (value, expected) in [
            ("true", Some(true)),
            (" TRUE ", Some(true)),
            ("false", Some(false)),
            ("1", None),
            ("", None),
            ("true, false", None),
        ] {
            assert_eq!(read(plain(), value), expected, "{value:?}");
        }
        assert_eq!(read(plain().saying("replayed", "processed"), "Replayed"), Some(true));
        assert_eq!(read(plain().saying("false", "true"), "true"), Some(false));
        assert_eq!(Signal::new("x-other").read(&HeaderMap::new()), None);
    }
}
