//! Where a service says how long to wait, in which unit, and under which condition.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode, header};

#[cfg(feature = "config")]
use super::name_or_table;
use super::{config_error::FieldErrors, header::Header, policy};
use crate::{
    decide::status_set::StatusSet,
    wire::{json, retry_after, units},
};

/// Where a service says how long to wait: a header or a member of the error's body, its unit, and when it counts.
///
/// ```
/// use reqwest_safe_retry::{RateLimiting, RetryAfterSource, RetryAfterUnit};
///
/// // The time of the reset counts only on a 429; `Retry-After` on any error.
/// let reset = RetryAfterSource::header("x-ratelimit-reset").unit(RetryAfterUnit::EpochSeconds).only_on([429]);
/// let limits = RateLimiting::new().retry_after([RetryAfterSource::default(), reset]);
/// assert_eq!(limits.retry_after.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(from = "Written", into = "Written"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct RetryAfterSource {
    /// Where the wait is.
    pub place: RetryAfterPlace,
    /// What is there; seconds or an HTTP date unless set.
    pub unit: RetryAfterUnit,
    /// The statuses on which it counts; all errors unless set.
    pub on: Option<StatusSet>,
    /// Counts only if this header, which tells how many requests are left, says 0.
    pub where_zero: Option<Header>,
}

/// Where a wait is.
///
/// ```
/// use reqwest_safe_retry::{RetryAfterPlace, RetryAfterSource};
///
/// assert_eq!(RetryAfterSource::default().place, RetryAfterPlace::Header("retry-after".into()));
/// assert_eq!(RetryAfterSource::member("/error/wait").place, RetryAfterPlace::Member("/error/wait".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfterPlace {
    /// In a header.
    Header(Header),
    /// In a member of the error's JSON body, by its pointer (RFC 6901).
    Member(Cow<'static, str>),
}

/// What a wait is written as. Fractions are rounded up to a millisecond.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{RateLimiting, RequestBuilderExt, RetryAfterSource, RetryAfterUnit, SafeRetry, Service};
/// use reqwest_safe_retry::{Error, testing::{Reply, ScriptedTransport}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let source = RetryAfterSource::member("/wait").unit(RetryAfterUnit::Text);
/// let limits = RateLimiting::new().retry_after([source]);
/// let service = Service::builder("chat", "https://chat.example.com").rate_limiting(limits).build().unwrap();
/// let script = ScriptedTransport::new([Reply::response(429, [], r#"{"wait":"1m30s"}"#)]);
/// let client = script.client(SafeRetry::new([service])).unwrap();
/// let error = client.get("https://chat.example.com/").no_retries().send().await.unwrap_err();
/// assert_eq!(Error::find(&error).unwrap().retry_after(), Some(Duration::from_secs(90)));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum RetryAfterUnit {
    /// Seconds, with or without a fraction, or an HTTP date.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// A time, in seconds since the Unix epoch.
    EpochSeconds,
    /// A time, in milliseconds since the Unix epoch.
    EpochMilliseconds,
    /// A time, as in RFC 3339: `2026-11-26T12:00:00Z`.
    Rfc3339,
    /// Numbers with their units: `1m30s`, `20ms`, `1.5s`.
    Text,
}

/// `Retry-After` of RFC 9110, section 10.2.3: seconds or an HTTP date.
impl Default for RetryAfterSource {
    fn default() -> Self {
        Self::at(RetryAfterPlace::Header(Header::from_name(header::RETRY_AFTER)))
    }
}

impl RetryAfterSource {
    /// A header, in seconds or an HTTP date unless another [`unit`](Self::unit) is set.
    pub fn header(name: impl Into<Header>) -> Self {
        Self::at(RetryAfterPlace::Header(name.into()))
    }

    /// A member of the error's JSON body, by its pointer (RFC 6901); in seconds unless another [`unit`](Self::unit) is set.
    pub fn member(pointer: impl Into<Cow<'static, str>>) -> Self {
        Self::at(RetryAfterPlace::Member(pointer.into()))
    }

    const fn at(place: RetryAfterPlace) -> Self {
        Self { place, unit: RetryAfterUnit::Seconds, on: None, where_zero: None }
    }

    /// What is there.
    pub const fn unit(mut self, unit: RetryAfterUnit) -> Self {
        self.unit = unit;
        self
    }

