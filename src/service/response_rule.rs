//! What a response means for the key.

use std::borrow::Cow;

use http::StatusCode;

use super::config_error::FieldErrors;
use crate::decide::key::Meaning;

/// What a status, with a text in the body if one is given, means for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ResponseRule {
    /// The status.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// Only if the body's code, type, name or message contains this text.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub text: Option<Cow<'static, str>>,
    /// What it means.
    pub meaning: Meaning,
}

impl ResponseRule {
    /// `texts` are the body's code, type, name and message. A number is compared whole, so that 704 is not found in
    /// 7041; words are looked for without regard to case.
    fn matches(&self, status: StatusCode, texts: &[&str]) -> bool {
        let Some(wanted) = &self.text else { return status.as_u16() == self.status };
        let number = wanted.bytes().all(|byte| byte.is_ascii_digit());
        let is_in = |text: &&str| if number { text.trim() == wanted } else { contains_ignoring_case(text, wanted) };
        status.as_u16() == self.status && texts.iter().any(is_in)
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        let text = |rule: &Self| rule.text.as_ref().map(|text| text.to_lowercase());
        self.status == other.status && text(self) == text(other)
    }
}

/// The meaning of the first rule that matches.
pub(crate) fn meaning(rules: &[ResponseRule], status: StatusCode, texts: &[&str]) -> Option<Meaning> {
    rules.iter().find(|rule| rule.matches(status, texts)).map(|rule| rule.meaning)
}

pub(crate) fn check(rules: &[ResponseRule], path: &str, errors: &mut FieldErrors) {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !(400..=599).contains(&rule.status) {
            errors.add(format!("{path}.status"), format!("{} is not an error: use 400 to 599", rule.status));
        }
        if rule.text.as_ref().is_some_and(|text| text.is_empty()) {
            errors.add(format!("{path}.text"), "is empty: leave it out to match every body");
        }
        if rules[..index].iter().any(|earlier| earlier.is_about_the_same(rule)) {
            errors.add(path, format!("{} has a rule with the same text already", rule.status));
        }
    }
}

fn contains_ignoring_case(text: &str, wanted: &str) -> bool {
    text.as_bytes().windows(wanted.len().max(1)).any(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_match_whole_and_words_without_case() {
        let rule = |status, text: &'static str, meaning| ResponseRule { status, text: Some(text.into()), meaning };
        let rules = [rule(422, "704", Meaning::InProgress), rule(409, "already used", Meaning::PayloadMismatch)];
        for (status, texts, expected) in [
            (422, ["704", "type", "message"], Some(Meaning::InProgress)),
            (422, ["", "", " 704 "], Some(Meaning::InProgress)),
            (422, ["7041", "", "code 704"], None),
            (422, ["", "", ""], None),
            (409, ["704", "", ""], None),
            (409, ["", "", "This key was Already Used before"], Some(Meaning::PayloadMismatch)),
            (409, ["", "", "already  used"], None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(meaning(&rules, status, &texts), expected, "{status} {texts:?}");
        }
    }
}
