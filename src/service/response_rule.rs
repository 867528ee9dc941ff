//! What a response means: rules of a service's description.

use std::{borrow::Cow, sync::OnceLock};

use http::{HeaderMap, StatusCode};

use super::{
    config_error::FieldErrors,
    error_format::{ErrorParts, ErrorReader},
    header::Header,
};
use crate::{decide::key::Meaning, wire::json};

/// What an error response means that has this status, and this text or header if one is given.
///
/// ```
/// use reqwest_safe_retry::{Meaning, ResponseRule, Service};
///
/// let billing = Service::builder("billing", "https://billing.internal")
///     // A spent quota does not come back by waiting, any other 429 does.
///     .responses([ResponseRule::new(429, Meaning::Final).text("quota_exceeded").at("/errors/*/code")])
///     .responses([ResponseRule::new(403, Meaning::Throttled).header_value("x-ratelimit-remaining", "0")])
///     .build()?;
/// assert_eq!(billing.responses().len(), 2);
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
///
/// All that is given must hold. Of a body that was not read to its end, because it broke off, was slow or too long, the rest may
/// have the text: a rule which says that the request may have been executed ([`Meaning::InProgress`],
/// [`Meaning::Unavailable`]) then counts, unless another one matches what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct ResponseRule {
    /// The status, from 400 to 599.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// Only if this text is in the body's code, type, name or message, or anywhere in a body that is not JSON.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub text: Option<Cow<'static, str>>,
    /// Where the text is in the JSON body instead, as a pointer (RFC 6901) in which one `*` stands for any entry of a list.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub at: Option<Cow<'static, str>>,
    /// Only if the response has this header.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub header: Option<Header>,
    /// Only if the header has this value, whatever its capitals; any value unless set.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub header_value: Option<Cow<'static, str>>,
    /// What it means.
    pub meaning: Meaning,
}

impl ResponseRule {
    /// Every response with this status means this.
    pub const fn new(status: u16, meaning: Meaning) -> Self {
        Self { status, text: None, at: None, header: None, header_value: None, meaning }
    }

    /// Only if this text is in the body's code, type, name or message (see [`ErrorFormat`](crate::ErrorFormat)), or anywhere
    /// in a body that is not JSON, such as plain text or XML. Capitals do not matter; a number must be the whole value.
    pub fn text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Where the text is in the JSON body: a pointer (RFC 6901) in which one `*` stands for any of the first 16 entries of a
    /// list, such as `/errors/*/code`.
    pub fn at(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.at = Some(pointer.into());
        self
    }

    /// Only if the response has this header.
    pub fn header(mut self, name: impl Into<Header>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// Only if the response has this header with this value, whatever its capitals.
    pub fn header_value(self, name: impl Into<Header>, value: impl Into<Cow<'static, str>>) -> Self {
        Self { header_value: Some(value.into()), ..self.header(name) }
    }

    fn matches(&self, said: &Said<'_>) -> bool {
        self.matches_head(said) && self.has_text(said)
    }

    /// Whether its text may be in the part of the body that was not read.
    fn may_match_unread(&self, said: &Said<'_>) -> bool {
        said.is_truncated && self.text.is_some() && self.matches_head(said)
    }

    fn matches_head(&self, said: &Said<'_>) -> bool {
        said.status.as_u16() == self.status && self.has_header(said.headers)
    }

    fn has_header(&self, headers: &HeaderMap) -> bool {
        let Some(header) = &self.header else { return true };
        let Some(mut values) = header.values(headers).map(|values| values.iter()) else { return false };
        let Some(wanted) = &self.header_value else { return true };
        values.any(|value| value.to_str().is_ok_and(|value| value.trim().eq_ignore_ascii_case(wanted.trim())))
    }

    fn has_text(&self, said: &Said<'_>) -> bool {
        let Some(wanted) = &self.text else { return true };
        match &self.at {
            Some(pointer) => json::texts(said.body, pointer).iter().any(|text| contains(text.as_bytes(), wanted)),
            None if json::is_document(said.body) => said.texts().any(|text| contains(text.as_bytes(), wanted)),
            None => contains(said.body, wanted),
        }
    }

    /// Whether the two are about the same responses.
    pub(crate) fn is_about_the_same(&self, other: &Self) -> bool {
        let conditions = |rule: &Self| {
            let lower = |text: &Option<Cow<'static, str>>| text.as_ref().map(|text| text.to_lowercase());
            (rule.status, lower(&rule.text), rule.at.clone(), rule.header.clone(), lower(&rule.header_value))
        };
        conditions(self) == conditions(other)
    }

    fn check(&self, path: &str, errors: &mut FieldErrors) {
        if !(400..=599).contains(&self.status) {
            errors.add(format!("{path}.status"), format!("{} is not an error: use 400 to 599", self.status));
        }
        if self.text.as_ref().is_some_and(|text| text.is_empty()) {
            errors.add(format!("{path}.text"), "is empty: leave it out to match every body");
        }
        if let Some(pointer) = &self.at {
            let path = format!("{path}.at");
            errors.check_pointer(&path, pointer);
            if self.text.is_none() {
                errors.add(&*path, "says where a text is: give the `text` too");
            }
            if pointer.split('/').filter(|name| *name == "*").count() > 1 {
                errors.add(path, "has more than one `*`");
            }
        }
        match &self.header {
            Some(header) => header.check(&format!("{path}.header"), errors),
            None if self.header_value.is_some() => {
                errors.add(format!("{path}.header"), "is missing: `header_value` is the value of one");
            }
            None => {}
        }
    }
}

/// What an error response says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// Whether the body has more that was not read.
    pub(crate) is_truncated: bool,
    pub(crate) reader: &'a ErrorReader,
    /// What was read of the body, see [`parts`](Self::parts).
    pub(crate) read: &'a OnceLock<ErrorParts>,
}