    /// Counts on these statuses only. A time of reset that a service sends with every response says nothing on a 502.
    pub fn only_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        let statuses: Vec<u16> = statuses.into_iter().collect();
        self.on = Some(StatusSet::of(&statuses));
        self
    }

    /// Counts only if this header, which tells how many requests are left, says 0.
    pub fn only_where_zero(mut self, header: impl Into<Header>) -> Self {
        self.where_zero = Some(header.into());
        self
    }

    /// What is there, if it counts: `Some(None)` if it cannot be read.
    pub(super) fn read(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: impl FnOnce() -> SystemTime,
    ) -> Option<Option<Duration>> {
        if self.on.is_some_and(|statuses| !statuses.contains(status)) || !self.is_exhausted(headers) {
            return None;
        }
        match &self.place {
            RetryAfterPlace::Header(header) => {
                let (values, now) = (header.values(headers)?, now());
                let texts = values.iter().filter_map(|value| value.to_str().ok());
                Some(texts.filter_map(|text| self.unit.parse(text, now)).max())
            }
            RetryAfterPlace::Member(pointer) => {
                let text = json::member(body, pointer)?.into_text()?;
                Some(self.unit.parse(&text, now()))
            }
        }
    }

    fn is_exhausted(&self, headers: &HeaderMap) -> bool {
        let Some(header) = &self.where_zero else { return true };
        let left = header.value(headers).and_then(|value| value.to_str().ok()).map(str::trim);
        left.is_some_and(|left| !left.is_empty() && left.bytes().all(|byte| byte == b'0'))
    }

    pub(super) fn check(&self, path: &str, errors: &mut FieldErrors) {
        match &self.place {
            RetryAfterPlace::Header(header) => header.check(path, errors),
            RetryAfterPlace::Member(pointer) => errors.check_pointer(&format!("{path}.member"), pointer),
        }
        if let Some(header) = &self.where_zero {
            header.check(&format!("{path}.where_zero"), errors);
        }
        if let Some(statuses) = &self.on {
            let path = format!("{path}.on");
            policy::check_statuses(statuses, &path, errors);
            if statuses.iter().next().is_none() {
                errors.add(path, "is empty: it would never count");
            }
        }
    }
}

impl RetryAfterUnit {
    fn parse(self, text: &str, now: SystemTime) -> Option<Duration> {
        match self {
            Self::Seconds => retry_after::seconds_or_date(text, now),
            Self::Milliseconds => retry_after::milliseconds(text),
            Self::EpochSeconds => Some(units::until_epoch(retry_after::seconds(text)?, now)),
            Self::EpochMilliseconds => Some(units::until_epoch(retry_after::milliseconds(text)?, now)),
            Self::Rfc3339 => units::until_rfc3339(text, now),
            Self::Text => units::with_units(text),
        }
    }
}

/// How it is written in a file: the name of a header alone if nothing else is set.
#[cfg(feature = "config")]
#[derive(serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(crate) enum Written {
    /// The name of the header alone.
    Name(String),
    /// A header.
    Header(WrittenHeader),
    /// A member of the error's JSON body.
    Member(WrittenMember),
}

#[cfg(feature = "config")]
#[derive(serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RetryAfterHeader"))]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenHeader {
    /// The header.
    header: String,
    /// What is there; "seconds" unless set.
    #[serde(default)]
    unit: RetryAfterUnit,
    /// The statuses on which it counts; all errors unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<StatusSet>,
    /// Counts only if this header, which tells how many requests are left, says 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    where_zero: Option<Header>,
}

#[cfg(feature = "config")]
#[derive(serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RetryAfterMember"))]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenMember {
    /// The member, by its pointer (RFC 6901).
    member: String,
    /// What is there; "seconds" unless set.
    #[serde(default)]
    unit: RetryAfterUnit,
    /// The statuses on which it counts; all errors unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<StatusSet>,
    /// Counts only if this header, which tells how many requests are left, says 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    where_zero: Option<Header>,
}

/// The fields of both tables.
#[cfg(feature = "config")]
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    header: Option<String>,
    member: Option<String>,
    unit: RetryAfterUnit,
    on: Option<StatusSet>,
    where_zero: Option<Header>,
}

#[cfg(feature = "config")]
impl From<String> for Table {
    fn from(header: String) -> Self {
        Self { header: Some(header), ..Self::default() }
    }
}

#[cfg(feature = "config")]
impl<'de> serde::Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Table { header, member, unit, on, where_zero } = name_or_table::read(deserializer)?;
        match (header, member) {
            (Some(header), None) => Ok(Self::Header(WrittenHeader { header, unit, on, where_zero })),
            (None, Some(member)) => Ok(Self::Member(WrittenMember { member, unit, on, where_zero })),
            _ => Err(serde::de::Error::custom("expected either `header` or `member`")),
        }
    }
}

#[cfg(feature = "config")]
impl From<Written> for RetryAfterSource {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(header) => Self::header(header),
            Written::Header(WrittenHeader { header, unit, on, where_zero }) => {
                Self { unit, on, where_zero, ..Self::header(header) }
            }
            Written::Member(WrittenMember { member, unit, on, where_zero }) => {
                Self { unit, on, where_zero, ..Self::member(member) }
            }
        }
    }
}

#[cfg(feature = "config")]
impl From<RetryAfterSource> for Written {
    fn from(source: RetryAfterSource) -> Self {
        let RetryAfterSource { place, unit, on, where_zero } = source;
        match place {
            RetryAfterPlace::Header(header) => match (unit, on, &where_zero) {
                (RetryAfterUnit::Seconds, None, None) => Self::Name(header.into()),
                _ => Self::Header(WrittenHeader { header: header.into(), unit, on, where_zero }),
            },
            RetryAfterPlace::Member(member) => {
                Self::Member(WrittenMember { member: member.into_owned(), unit, on, where_zero })
            }
        }
    }
}
