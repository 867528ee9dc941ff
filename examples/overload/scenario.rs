//! What the service can take, and when its callers come.

use std::time::Duration;

use reqwest_safe_retry::ConcurrencyLimit;

use crate::{error::BoxError, server::Behaviour};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// So many are admitted in a second.
    Window,
    /// A fixed limit.
    Fixed,
    /// Nobody is refused, and all wait long.
    Crowd,
}

/// Calls that come evenly: too many, then fewer than the service can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) heavy: Phase,
    pub(crate) light: Phase,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) seconds: u64,
    pub(crate) per_second: u64,
}

/// How many requests are admitted in a second of `window`.
pub(crate) const ADMITTED: u64 = 1000;
/// How many may be in flight in `fixed`.
pub(crate) const FIXED: u32 = 16;
/// With what a timer and a connection add, 16 in flight are then about 750 a second.
const FIXED_TAKES: Duration = Duration::from_micros(19_500);
const CROWD_TAKES: Duration = Duration::from_secs(1);

impl Scenario {
    pub(crate) const ALL: [Self; 3] = [Self::Window, Self::Fixed, Self::Crowd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Fixed => "fixed",
            Self::Crowd => "crowd",
        }
    }

    pub(crate) fn of_name(name: &str) -> Result<Self, BoxError> {
        let known = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        known.ok_or_else(|| format!("--scenario does not take {name:?}; it takes window, fixed, crowd").into())
    }

    pub(crate) fn behaviour(self, round_trip: Duration) -> Behaviour {
        match self {
            Self::Window => Behaviour { admitted: Some(ADMITTED), takes: round_trip },
            Self::Fixed => Behaviour { admitted: None, takes: FIXED_TAKES },
            Self::Crowd => Behaviour { admitted: None, takes: CROWD_TAKES },
        }
    }

    pub(crate) fn limit(self) -> ConcurrencyLimit {
        match self {
            Self::Fixed => ConcurrencyLimit::Fixed(FIXED),
            Self::Window | Self::Crowd => ConcurrencyLimit::Adaptive,
        }
    }

    pub(crate) fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            Self::Window => 2,
            Self::Fixed => 1,
            Self::Crowd => 6,
        })
    }

    /// None if all come at once.
    pub(crate) fn stream(self) -> Option<Stream> {
        let phase = |seconds, per_second| Phase { seconds, per_second };
        match self {
            Self::Window => Some(Stream { heavy: phase(8, 1600), light: phase(4, 500) }),
            Self::Fixed => Some(Stream { heavy: phase(5, 1200), light: phase(4, 600) }),
            Self::Crowd => None,
        }
    }
}

impl Stream {
    /// When the calls come.
    pub(crate) fn arrivals(self) -> impl Iterator<Item = Duration> {
        self.heavy.arrivals().chain(self.light.arrivals().map(move |light| self.falls() + light))
    }

    /// When the load falls.
    pub(crate) fn falls(self) -> Duration {
        Duration::from_secs(self.heavy.seconds)
    }

    pub(crate) fn seconds(self) -> u64 {
        self.heavy.seconds + self.light.seconds
    }

    /// How many of the calls that come in that second could succeed in it.
    pub(crate) fn possible(self, second: u64, per_second: f64) -> f64 {
        let phase = if second < self.heavy.seconds { self.heavy } else { self.light };
        per_second.min(phase.per_second as f64)
    }
}

impl Phase {
    fn arrivals(self) -> impl Iterator<Item = Duration> {
        let rate = self.per_second as f64;
        (0..self.seconds * self.per_second).map(move |call| Duration::from_secs_f64(call as f64 / rate))
    }
}
