//! How a service says that callers should slow down.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header};

use super::{config_error::FieldErrors, header::Header};
use crate::wire::retry_after;

/// How a service says that callers should slow down.
///
/// Defaults: `Retry-After` is read, then `RateLimit` if `Retry-After` is missing; the limiter responds before a request
/// is executed; no header names the limit's scope.
///
/// ```
/// use reqwest_safe_retry::{RateLimiting, RetryAfterHeader};
///
/// // Milliseconds first: the first header that is present decides.
/// let limits = RateLimiting::new()
///     .retry_after_headers([RetryAfterHeader::millis("retry-after-ms"), RetryAfterHeader::retry_after()]);
/// assert_eq!(limits.retry_after_headers.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct RateLimiting {
    /// The headers with a wait in them: the first that is present decides; `Retry-After` unless set.
    pub retry_after_headers: Vec<RetryAfterHeader>,
    /// Whether the header `RateLimit` is ignored; false unless set.
    pub ignore_rate_limit_header: bool,
    /// The header that names whose limit was reached.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub scope_header: Option<ScopeHeader>,
    /// Whether a 429 may come after the request was executed; false unless set.
    pub limiter_follows_execution: bool,
}

/// A header that names whose limit was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ScopeHeader {
    /// The header.
    pub header: Header,
    /// The values that mean the limit of the request's own [limit key](crate::LimitKeySource), at least one; compared
    /// without regard to case. Any other value means everyone's limit.
    pub limit_key_values: Vec<Cow<'static, str>>,
}

/// A header with a wait in it, and its unit.
///
/// ```
/// use reqwest_safe_retry::{RetryAfterHeader, RetryAfterUnit};
///
/// assert_eq!(RetryAfterHeader::millis("retry-after-ms").unit, RetryAfterUnit::Milliseconds);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(from = "Written", into = "Written"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RetryAfterHeader {
    /// The header.
    pub header: Header,
    /// The unit of its value.
    pub unit: RetryAfterUnit,
}

/// The unit of a wait in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum RetryAfterUnit {
    /// Seconds or an HTTP date.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl RetryAfterHeader {
    /// `Retry-After` of RFC 9110, section 10.2.3: seconds or an HTTP date.
    pub const fn retry_after() -> Self {
        Self { header: Header::from_name(header::RETRY_AFTER), unit: RetryAfterUnit::Seconds }
    }

    /// A header of the service's own with seconds or an HTTP date.
    pub fn seconds(name: impl Into<Header>) -> Self {
        Self { header: name.into(), unit: RetryAfterUnit::Seconds }
    }

    /// A header of the service's own with milliseconds.
    pub fn millis(name: impl Into<Header>) -> Self {
        Self { header: name.into(), unit: RetryAfterUnit::Milliseconds }
    }
}

/// How it is written in a file: the name alone if the unit is seconds.
#[cfg(feature = "config")]
#[derive(serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a header name, or a table with `header` and `unit`")]
pub(crate) enum Written {
    /// The name of the header alone.
    Name(String),
    /// The header and its unit.
    Table(WrittenTable),
}

#[cfg(feature = "config")]
#[derive(serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RetryAfterTable"))]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenTable {
    /// The header.
    header: String,
    /// The unit; "seconds" unless set.
    #[serde(default)]
    unit: RetryAfterUnit,
}

#[cfg(feature = "config")]
impl From<Written> for RetryAfterHeader {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(header) => Self::seconds(header),
            Written::Table(WrittenTable { header, unit }) => Self { header: header.into(), unit },
        }
    }
}

#[cfg(feature = "config")]
impl From<RetryAfterHeader> for Written {
    fn from(from: RetryAfterHeader) -> Self {
        match from.unit {
            RetryAfterUnit::Seconds => Self::Name(from.header.into()),
            unit => Self::Table(WrittenTable { header: from.header.into(), unit }),
        }
    }
}

impl Default for RateLimiting {
    fn default() -> Self {
        Self::new()
    }
}

impl RateLimiting {
    /// The defaults listed above.
    pub fn new() -> Self {
        Self {
            retry_after_headers: vec![RetryAfterHeader::retry_after()],
            ignore_rate_limit_header: false,
            scope_header: None,
            limiter_follows_execution: false,
        }
    }

    /// The headers with a wait in them, in the order in which they count: the first that is present decides, even
    /// if it cannot be read.
    pub fn retry_after_headers(mut self, headers: impl IntoIterator<Item = RetryAfterHeader>) -> Self {
        self.retry_after_headers = headers.into_iter().collect();
        self
    }

    /// Ignores the `RateLimit` header, for a service that means something else by it.
    pub const fn ignore_rate_limit_header(mut self) -> Self {
        self.ignore_rate_limit_header = true;
        self
    }

