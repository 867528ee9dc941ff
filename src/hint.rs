//! Hints: the wait that a server asks for.
//!
//! Everything here is a pure function of headers and the time of day. Whatever a server sends, the answer is a
//! duration or nothing.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, header};

use crate::{config_error::Mistakes, header::Header};

/// How a service says that callers should slow down.
///
/// Defaults: `Retry-After` is read, then `RateLimit` where `Retry-After` is missing; the limiter answers before a
/// request is executed; no header names the limit's scope.
///
/// ```
/// use reqwest_safe_retry::{HintHeader, RateLimiting};
///
/// // Milliseconds first: the first header that is present decides.
/// let limits = RateLimiting::new().hints([HintHeader::millis("retry-after-ms"), HintHeader::retry_after()]);
/// assert_ne!(limits, RateLimiting::new());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimiting {
    hints: Vec<HintHeader>,
    pub(crate) rate_limit_header: bool,
    scope_header: Option<Header>,
    pub(crate) precedes_execution: bool,
}

/// A header with a wait in it, and its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HintHeader {
    header: Header,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    SecondsOrDate,
    Milliseconds,
}

impl HintHeader {
    /// `Retry-After` of RFC 9110, section 10.2.3: seconds or an HTTP date.
    pub const fn retry_after() -> Self {
        Self { header: Header::Named(header::RETRY_AFTER), unit: Unit::SecondsOrDate }
    }

    /// A header of the service's own with seconds or an HTTP date.
    pub fn seconds(name: impl Into<Cow<'static, str>>) -> Self {
        Self { header: Header::new(name), unit: Unit::SecondsOrDate }
    }

    /// A header of the service's own with milliseconds.
    pub fn millis(name: impl Into<Cow<'static, str>>) -> Self {
        Self { header: Header::new(name), unit: Unit::Milliseconds }
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
            hints: vec![HintHeader::retry_after()],
            rate_limit_header: true,
            scope_header: None,
            precedes_execution: true,
        }
    }

    /// The headers with a wait in them, in the order in which they count: the first that is present decides, even
    /// when it cannot be read.
    pub fn hints(mut self, headers: impl IntoIterator<Item = HintHeader>) -> Self {
        self.hints = headers.into_iter().collect();
        self
    }

    /// Ignores the `RateLimit` header, for a service that means something else by it.
    pub const fn ignore_rate_limit_header(mut self) -> Self {
        self.rate_limit_header = false;
        self
    }

    /// The header that names whose limit was met; see [`Error::rate_limit_scope`](crate::Error::rate_limit_scope).
    pub fn scope_header(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.scope_header = Some(Header::new(name));
        self
    }

    /// For a service whose limiter may answer 429 after a request was executed: a write without a key is then not
    /// sent again, and counts as possibly applied.
    pub const fn limiter_follows_execution(mut self) -> Self {
        self.precedes_execution = false;
        self
    }

    pub(crate) fn precedes_execution(&self) -> bool {
        self.precedes_execution
    }

    pub(crate) fn scope<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.scope_header.as_ref()?.value(headers)?.to_str().ok()
    }

    /// The wait asked for; [`Duration::MAX`] where the number is larger than any.
    pub(crate) fn read(&self, headers: &HeaderMap, wall: impl FnOnce() -> SystemTime) -> Option<Duration> {
        for hint in &self.hints {
            if let Some(values) = hint.header.values(headers) {
                let now = date_of(headers).unwrap_or_else(wall);
                return values.iter().filter_map(|value| parse(value.to_str().ok()?, hint.unit, now)).max();
            }
        }
        if self.rate_limit_header { rate_limit(headers) } else { None }
    }

    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        for hint in &self.hints {
            hint.header.check("rate_limiting.hints", mistakes);
        }
        if let Some(header) = &self.scope_header {
            header.check("rate_limiting.scope_header", mistakes);
        }
    }
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The server's own clock, so that a skewed clock here does not change the wait.
fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()
}

