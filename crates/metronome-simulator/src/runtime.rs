//! The simulator's only clock, sleep and random numbers.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, SystemTime};

pub(crate) use fastrand::Rng;
pub(crate) use tokio::time::Instant;

/// Sleeps. Returns without yielding if the duration is zero.
pub(crate) async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Ticks at once, and then each time this has passed.
pub(crate) fn every(period: Duration) -> tokio::time::Interval {
    tokio::time::interval(period)
}

/// The current time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time of day.
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The time in the form of the API, such as `2026-07-01T00:00:00.000Z`.
pub(crate) fn rfc_3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Reads a time in the forms of RFC 3339.
pub(crate) fn parse_rfc_3339(text: &str) -> Option<SystemTime> {
    let local = |text| humantime::parse_rfc3339_weak(text).ok();
    let Some(at) = text.rfind(['+', '-']).filter(|at| text.contains('T') && *at >= text.len().saturating_sub(6)) else {
        return local(text);
    };
    let (time, offset) = text.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let offset_by = Duration::from_secs(60 * (60 * hours.parse::<u64>().ok()? + minutes.parse::<u64>().ok()?));
    let time = local(time)?;
    if offset.starts_with('+') { time.checked_sub(offset_by) } else { time.checked_add(offset_by) }
}

/// A random number generator: the same numbers for the same seed.
pub(crate) fn seeded_rng(seed: u64) -> Rng {
    Rng::with_seed(seed)
}