    /// The header that names whose limit was reached, and the values that mean the limit of the request's own [limit
    /// key](crate::LimitKeySource): they are compared without regard to case, and any other value, or none, means
    /// everyone's limit. [`Error::rate_limit_scope`](crate::Error::rate_limit_scope) shows the value.
    ///
    /// ```
    /// use reqwest_safe_retry::{LimitKeySource, RateLimiting, Service};
    ///
    /// // A 429 with `X-RateLimit-Scope: user` concerns one user; one with `global` concerns all.
    /// let limits = RateLimiting::new().scope_header("x-ratelimit-scope", ["user", "shared"]);
    /// let chat = Service::builder("chat", "https://chat.example.com")
    ///     .limit_key_from([LimitKeySource::header("x-user-id")])
    ///     .rate_limiting(limits)
    ///     .build()?;
    /// let scope = chat.rate_limiting().scope_header.as_ref();
    /// assert_eq!(scope.map(|scope| scope.limit_key_values.len()), Some(2));
    ///
    /// // A header without any such value would change nothing.
    /// let limits = RateLimiting::new().scope_header("x-ratelimit-scope", [""]);
    /// let error = Service::builder("chat", "https://chat.example.com").rate_limiting(limits).build().unwrap_err();
    /// assert_eq!(error.errors()[0].path(), "services.chat.rate_limiting.scope_header.limit_key_values[0]");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn scope_header<T: Into<Cow<'static, str>>>(
        mut self,
        name: impl Into<Header>,
        limit_key_values: impl IntoIterator<Item = T>,
    ) -> Self {
        let limit_key_values = limit_key_values.into_iter().map(Into::into).collect();
        self.scope_header = Some(ScopeHeader { header: name.into(), limit_key_values });
        self
    }

    /// For a service whose limiter may answer 429 after a request was executed: a write without a key is then not
    /// sent again, and counts as possibly applied.
    pub const fn limiter_follows_execution(mut self) -> Self {
        self.limiter_follows_execution = true;
        self
    }

    pub(crate) fn scope<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.scope_header.as_ref()?.header.value(headers)?.to_str().ok()
    }

    /// Whether a refusal with these headers is about the request's own limit key.
    pub(crate) fn is_about_limit_key(&self, headers: &HeaderMap) -> bool {
        let (Some(scope), Some(header)) = (self.scope(headers), &self.scope_header) else { return false };
        header.limit_key_values.iter().any(|value| value.trim().eq_ignore_ascii_case(scope.trim()))
    }

    /// The wait asked for; [`Duration::MAX`] if the number does not fit.
    pub(crate) fn retry_after(&self, headers: &HeaderMap, wall: impl FnOnce() -> SystemTime) -> Option<Duration> {
        for hint in &self.retry_after_headers {
            if let Some(values) = hint.header.values(headers) {
                let now = retry_after::date_of(headers).unwrap_or_else(wall);
                let texts = values.iter().filter_map(|value| value.to_str().ok());
                return texts.filter_map(|text| hint.unit.parse(text, now)).max();
            }
        }
        if self.ignore_rate_limit_header { None } else { retry_after::rate_limit(headers) }
    }

    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        for hint in &self.retry_after_headers {
            hint.header.check("rate_limiting.retry_after_headers", errors);
        }
        if let Some(scope) = &self.scope_header {
            scope.check("rate_limiting.scope_header", errors);
        }
    }
}

impl ScopeHeader {
    fn check(&self, path: &str, errors: &mut FieldErrors) {
        self.header.check(path, errors);
        let path = format!("{path}.limit_key_values");
        if self.limit_key_values.is_empty() {
            errors.add(&*path, "is empty: no value would mean the limit of one limit key");
        }
        for (index, _) in self.limit_key_values.iter().enumerate().filter(|(_, value)| value.trim().is_empty()) {
            errors.add(format!("{path}[{index}]"), "is empty");
        }
    }
}

impl RetryAfterUnit {
    fn parse(self, text: &str, now: SystemTime) -> Option<Duration> {
        match self {
            Self::Seconds => retry_after::seconds_or_date(text, now),
            Self::Milliseconds => retry_after::milliseconds(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    fn new_year() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn read(limits: &RateLimiting, headers: &[(&'static str, &str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        limits.retry_after(&map, new_year)
    }

    #[test]
    fn largest_of_several_values_counts() {
        assert_eq!(
            read(&RateLimiting::new(), &[("retry-after", "2"), ("retry-after", "3"), ("retry-after", "x")]),
            Some(Duration::from_secs(3))
        );
    }

    #[test]
    fn date_is_measured_against_the_servers_clock() {
        let headers = [("date", "Thu, 01 Jan 2026 01:00:00 GMT"), ("retry-after", "Thu, 01 Jan 2026 01:00:07 GMT")];
        assert_eq!(read(&RateLimiting::new(), &headers), Some(Duration::from_secs(7)));
        let headers = [("date", "nonsense"), ("retry-after", "Thu, 01 Jan 2026 00:00:07 GMT")];
        assert_eq!(read(&RateLimiting::new(), &headers), Some(Duration::from_secs(7)));
    }

    #[test]
    fn first_header_present_decides() {
        let millis = RateLimiting::new()
            .retry_after_headers([RetryAfterHeader::millis("retry-after-ms"), RetryAfterHeader::retry_after()]);
        for (headers, expected) in [
            (vec![("retry-after-ms", "1500"), ("retry-after", "30")], Some(1500)),
            (vec![("retry-after-ms", "soon"), ("retry-after", "30")], None),
            (vec![("retry-after", "30")], Some(30_000)),
            (vec![("retry-after", "x"), ("ratelimit", "\"a\";r=0;t=30")], None),
        ] {
            assert_eq!(read(&millis, &headers), expected.map(Duration::from_millis), "{headers:?}");
        }
        assert_eq!(read(&RateLimiting::new(), &[("retry-after-ms", "1500")]), None, "not listed, not read");
    }

    #[test]
    fn rate_limit_header_can_be_ignored() {
        let headers = [("ratelimit", "\"default\";r=0;t=30")];
        assert_eq!(read(&RateLimiting::new(), &headers), Some(Duration::from_secs(30)));
        assert_eq!(read(&RateLimiting::new().ignore_rate_limit_header(), &headers), None);
    }

    #[test]
    fn scope_values_name_the_limit_key() {
        let limits = RateLimiting::new().scope_header("x-scope", ["customer", "User "]);
        for (scope, expected) in
            [("Customer", true), (" user", true), ("client", false), ("", false), ("customers", false), ("us", false)]
        {
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-scope"), scope.parse().unwrap())]);
            assert_eq!(limits.is_about_limit_key(&headers), expected, "{scope:?}");
        }
    }
}
