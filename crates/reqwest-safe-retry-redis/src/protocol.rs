//! A report as arguments of the script, and its answer as a share.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, Script, Value};
use reqwest_safe_retry::{LimitReport, LimitShare};

pub(crate) const SCRIPT: &str = include_str!("limit.lua");

/// Above what any process reports, and such that sums of them are still numbers that the script takes.
const MOST: f64 = 1e9;
/// 31 years in milliseconds.
const LONGEST: f64 = 1e12;

/// Refers to the script by its digest.
pub(crate) fn by_digest(script: &Script, key: &str, report: &LimitReport) -> Cmd {
    command("EVALSHA", script.get_hash(), key, report)
}

/// Brings the script along, after which the server knows it.
pub(crate) fn with_script(key: &str, report: &LimitReport) -> Cmd {
    command("EVAL", SCRIPT, key, report)
}

fn command(name: &str, script: &str, key: &str, report: &LimitReport) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(key);
    for argument in arguments(report) {
        command.arg(argument);
    }
    command
}

/// Numbers as text that gives the same number again.
pub(crate) fn arguments(report: &LimitReport) -> [String; 10] {
    let number = |number: f64| format!("{:e}", if number.is_finite() { number.clamp(0.0, MOST) } else { 0.0 });
    let milliseconds = |duration: Duration| format!("{:e}", (duration.as_secs_f64() * 1000.0).min(LONGEST));
    let optional = |duration: Option<Duration>| duration.map_or_else(|| "-1".to_owned(), milliseconds);
    [
        format!("{:016x}", report.process),
        number(report.rate),
        number(f64::from(report.accepted)),
        number(f64::from(report.refused)),
        number(f64::from(report.unavailable)),
        optional(report.last_accepted),
        optional(report.last_refused),
        number(report.waiting as f64),
        optional(report.pause),
        milliseconds(report.round_trip),
    ]
}

/// None if the value is not what the script answers.
pub(crate) fn share(value: Value) -> Option<LimitShare> {
    let (rate, growing, closed, probe, pause, next) =
        <(Option<f64>, u8, u8, u8, Option<f64>, u32)>::from_redis_value(value).ok()?;
    if rate.is_some_and(|rate| !(rate.is_finite() && rate >= 0.0)) {
        return None;
    }
    let mut share = LimitShare::new(Duration::from_millis(next.into()));
    share.rate = rate;
    share.growing = growing == 1;
    share.closed = closed == 1;
    share.probe = probe == 1;
    share.pause = match pause {
        Some(pause) => Some(Duration::try_from_secs_f64(pause / 1000.0).ok()?),
        None => None,
    };
    Some(share)
}
