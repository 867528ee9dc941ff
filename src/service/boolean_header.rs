//! A header in which a service answers a question with yes or no.

use std::borrow::Cow;

use http::HeaderMap;

#[cfg(feature = "config")]
use super::name_or_table;
use super::{config_error::FieldErrors, header::Header};

/// A header that says yes or no.
///
/// ```
/// use reqwest_safe_retry::BooleanHeader;
///
/// // `true` means yes and `false` no, unless set otherwise.
/// let plain = BooleanHeader::new("x-should-retry");
/// // A header that says the opposite of what is asked.
/// let opposite = BooleanHeader::new("x-do-not-retry").values("false", "true");
/// // A header that says yes by being there.
/// let marker = BooleanHeader::presence("x-replayed");
/// assert_ne!(plain, opposite);
/// assert_ne!(plain, marker);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(from = "Written", into = "Written"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct BooleanHeader {
    /// The header.
    pub header: Header,
    answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Values { yes: Cow<'static, str>, no: Cow<'static, str> },
    Presence,
}

impl BooleanHeader {
    /// A header that says `true` for yes and `false` for no; anything else is neither.
    pub fn new(header: impl Into<Header>) -> Self {
        Self { header: header.into(), answer: Answer::Values { yes: "true".into(), no: "false".into() } }
    }

    /// A header whose presence means yes, whatever its value.
    pub fn presence(header: impl Into<Header>) -> Self {
        Self { header: header.into(), answer: Answer::Presence }
    }

    /// The values for yes and no, compared without regard to case.
    pub fn values(mut self, yes: impl Into<Cow<'static, str>>, no: impl Into<Cow<'static, str>>) -> Self {
        self.answer = Answer::Values { yes: yes.into(), no: no.into() };
        self
    }

    /// `None` if the header is missing or says neither.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<bool> {
        let value = self.header.value(headers)?;
        let Answer::Values { yes, no } = &self.answer else { return Some(true) };
        let value = value.to_str().ok()?.trim();
        if value.eq_ignore_ascii_case(yes) {
            return Some(true);
        }
        value.eq_ignore_ascii_case(no).then_some(false)
    }

    pub(crate) fn check(&self, path: &str, errors: &mut FieldErrors) {
        self.header.check(path, errors);
        if let Answer::Values { yes, no } = &self.answer {
            if yes.eq_ignore_ascii_case(no) {
                errors.add(path, format!("has the value {yes:?} for both yes and no"));
            }
        }
    }
}

impl From<&'static str> for BooleanHeader {
    fn from(header: &'static str) -> Self {
        Self::new(header)
    }
}

impl From<String> for BooleanHeader {
    fn from(header: String) -> Self {
        Self::new(header)
    }
}

/// How it is written in a file: the name alone if its values are the usual ones.
#[cfg(feature = "config")]
#[derive(serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(crate) enum Written {
    /// The name of the header alone.
    Name(String),
    /// The header and what its presence means.
    Presence(WrittenPresence),
    /// The header and its values.
    Values(WrittenValues),
}

#[cfg(feature = "config")]
#[derive(serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PresenceHeader"))]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenPresence {
    /// The header.
    header: String,
    /// Whether any value means yes.
    presence: bool,
}

#[cfg(feature = "config")]
#[derive(serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ValuesHeader"))]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenValues {
    /// The header.
    header: String,
    /// The value for yes; "true" unless set.
    #[serde(default = "usual_yes")]
    yes: String,
    /// The value for no; "false" unless set.
    #[serde(default = "usual_no")]
    no: String,
}

#[cfg(feature = "config")]
fn usual_yes() -> String {
    "true".to_owned()
}

#[cfg(feature = "config")]
fn usual_no() -> String {
    "false".to_owned()
}

/// The fields of both tables.
#[cfg(feature = "config")]
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    header: String,
    presence: Option<bool>,
    yes: Option<String>,
    no: Option<String>,
}

#[cfg(feature = "config")]
impl From<String> for Table {
    fn from(header: String) -> Self {
        Self { header, presence: None, yes: None, no: None }
    }
}

#[cfg(feature = "config")]
impl<'de> serde::Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Table { header, presence, yes, no } = name_or_table::read(deserializer)?;
        match (presence, yes, no) {
            (Some(presence), None, None) => Ok(Self::Presence(WrittenPresence { header, presence })),
            (None, yes, no) => {
                let (yes, no) = (yes.unwrap_or_else(usual_yes), no.unwrap_or_else(usual_no));
                Ok(Self::Values(WrittenValues { header, yes, no }))
            }
            _ => Err(serde::de::Error::custom("expected `presence`, or `yes` and `no`, not both")),
        }
    }
}

#[cfg(feature = "config")]
impl From<Written> for BooleanHeader {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(header) | Written::Presence(WrittenPresence { header, presence: false }) => Self::new(header),
            Written::Presence(WrittenPresence { header, presence: true }) => Self::presence(header),
            Written::Values(WrittenValues { header, yes, no }) => Self::new(header).values(yes, no),
        }
    }
}

#[cfg(feature = "config")]
impl From<BooleanHeader> for Written {
    fn from(from: BooleanHeader) -> Self {
        let header = from.header.into();
        match from.answer {
            Answer::Presence => Self::Presence(WrittenPresence { header, presence: true }),
            Answer::Values { yes, no } if yes == "true" && no == "false" => Self::Name(header),
            Answer::Values { yes, no } => Self::Values(WrittenValues { header, yes: yes.into(), no: no.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_values_count() {
        let read = |boolean: BooleanHeader, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-signal", value.parse().unwrap());
            boolean.read(&headers)
        };
        let plain = || BooleanHeader::new("X-Signal");
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
        assert_eq!(read(plain().values("replayed", "processed"), "Replayed"), Some(true));
        assert_eq!(read(plain().values("false", "true"), "true"), Some(false));
        assert_eq!(read(BooleanHeader::presence("x-signal"), "false"), Some(true));
        assert_eq!(BooleanHeader::presence("x-other").read(&HeaderMap::new()), None);
    }
}