fn parse(text: &str, unit: Unit, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let whole = match unit {
        Unit::Milliseconds => number(text).map(Duration::from_millis),
        Unit::SecondsOrDate => number(text).map(Duration::from_secs).or_else(|| until(text, now)),
    };
    // Several lines may have been joined into one on the way.
    whole
        .or_else(|| {
            let mut parts = text.split(',').map(|part| number(part.trim()));
            let largest = parts.clone().flatten().max()?;
            let all_numbers = parts.all(|part| part.is_some());
            all_numbers.then(|| {
                if unit == Unit::Milliseconds { Duration::from_millis(largest) } else { Duration::from_secs(largest) }
            })
        })
        .map(|wait| if wait.as_secs() >= u64::MAX / 1000 { Duration::MAX } else { wait })
}

/// `1*DIGIT` and nothing else; a number that does not fit is the largest that does.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn until(text: &str, now: SystemTime) -> Option<Duration> {
    // A date in the past asks for no wait.
    Some(http_date(text, now)?.duration_since(now).unwrap_or_default())
}

/// The three forms of RFC 9110, section 5.6.7. A leap second, which `httpdate` does not know, is the second after.
fn http_date(text: &str, now: SystemTime) -> Option<SystemTime> {
    let leap = text.contains(":60");
    let text = if leap { Cow::Owned(text.replace(":60", ":59")) } else { Cow::Borrowed(text) };
    let date = two_digit_year(&text, now).or_else(|| httpdate::parse_http_date(&text).ok())?;
    date.checked_add(Duration::from_secs(leap.into()))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`: of the years that end so, the last that is not more than 50 years ahead.
fn two_digit_year(text: &str, now: SystemTime) -> Option<SystemTime> {
    const FIFTY_YEARS: Duration = Duration::from_secs(50 * 31_556_952);
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

    let (_, date) = text.split_once(", ")?;
    let mut parts = date.splitn(3, '-');
    let (day, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (ending, time) = rest.split_once(' ')?;
    let ending = number(ending).filter(|_| ending.len() == 2)?;
    let latest = now.checked_add(FIFTY_YEARS)?;
    let last_year = year_of(latest)?;
    let year = last_year - (last_year - ending) % 100;
    // The day of the week belongs to the year that the sender meant and says nothing that is needed here.
    let in_year = |year: u64| {
        DAYS.iter()
            .find_map(|weekday| httpdate::parse_http_date(&format!("{weekday}, {day} {month} {year:04} {time}")).ok())
    };
    in_year(year).filter(|date| *date <= latest).or_else(|| in_year(year - 100))
}

/// The year of a time that an HTTP date can express.
fn year_of(time: SystemTime) -> Option<u64> {
    const YEAR_10000: u64 = 253_402_300_800;
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    if since_epoch.as_secs() >= YEAR_10000 {
        return None;
    }
    httpdate::fmt_http_date(time).get(12..16)?.parse().ok()
}

/// The longest `t` of the items with `r=0` in `RateLimit` (draft-ietf-httpapi-ratelimit-headers): a list of RFC 9651
/// whose items are `"name";r=remaining;t=seconds`. A malformed field is ignored as a whole, as the draft demands.
fn rate_limit(headers: &HeaderMap) -> Option<Duration> {
    let mut longest = None;
    for line in headers.get_all(RATE_LIMIT) {
        for item in split_outside_quotes(line.to_str().ok()?, ',')? {
            longest = longest.max(exhausted(item)?);
        }
    }
    longest
}

/// `None` where the item is malformed; else the wait, where nothing remains.
fn exhausted(item: &str) -> Option<Option<Duration>> {
    let mut parts = split_outside_quotes(item, ';')?.into_iter().map(str::trim);
    let name = parts.next()?;
    let quoted = name.len() >= 2 && name.starts_with('"') && name.ends_with('"');
    let token = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
    if !quoted && !token {
        return None;
    }
    let (mut remaining, mut reset) = (None, None);
    for parameter in parts {
        match parameter.split_once('=') {
            Some(("r", value)) => remaining = Some(number(value)?),
            Some(("t", value)) => reset = Some(number(value)?),
            _ => {}
        }
    }
    Some(reset.filter(|_| remaining == Some(0)).map(Duration::from_secs))
}

/// `None` where a quote is not closed.
fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if char == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + char.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
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
        limits.read(&map, new_year)
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        const MAX: u64 = u64::MAX;
        let table: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("1", Some(1)),
            ("007", Some(7)),
            (" 3 ", Some(3)),
            ("2, 5, 3", Some(5)),
            ("18446744073709551615", Some(MAX)),
            ("99999999999999999999999999999999999", Some(MAX)),
            ("Thu, 01 Jan 2026 00:00:10 GMT", Some(10)),
            ("Thursday, 01-Jan-26 00:00:10 GMT", Some(10)),
            ("Thu Jan  1 00:00:10 2026", Some(10)),
            ("Wed, 31 Dec 2025 23:59:59 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Friday, 01-Jan-77 00:00:10 GMT", Some(0)),
            ("Wednesday, 01-Jan-75 00:00:00 GMT", Some(1_546_300_800)),
            ("Thu, 01 Jan 2026 00:00:60 GMT", Some(60)),
            ("10", Some(10)),
            ("00000000000000000000000000005", Some(5)),
            ("3600", Some(3600)),
            ("4294967296", Some(4_294_967_296)),
            ("\t4", Some(4)),
            ("2,5", Some(5)),
            ("5, 5", Some(5)),
            ("1,99999999999999999999999999", Some(MAX)),
            // Dates ahead, in the three forms; minutes, days and years.
            ("Thu, 01 Jan 2026 00:01:00 GMT", Some(60)),
            ("Fri, 02 Jan 2026 00:00:00 GMT", Some(86_400)),
            ("Fri, 01 Jan 2027 00:00:00 GMT", Some(31_536_000)),
            ("Friday, 02-Jan-26 00:00:00 GMT", Some(86_400)),
            ("Thu Jan  1 00:01:00 2026", Some(60)),
            ("Fri Jan 16 00:00:00 2026", Some(1_296_000)),
            // The day of the week of a date with two digits for its year says nothing that is needed.
            ("Monday, 01-Jan-26 00:00:10 GMT", Some(10)),
            ("Saturday, 31-Dec-99 23:59:59 GMT", Some(0)),
            ("Thursday, 01-Jan-70 00:00:00 GMT", Some(1_388_534_400)),
            ("Tuesday, 31-Dec-75 00:00:00 GMT", Some(1_577_750_400)),
            ("Thursday, 31-Dec-76 00:00:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            // Leap years and leap seconds.
            ("Tue, 29 Feb 2028 00:00:00 GMT", Some(68_169_600)),
            ("Thu, 01 Jan 2026 00:00:59 GMT", Some(59)),
            ("Sun, 29 Feb 2026 00:00:00 GMT", None),
            ("", None),
            (" ", None),
            ("-2", None),
            ("+2", None),
            ("1.5", None),
            ("1e3", None),
            ("0x10", None),
            ("Infinity", None),
            ("soon", None),
            ("2, soon", None),
            ("Fri, 32 Dec 1999 23:59:59 GMT", None),
            ("Sun, 32 Dec 2030 25:99:99 GMT", None),
            ("Zun, 29 Sep 2023 16:26:27 GMT", None),
            ("2026-01-01T00:00:10Z", None),
            ("-0", None),
            ("1 2", None),
            ("1;2", None),
            ("1s", None),
            ("\"1\"", None),
            ("1,", None),
            (",1", None),
            (",", None),
            ("1,-2", None),
            ("NaN", None),
            ("Thu, 01 Jan 2026 00:00:10", None),
            ("Thu, 01 Jan 2026 00:00:10 UTC", None),
            ("Thu, 01 Jan 2026 24:00:00 GMT", None),
            ("Thu, 1 Jan 2026 00:00:10 GMT", None),
            ("Fri, 01 Jan 2026 00:00:10 GMT", None),
            ("Thu, 01 Foo 2026 00:00:10 GMT", None),
            ("Thursday, 01-Jan-2026 00:00:10 GMT", None),
            ("Thursday, 01-Foo-26 00:00:10 GMT", None),
            ("Thursday, 1-Jan-26 00:00:10 GMT", None),
            ("Sat, 01 Jan 10000 00:00:10 GMT", None),
        ];
        assert!(table.len() >= 60);
        for (value, seconds) in table {
            let expected = seconds.map(|s| if s == MAX { Duration::MAX } else { Duration::from_secs(s) });
            assert_eq!(read(&RateLimiting::new(), &[("retry-after", value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn clocks_that_jump_do_no_harm() {
        let date = ["Thu, 01 Jan 2026 00:00:10 GMT", "Thursday, 01-Jan-26 00:00:10 GMT", "Thu Jan  1 00:00:10 2026"];
        let second = Duration::from_secs(1);
        let clocks = [
            SystemTime::UNIX_EPOCH,
            SystemTime::UNIX_EPOCH - second,
            SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799),
            SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000_000),
        ];
        for (value, clock) in date.iter().flat_map(|value| clocks.iter().map(move |clock| (value, clock))) {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            let _ = RateLimiting::new().read(&headers, || *clock);
        }
    }

    #[test]
    fn several_values_count_as_the_largest() {
        assert_eq!(
            read(&RateLimiting::new(), &[("retry-after", "2"), ("retry-after", "3"), ("retry-after", "x")]),
            Some(Duration::from_secs(3))
        );
    }

    #[test]
    fn a_date_is_measured_against_the_servers_own_clock() {
        let headers = [("date", "Thu, 01 Jan 2026 01:00:00 GMT"), ("retry-after", "Thu, 01 Jan 2026 01:00:07 GMT")];
        assert_eq!(read(&RateLimiting::new(), &headers), Some(Duration::from_secs(7)));
        let headers = [("date", "nonsense"), ("retry-after", "Thu, 01 Jan 2026 00:00:07 GMT")];
        assert_eq!(read(&RateLimiting::new(), &headers), Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_first_header_present_decides_even_when_malformed() {
        let millis = RateLimiting::new().hints([HintHeader::millis("retry-after-ms"), HintHeader::retry_after()]);
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
    fn the_rate_limit_header_counts_where_nothing_remains() {
        let table: &[(&str, Option<u64>)] = &[
            (r#""default";r=0;t=30"#, Some(30)),
            (r#"default;r=0;t=30"#, Some(30)),
            (r#""a";r=5;t=30"#, None),
            (r#""a";r=0"#, None),
            (r#""a";t=30"#, None),
            (r#""a";r=0;t=5, "b";r=0;t=9, "c";r=1;t=99"#, Some(9)),
            (r#""a,b;c";r=0;t=4"#, Some(4)),
            (r#""a\"b";r=0;t=4;pk=:YWJj:"#, Some(4)),
            ("limit=10, remaining=0, reset=5", None),
            (r#""a";r=0;t=-3"#, None),
            (r#""a";r=0;t=soon"#, None),
            (r#""a";r=0;t=30, nonsense="#, None),
            (r#""a;r=0;t=30"#, None),
            (r#""a"b;r=0;t=30"#, None),
            (r#"a"";r=0;t=30"#, None),
            ("*a;r=0;t=9", Some(9)),
            ("1a;r=0;t=9", None),
            // A backslash escapes within quotes only.
            (r#""a";r=0;t=4;x=\,"b";r=0;t=2"#, Some(4)),
            ("", None),
            (",", None),
        ];
        for (value, seconds) in table {
            assert_eq!(
                read(&RateLimiting::new(), &[("ratelimit", value)]),
                seconds.map(Duration::from_secs),
                "{value:?}"
            );
        }
        let ignoring = RateLimiting::new().ignore_rate_limit_header();
        assert_eq!(read(&ignoring, &[("ratelimit", "\"default\";r=0;t=30")]), None);
    }
}