impl<'a> Said<'a> {
    /// What the body says of the error. Few rules ask for it.
    pub(crate) fn parts(&self) -> &'a ErrorParts {
        self.read.get_or_init(|| self.reader.parts(self.body))
    }

    fn texts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let ErrorParts { code, error_type, message, .. } = self.parts();
        [code, error_type, message].into_iter().flatten().map(|text| &**text)
    }
}

/// The meaning of the first rule that applies and matches. If there is none and the body was not read to its end: of the first
/// rule that may match the unread part, among those which say that the request may have been executed.
pub(crate) fn meaning<'r>(
    rules: impl Iterator<Item = &'r ResponseRule> + Clone,
    said: &Said<'_>,
    applies: impl Fn(Meaning) -> bool,
) -> Option<Meaning> {
    let applying = || rules.clone().filter(|rule| applies(rule.meaning));
    let found = applying().find(|rule| rule.matches(said));
    let unread = || applying().find(|rule| rule.meaning.leaves_doubt() && rule.may_match_unread(said));
    found.or_else(unread).map(|rule| rule.meaning)
}

pub(crate) fn check(rules: &[ResponseRule], path: &str, errors: &mut FieldErrors) {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{index}]");
        rule.check(&path, errors);
        if rules[..index].iter().any(|earlier| earlier.is_about_the_same(rule)) {
            errors.add(path, format!("{} has a rule with the same conditions already", rule.status));
        }
    }
}

/// A number is compared whole, so that 704 is not found in 7041; words are looked for whatever their capitals.
fn contains(text: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    if wanted.iter().all(u8::is_ascii_digit) {
        return text.trim_ascii() == wanted;
    }
    text.windows(wanted.len().max(1)).any(|part| part.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error_format::ErrorFormat;

    fn matches(rule: &ResponseRule, status: u16, headers: &[(&'static str, &str)], body: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let (reader, read) = (&ErrorFormat::new().reader(), &OnceLock::new());
        let status = StatusCode::from_u16(status).unwrap();
        rule.matches(&Said { status, headers: &headers, body: body.as_bytes(), is_truncated: false, reader, read })
    }

    #[test]
    fn numbers_match_whole_and_words_without_case() {
        let coded = ResponseRule::new(422, Meaning::InProgress).text("704");
        let worded = ResponseRule::new(409, Meaning::PayloadMismatch).text("already used");
        for (rule, status, body, expected) in [
            (&coded, 422, r#"{"code":"704","type":"type"}"#, true),
            (&coded, 422, r#"{"message":" 704 "}"#, true),
            (&coded, 422, r#"{"code":704}"#, true),
            (&coded, 422, r#"{"code":"7041","message":"code 704"}"#, false),
            (&coded, 409, r#"{"code":"704"}"#, false),
            (&worded, 409, r#"{"message":"This key was Already Used before"}"#, true),
            (&worded, 409, r#"{"message":"already  used"}"#, false),
            (&worded, 409, r#"{"other":"already used"}"#, false),
        ] {
            assert_eq!(matches(rule, status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn text_is_found_in_bodies_that_are_not_json() {
        let rule = ResponseRule::new(503, Meaning::Throttled).text("SlowDown");
        for (body, expected) in [
            ("<Error><Code>SlowDown</Code></Error>", true),
            ("please slowdown", true),
            ("\"slowdown\"", true),
            ("", false),
            // A document that breaks off may say anything.
            (r#"{"detail":{"deep":"SlowDown"}"#, false),
            (r#"["SlowDown"]"#, false),
        ] {
            assert_eq!(matches(&rule, 503, &[], body), expected, "{body}");
        }
    }

    #[test]
    fn text_is_found_in_any_entry_of_a_list() {
        let rule = ResponseRule::new(400, Meaning::Throttled).text("throttled").at("/errors/*/code");
        for (body, expected) in [
            (r#"{"errors":[{"code":"other"},{"code":"THROTTLED"}]}"#, true),
            (r#"{"errors":[{"code":"other"}],"code":"throttled"}"#, false),
            (r#"{"errors":{"*":{"code":"throttled"}}}"#, false),
            (r#"{"errors":[]}"#, false),
            ("throttled", false),
        ] {
            assert_eq!(matches(&rule, 400, &[], body), expected, "{body}");
        }
        let whole = ResponseRule::new(400, Meaning::Throttled).text("throttled").at("/reason");
        assert!(matches(&whole, 400, &[], r#"{"reason":"is throttled"}"#));
    }

    #[test]
    fn header_must_be_there_with_its_value() {
        let limited = ResponseRule::new(403, Meaning::Throttled);
        let spent = limited.clone().header_value("x-remaining", "None");
        let (there, limited) = (limited.clone().header("X-Remaining"), limited.text("limit").header("x-remaining"));
        let body = r#"{"message":"limit"}"#;
        for (rule, headers, body, expected) in [
            (&there, &[("x-remaining", "7")][..], "", true),
            (&there, &[("x-other", "7")], "", false),
            (&spent, &[("x-remaining", " NONE ")], "", true),
            (&spent, &[("x-remaining", "1"), ("x-remaining", "none")], "", true),
            (&spent, &[("x-remaining", "1")], "", false),
            (&limited, &[("x-remaining", "1")], body, true),
            (&limited, &[("x-remaining", "1")], "", false),
            (&limited, &[], body, false),
        ] {
            assert_eq!(matches(rule, 403, headers, body), expected, "{rule:?} {headers:?} {body}");
        }
    }
}
