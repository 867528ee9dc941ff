//! Values of a file that are more than text or a number: durations, methods, statuses.

use std::time::Duration;

use http::StatusCode;
use serde::{Serialize, Serializer};

use super::{
    raw::Raw,
    reader::{Read, Reader},
};
use crate::policy::StatusSet;

pub(super) type Text = String;

/// A duration with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span(pub(super) Duration);

/// A share from 0 to 1, to the millionth: so short that every format reads it as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Share(pub(super) f64);

/// A method in capitals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Method(pub(super) http::Method);

/// A status from 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Status(pub(super) u16);

/// Statuses and ranges of them, both ends included.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Statuses(Vec<StatusRange>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StatusRange(u16, u16);

impl Statuses {
    pub(super) fn set(&self) -> StatusSet {
        self.0.iter().fold(StatusSet::of(&[]), |set, StatusRange(first, last)| set.with(*first..=*last))
    }
}

impl Read for Span {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        match raw {
            Raw::Text(text) => match humantime::parse_duration(&text) {
                Ok(duration) => Some(Self(duration)),
                Err(error) => at.refuse(format!("is no duration such as \"500ms\": {error}")),
            },
            Raw::Integer(_) | Raw::Float(_) => at.refuse("is a number without a unit: expected text such as \"500ms\""),
            other => at.expected("a duration such as \"500ms\"", &other),
        }
    }
}

impl Read for Share {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        let share = match raw {
            Raw::Float(share) => share,
            Raw::Integer(whole) => whole as f64,
            other => return at.expected("a share such as 0.1", &other),
        };
        if (0.0..=1.0).contains(&share) {
            Some(Self((share * 1e6).round() / 1e6))
        } else {
            at.refuse(format!("is {share}: expected 0 to 1"))
        }
    }
}

impl Read for Method {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        let text = String::read(raw, at)?;
        // Methods are compared with regard to case: `post` would be another method, which no request has.
        match http::Method::from_bytes(text.as_bytes()) {
            Ok(method) if !text.bytes().any(|byte| byte.is_ascii_lowercase()) => Some(Self(method)),
            _ => at.refuse(format!("{text:?} is no method such as \"POST\", in capitals")),
        }
    }
}

impl Read for Status {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        let status = u16::read(raw, at)?;
        if is_status(status) { Some(Self(status)) } else { at.refuse(format!("is {status}: expected 100 to 599")) }
    }
}

impl Read for Statuses {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        Vec::read(raw, at).map(Self)
    }
}

impl Read for StatusRange {
    fn read(raw: Raw, at: &mut Reader<'_>) -> Option<Self> {
        match raw {
            Raw::Text(text) => match range(&text) {
                Some(range) => Some(range),
                None => at.refuse(format!("{text:?} is no range of statuses such as \"5xx\" or \"500-599\"")),
            },
            Raw::Integer(_) | Raw::Float(_) => Status::read(raw, at).map(|Status(status)| Self(status, status)),
            other => at.expected("a status, or a range such as \"5xx\" or \"500-599\"", &other),
        }
    }
}

fn range(text: &str) -> Option<StatusRange> {
    if let Some(hundred) = text.strip_suffix("xx") {
        let first = number(hundred)?.checked_mul(100)?;
        return is_status(first).then_some(StatusRange(first, first + 99));
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    (first <= last && is_status(first) && is_status(last)).then_some(StatusRange(first, last))
}

/// Digits alone, without a sign.
fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn is_status(number: u16) -> bool {
    number < 600 && StatusCode::from_u16(number).is_ok()
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self(first, last) if first == last => serializer.serialize_u16(*first),
            Self(first, last) => serializer.collect_str(&format_args!("{first}-{last}")),
        }
    }
}
