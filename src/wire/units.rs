//! Times and durations as services write them besides `Retry-After`: since the Unix epoch, as RFC 3339, with units.

use std::time::{Duration, SystemTime};

use super::retry_after::{bounded, number};

/// Until a time that is so long after the Unix epoch; zero if it has passed.
pub(crate) fn until_epoch(since: Duration, now: SystemTime) -> Duration {
    match SystemTime::UNIX_EPOCH.checked_add(since) {
        Some(time) => time.duration_since(now).unwrap_or_default(),
        None => Duration::MAX,
    }
}

/// Until a time as in RFC 3339, in UTC or with an offset from it.
pub(crate) fn until_rfc3339(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let (local, offset) = match text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) {
        Some((local, offset)) if offset.starts_with(['+', '-']) => (format!("{local}Z"), offset_of(offset)?),
        _ => (text.to_owned(), (Duration::ZERO, true)),
    };
    let local = humantime::parse_rfc3339(&local).ok()?;
    let time = match offset {
        (ahead, true) => local.checked_sub(ahead)?,
        (behind, false) => local.checked_add(behind)?,
    };
    Some(time.duration_since(now).unwrap_or_default())
}

/// `+hh:mm` or `-hh:mm`, and whether it is ahead of UTC.
fn offset_of(text: &str) -> Option<(Duration, bool)> {
    let (hours, minutes) = text[1..].split_once(':')?;
    let (hours, minutes) =
        (number(hours).filter(|hours| *hours < 24)?, number(minutes).filter(|minutes| *minutes < 60)?);
    Some((Duration::from_secs(hours * 3600 + minutes * 60), text.starts_with('+')))
}

/// Numbers with their units, with or without a fraction, one after the other: `1m30s`, `1.5s`, `20ms`. It is rounded up to
/// the next millisecond.
pub(crate) fn with_units(text: &str) -> Option<Duration> {
    let (mut rest, mut nanos) = (text.trim(), 0_u128);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (amount, after) = rest.split_at(rest.find(|char: char| char.is_ascii_alphabetic())?);
        let end = after.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(after.len());
        nanos = nanos.saturating_add(nanos_of(amount, unit_in_nanos(&after[..end])?)?);
        rest = &after[end..];
    }
    let millis = u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Some(bounded(Duration::from_millis(millis)))
}

fn unit_in_nanos(unit: &str) -> Option<u128> {
    const SECOND: u128 = 1_000_000_000;
    Some(match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    })
}

/// Nine digits of a fraction count.
fn nanos_of(amount: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
    number(fraction)?;
    let digits = &fraction[..fraction.len().min(9)];
    let part = u128::from(number(digits)?) * unit / 10_u128.pow(digits.len() as u32);
    Some(u128::from(number(whole)?) * unit + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::retry_after::seconds;

    /// 2026-01-01T00:00:00Z
    fn new_year() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, millis) in [
            ("1m30s", Some(90_000)),
            ("6m0s", Some(360_000)),
            ("20ms", Some(20)),
            ("1.5s", Some(1_500)),
            ("2h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("1us", Some(1)),
            ("20000000ns", Some(20)),
            ("0s", Some(0)),
            (" 3s ", Some(3_000)),
            ("0.0001s", Some(1)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1m 30s", None),
            ("1x", None),
            ("-1s", None),
            ("1.s", None),
            ("1.2.3s", None),
            ("\u{e9}1s", None),
        ] {
            assert_eq!(with_units(text), millis.map(Duration::from_millis), "{text}");
        }
        assert_eq!(with_units("99999999999999999999d"), Some(Duration::MAX));
        assert_eq!(with_units(&"18446744073709551615d".repeat(1_000)), Some(Duration::MAX));
    }

    #[test]
    fn times_are_read_in_their_forms() {
        let now = new_year();
        for (text, seconds) in [
            ("2026-01-01T00:00:30Z", Some(30)),
            ("2026-01-01t00:00:30z", None),
            ("2026-01-01T02:00:30+02:00", Some(30)),
            ("2025-12-31T19:00:30-05:00", Some(30)),
            ("2026-01-01T05:45:30+05:45", Some(30)),
            ("2025-12-31T00:00:00Z", Some(0)),
            ("2026-01-01T00:00:30", None),
            ("2026-01-01T00:00:30+2", None),
            ("2026-01-01T00:00:30+24:00", None),
            ("2026-01-01T00:00:30+00:60", None),
            ("+01:00", None),
            ("\u{e9}\u{e9}\u{e9}\u{e9}+0:00", None),
            ("", None),
        ] {
            assert_eq!(until_rfc3339(text, now), seconds.map(Duration::from_secs), "{text}");
        }
        let epoch = |text| Some(until_epoch(seconds(text).unwrap(), now));
        assert_eq!(epoch("1767225630"), Some(Duration::from_secs(30)));
        assert_eq!(epoch("1767225629.5"), Some(Duration::from_millis(29_500)));
        assert_eq!(epoch("30"), Some(Duration::ZERO));
        assert_eq!(epoch("99999999999999999999"), Some(Duration::MAX));
    }
}
