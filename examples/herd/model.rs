//! How the service limits, and when its callers come.

use std::{fmt, time::Duration};

/// How many requests the service admits in a second.
pub(crate) const LIMIT: u64 = 1000;
/// How many a full token bucket admits at once.
pub(crate) const DEPTH: u64 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// How long an overload lasts, in calls: with the default of 10,000 calls it arrives over 60 s.
const OVERLOAD_CALLS: u64 = 12;
const OVERLOAD_RATE: u64 = 2 * LIMIT;
/// Calls a second of [`Model::Deadline`], first too many, then half of what is admitted.
const HEAVY_RATE: u64 = LIMIT * 16 / 10;
const LIGHT_RATE: u64 = LIMIT / 2;
/// Calls a second of [`Model::Noise`].
const NOISE_RATE: u64 = LIMIT / 2;

/// How the service limits, and how its callers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// All calls at once; [`LIMIT`] requests are admitted in each second of the service's own clock.
    Window,
    /// All calls at once; a bucket of [`DEPTH`] tokens, refilled [`LIMIT`] times a second.
    Bucket,
    /// All calls at once; 503 for so many seconds, then [`Model::Window`].
    Outage(u64),
    /// Calls arrive evenly, twice as many a second as [`Model::Window`] admits.
    Overload,
    /// Writes with a deadline of 2 s arrive evenly, 1.6 times as many a second as [`Model::Window`] admits, then half
    /// as many as it admits.
    Deadline,
    /// All calls at once; nothing is refused, and each request is executed for 20 s.
    Slow,
    /// Calls arrive evenly, half as many a second as [`Model::Window`] admits; 30 % of all requests fail, and a tenth of
    /// those is refused, whatever the load.
    Noise,
}

impl Model {
    /// How long the service is down.
    pub(crate) fn outage(self) -> Duration {
        match self {
            Self::Outage(seconds) => Duration::from_secs(seconds),
            _ => Duration::ZERO,
        }
    }

    /// How long a request is executed.
    pub(crate) fn execution(self) -> Duration {
        if self == Self::Slow { Duration::from_secs(20) } else { Duration::ZERO }
    }

    /// The share of requests that fail at random.
    pub(crate) fn faults(self) -> f64 {
        if self == Self::Noise { 0.3 } else { 0.0 }
    }

    /// How long a call may take, where that matters.
    pub(crate) fn deadline(self) -> Option<Duration> {
        (self == Self::Deadline).then_some(Duration::from_secs(2))
    }

    /// Whether the calls are writes.
    pub(crate) fn writes(self) -> bool {
        self == Self::Deadline
    }

    /// How many requests are admitted in a second; `None` if all are.
    pub(crate) fn limit(self) -> Option<u64> {
        (self != Self::Slow).then_some(LIMIT)
    }

    /// The crowd, where `calls` was asked for.
    pub(crate) fn calls(self, calls: u64) -> u64 {
        match self {
            Self::Overload => calls * OVERLOAD_CALLS,
            Self::Deadline => heavy_seconds(calls) * HEAVY_RATE + light_seconds(calls) * LIGHT_RATE,
            _ => calls,
        }
    }

    /// When a call comes, where `calls` was asked for.
    pub(crate) fn comes(self, call: u64, calls: u64) -> Duration {
        let heavy = heavy_seconds(calls);
        match self {
            Self::Overload => evenly(call, OVERLOAD_RATE),
            Self::Noise => evenly(call, NOISE_RATE),
            Self::Deadline => match call.checked_sub(heavy * HEAVY_RATE) {
                None => evenly(call, HEAVY_RATE),
                Some(call) => SECOND * heavy as u32 + evenly(call, LIGHT_RATE),
            },
            Self::Window | Self::Bucket | Self::Outage(_) | Self::Slow => Duration::ZERO,
        }
    }

    /// When the last of `successes` could have had its answer at the earliest, whoever had sent it.
    pub(crate) fn floor(self, calls: u64, successes: u64, round_trip: Duration) -> Option<Duration> {
        let last = successes.checked_sub(1)?;
        let first_arrival = (round_trip / 2).max(self.outage());
        let last_arrival = match self {
            Self::Slow => first_arrival,
            Self::Bucket => first_arrival + evenly((last + 1).saturating_sub(DEPTH), LIMIT),
            _ => first_arrival.max(Duration::from_secs(first_arrival.as_secs() + last / LIMIT)),
        };
        let last_comes = self.comes(self.calls(calls).saturating_sub(1), calls) + round_trip / 2;
        Some(last_arrival.max(last_comes) + self.execution() + round_trip / 2)
    }
}

/// The moment of `call` where so many come in a second.
fn evenly(call: u64, rate: u64) -> Duration {
    SECOND * call as u32 / rate as u32
}

/// How long too many calls come: 8 s with the default of 10,000 calls.
pub(crate) fn heavy_seconds(calls: u64) -> u64 {
    (calls * 8 / 10_000).max(2)
}

/// For how long half as many calls come then as are admitted.
pub(crate) fn light_seconds(calls: u64) -> u64 {
    (heavy_seconds(calls) / 2).max(2)
}

/// How many of the calls that come in a second of [`Model::Deadline`] could succeed.
pub(crate) fn possible(second: u64, calls: u64) -> u64 {
    if second < heavy_seconds(calls) { HEAVY_RATE.min(LIMIT) } else { LIGHT_RATE }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window => f.write_str("window"),
            Self::Bucket => f.write_str("bucket"),
            Self::Outage(seconds) => write!(f, "outage{seconds}"),
            Self::Overload => f.write_str("overload"),
            Self::Deadline => f.write_str("deadline"),
            Self::Slow => f.write_str("slow"),
            Self::Noise => f.write_str("noise"),
        }
    }
}
