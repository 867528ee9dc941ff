//! A [`StatusSet`] in a file: a list of statuses and ranges such as `[429, "5xx", "500-599"]`.

use std::{fmt, ops::RangeInclusive};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

use crate::decide::status_set::StatusSet;

/// A status, or a range of them with both ends included.
struct StatusRange(RangeInclusive<u16>);

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ranges = Vec::<StatusRange>::deserialize(deserializer)?;
        Ok(ranges.into_iter().fold(Self::of(&[]), |set, StatusRange(range)| set.with(range)))
    }
}

/// Neighbours are joined: a set is always written in the same way.
impl Serialize for StatusSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ranges: Vec<StatusRange> = Vec::new();
        for status in self.iter() {
            match ranges.last_mut() {
                Some(StatusRange(range)) if *range.end() + 1 == status => *range = *range.start()..=status,
                _ => ranges.push(StatusRange(status..=status)),
            }
        }
        serializer.collect_seq(ranges)
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last {
            serializer.serialize_u16(*first)
        } else {
            serializer.collect_str(&format_args!("{first}-{last}"))
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RangeVisitor)
    }
}

struct RangeVisitor;

impl Visitor<'_> for RangeVisitor {
    type Value = StatusRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status from 100 to 599, or a range such as \"5xx\" or \"500-599\"")
    }

    fn visit_u64<E: Error>(self, status: u64) -> Result<StatusRange, E> {
        let known = u16::try_from(status).ok().filter(|status| is_status(*status));
        let refused = || E::invalid_value(Unexpected::Unsigned(status), &self);
        known.map(|status| StatusRange(status..=status)).ok_or_else(refused)
    }

    /// TOML and YAML read whole numbers with a sign.
    fn visit_i64<E: Error>(self, status: i64) -> Result<StatusRange, E> {
        self.visit_u64(u64::try_from(status).unwrap_or(u64::MAX))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusRange, E> {
        parse(text).map(StatusRange).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

fn parse(text: &str) -> Option<RangeInclusive<u16>> {
    let range = match text.strip_suffix("xx") {
        Some(hundred) => {
            let first = number(hundred)?.checked_mul(100)?;
            first..=first.checked_add(99)?
        }
        None => {
            let (first, last) = text.split_once('-')?;
            number(first.trim())?..=number(last.trim())?
        }
    };
    (!range.is_empty() && is_status(*range.start()) && is_status(*range.end())).then_some(range)
}

/// Digits alone, without a sign.
fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn is_status(number: u16) -> bool {
    (100..600).contains(&number)
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StatusSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusSet".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Statuses, and ranges of them with both ends included.",
            "type": "array",
            "items": {
                "anyOf": [
                    { "type": "integer", "minimum": 100, "maximum": 599 },
                    { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2} ?- ?[1-5][0-9]{2})$" },
                ],
            },
            "examples": [[408, 429, "5xx"], ["500-599"]],
        })
    }
}
