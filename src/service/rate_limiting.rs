//! How a service says that callers should slow down.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode};

use super::{config_error::FieldErrors, header::Header, retry_after_source::RetryAfterSource};
use crate::wire::retry_after;

/// How a service says that callers should slow down.
///
/// Defaults: `Retry-After` is read, then `RateLimit` if `Retry-After` is missing; the limiter responds before a request
/// is executed; no header names the limit's scope.
///
/// ```
/// use reqwest_safe_retry::{RateLimiting, RetryAfterSource, RetryAfterUnit};
///
/// // Milliseconds first: the first that is present decides.
/// let millis = RetryAfterSource::header("retry-after-ms").unit(RetryAfterUnit::Milliseconds);
/// let limits = RateLimiting::new().retry_after([millis, RetryAfterSource::default()]);
/// assert_eq!(limits.retry_after.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct RateLimiting {
    /// Where the wait is: the first place where there is one decides; the header `Retry-After` unless set.
    pub retry_after: Vec<RetryAfterSource>,
    /// Whether the header `RateLimit` is ignored; false unless set.
    pub ignore_rate_limit_header: bool,
    /// The header that names whose limit was reached.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub scope_header: Option<ScopeHeader>,
    /// Whether a 429 may come after the request was executed; false unless set.
    pub limiter_follows_execution: bool,
}

/// A header that names whose limit was reached.
///
/// ```
/// use reqwest_safe_retry::{RateLimiting, ScopeHeader};
///
/// let limits = RateLimiting::new().scope_header("X-RateLimit-Scope", ["user"]);
/// let ScopeHeader { header, limit_key_values, .. } = limits.scope_header.expect("it was set");
/// assert_eq!((header.as_str(), &*limit_key_values[0]), ("x-ratelimit-scope", "user"));
/// ```
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

impl Default for RateLimiting {
    fn default() -> Self {
        Self::new()
    }
}

impl RateLimiting {
    /// The defaults listed above.
    pub fn new() -> Self {
        Self {
            retry_after: vec![RetryAfterSource::default()],
            ignore_rate_limit_header: false,
            scope_header: None,
            limiter_follows_execution: false,
        }
    }

    /// Where the wait is, in the order in which the places count: the first that is present, and whose condition holds,
    /// decides, even if it cannot be read.
    pub fn retry_after(mut self, sources: impl IntoIterator<Item = RetryAfterSource>) -> Self {
        self.retry_after = sources.into_iter().collect();
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
    pub(crate) fn wait(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        wall: impl Fn() -> SystemTime,
    ) -> Option<Duration> {
        let now = || retry_after::date_of(headers).unwrap_or_else(&wall);
        if let Some(wait) = self.retry_after.iter().find_map(|source| source.read(status, headers, body, now)) {
            return wait;
        }
        if self.ignore_rate_limit_header { None } else { retry_after::rate_limit(headers) }
    }

    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        for (index, source) in self.retry_after.iter().enumerate() {
            source.check(&format!("rate_limiting.retry_after[{index}]"), errors);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::retry_after_source::RetryAfterUnit;

    /// 2026-01-01T00:00:00Z
    fn new_year() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn read(limits: &RateLimiting, headers: &[(&'static str, &str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        limits.wait(StatusCode::TOO_MANY_REQUESTS, &map, b"", new_year)
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
        let millis = RetryAfterSource::header("retry-after-ms").unit(RetryAfterUnit::Milliseconds);
        let millis = RateLimiting::new().retry_after([millis, RetryAfterSource::default()]);
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
