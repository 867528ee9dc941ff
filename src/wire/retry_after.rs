//! The wait that a server asks for.
//!
//! Pure functions of text and the time of day. Whatever a server sends, the result is a duration or nothing.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The server's own clock, so that a skewed clock here does not change the wait.
pub(crate) fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()
}

/// `Retry-After` of RFC 9110, section 10.2.3, or seconds with a fraction, as some services send them. A date in the past asks
/// for no wait.
pub(crate) fn seconds_or_date(text: &str, now: SystemTime) -> Option<Duration> {
    let until = |date: SystemTime| date.duration_since(now).unwrap_or_default();
    seconds(text).or_else(|| httpdate::parse_http_date(text.trim()).ok().map(until))
}

pub(crate) fn seconds(text: &str) -> Option<Duration> {
    longest(text, |part| decimal(part, 3))
}

pub(crate) fn milliseconds(text: &str) -> Option<Duration> {
    longest(text, |part| decimal(part, 0))
}

/// Several lines may have been joined into one on the way: then all must be numbers, and the largest counts.
fn longest(text: &str, wait: impl Fn(&str) -> Option<Duration>) -> Option<Duration> {
    text.split(',').map(|part| wait(part.trim())).try_fold(Duration::ZERO, |longest, wait| Some(longest.max(wait?)))
}

/// A number, with or without a fraction, in a unit of so many decimal places of a millisecond. It is rounded up to the
/// next millisecond, since a hint is a minimum.
fn decimal(text: &str, places: usize) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = number(whole)?;
    number(fraction)?;
    let digit = |place: usize| fraction.as_bytes().get(place).map_or(0, |digit| u64::from(digit - b'0'));
    let millis = (0..places).fold(whole, |millis, place| millis.saturating_mul(10).saturating_add(digit(place)));
    let is_cut_off = fraction.bytes().skip(places).any(|digit| digit != b'0');
    Some(bounded(Duration::from_millis(millis.saturating_add(u64::from(is_cut_off)))))
}

/// A number that does not fit asks for the longest wait there is.
pub(super) fn bounded(wait: Duration) -> Duration {
    if wait.as_secs() >= u64::MAX / 1000 { Duration::MAX } else { wait }
}

/// `1*DIGIT` and nothing else; a number that does not fit is the largest that does.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The longest `t` of the items with `r=0` in `RateLimit` (draft-ietf-httpapi-ratelimit-headers): a list of RFC 9651
/// whose items are `"name";r=remaining;t=seconds`. A malformed field is ignored as a whole, as the draft demands.
pub(crate) fn rate_limit(headers: &HeaderMap) -> Option<Duration> {
    let mut longest = None;
    for line in headers.get_all(RATE_LIMIT) {
        for item in split_outside_quotes(line.to_str().ok()?, ',')? {
            longest = longest.max(exhausted(item)?);
        }
    }
    longest
}

/// `None` if the item is malformed; else the wait, if nothing remains.
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

/// `None` if a quote is not closed.
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

    /// Stands for the longest wait.
    const MAX: u64 = u64::MAX;

    /// Values of `Retry-After` and their seconds.
    const RETRY_AFTER: &[(&str, Option<u64>)] = &[
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
        ("Saturday, 01-Jan-77 00:00:10 GMT", Some(0)),
        // Two digits from 70 on are of the twentieth century, as `httpdate` reads them.
        ("Wednesday, 01-Jan-75 00:00:00 GMT", Some(0)),
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
        ("Friday, 31-Dec-99 23:59:59 GMT", Some(0)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
        // Leap years; a leap second is not a date.
        ("Tue, 29 Feb 2028 00:00:00 GMT", Some(68_169_600)),
        ("Thu, 01 Jan 2026 00:00:59 GMT", Some(59)),
        ("Sun, 29 Feb 2026 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:00:60 GMT", None),
        ("Thursday, 01-Jan-26 00:00:60 GMT", None),
        ("Thu Jan  1 00:00:60 2026", None),
        ("Thu, 01 Jan 2026 07:60:00 GMT", None),
        ("Thursday, 01-Jan-26 07:60:00 GMT", None),
        ("Thu Jan  1 07:60:00 2026", None),
        ("", None),
        (" ", None),
        ("-2", None),
        ("+2", None),
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

    #[test]
    fn retry_after_is_read_in_all_forms() {
        assert!(RETRY_AFTER.len() >= 55);
        for (value, seconds) in RETRY_AFTER {
            let expected = seconds.map(|s| if s == MAX { Duration::MAX } else { Duration::from_secs(s) });
            assert_eq!(seconds_or_date(value, new_year()), expected, "{value:?}");
        }
    }

    #[test]
    fn fractions_are_rounded_up() {
        let table: &[(&str, Option<u64>, Option<u64>)] = &[
            ("1.5", Some(1_500), Some(2)),
            ("299.997", Some(299_997), Some(300)),
            ("20.0", Some(20_000), Some(20)),
            ("0.0004", Some(1), Some(1)),
            ("0.1230000", Some(123), Some(1)),
            ("15000.5", Some(15_000_500), Some(15_001)),
            ("2.25, 2.5", Some(2_500), Some(3)),
            ("1.", None, None),
            (".5", None, None),
            ("1.5.2", None, None),
            ("1.-5", None, None),
            ("1e3", None, None),
        ];
        for (value, seconds, millis) in table {
            assert_eq!(seconds_or_date(value, new_year()), seconds.map(Duration::from_millis), "{value:?}");
            assert_eq!(milliseconds(value), millis.map(Duration::from_millis), "{value:?} ms");
        }
        let many_digits = format!("{}.{}", "9".repeat(40), "9".repeat(40));
        assert_eq!(seconds_or_date(&many_digits, new_year()), Some(Duration::MAX));
    }

    #[test]
    fn extreme_clocks_do_not_panic() {
        let dates = ["Thu, 01 Jan 2026 00:00:10 GMT", "Thursday, 01-Jan-26 00:00:10 GMT", "Thu Jan  1 00:00:10 2026"];
        let clocks = [
            SystemTime::UNIX_EPOCH,
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799),
            SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000_000),
        ];
        for (date, clock) in dates.iter().flat_map(|date| clocks.iter().map(move |clock| (date, clock))) {
            assert!(seconds_or_date(date, *clock).is_some());
        }
    }

    #[test]
    fn rate_limit_counts_when_nothing_remains() {
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
                rate_limit(&HeaderMap::from_iter([(RATE_LIMIT, value.parse().unwrap())])),
                seconds.map(Duration::from_secs),
                "{value:?}"
            );
        }
    }
}
