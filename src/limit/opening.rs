//! How many attempts may be in flight before the first refusal.

use std::time::Duration;

/// A cap that opens by time alone while calls wait for it, so that a crowd is let in soon however long each call takes, and
/// is met by a slow start if the service refuses within a round trip.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Opening {
    /// At `at`; larger since then if it is growing.
    cap: f64,
    at: Duration,
    growing: bool,
    least: usize,
    /// The time in which it doubles.
    doubles_in: Duration,
    growth: Growth,
}

/// How fast the cap opens: it doubles in so many round trips, within these bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Growth {
    round_trips: f64,
    shortest: Duration,
    longest: Duration,
}

/// Below it, a caller does not notice that there is a limit.
const START: f64 = 16.0;
/// Far above what one process can have in flight.
const MOST: f64 = 1_000_000.0;
/// Fast enough to let a crowd in while no round trip is known.
const FIRST: Growth =
    Growth { round_trips: 1.0, shortest: Duration::from_millis(100), longest: Duration::from_millis(160) };
const AFTER_OUTAGE: Growth =
    Growth { round_trips: 1.7, shortest: Duration::from_millis(100), longest: Duration::from_millis(500) };
/// While it is not used, the cap halves each time this has passed.
const IDLE: Duration = Duration::from_secs(10);
/// Its use is noted so often, and not at each attempt.
const NOTED_EVERY: Duration = Duration::from_secs(1);

impl Opening {
    pub(super) fn at(now: Duration) -> Self {
        Self { cap: START, at: now, least: START as usize, growing: false, doubles_in: FIRST.shortest, growth: FIRST }
    }

    /// Of a process that is one of many: from one attempt on, until it has its share.
    pub(super) fn of_member(now: Duration) -> Self {
        Self { cap: 1.0, least: 1, ..Self::at(now) }
    }

    /// After an outage of a service that has never refused for its load: from one attempt on.
    pub(super) fn after_outage(now: Duration) -> Self {
        Self { cap: 1.0, least: 1, growth: AFTER_OUTAGE, ..Self::at(now) }
    }

    /// Whether so many in flight leave room for one more.
    pub(super) fn has_room(&self, now: Duration, in_flight: usize) -> bool {
        // It is never below where it began, or where an outage has left it.
        in_flight < self.least || in_flight < self.cap(now)
    }

    /// Whether more calls have come at once than it lets through at the beginning.
    pub(super) fn has_grown(&self, now: Duration) -> bool {
        self.growing || self.exact(now) > START
    }

    pub(super) fn cap(&self, now: Duration) -> usize {
        // At most a million, and never negative.
        self.exact(now) as usize
    }

    fn exact(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at);
        if self.growing {
            return (self.cap * (passed.as_secs_f64() / self.doubles_in.as_secs_f64()).exp2()).min(MOST);
        }
        if passed < IDLE {
            return self.cap;
        }
        let idle = i32::try_from(passed.as_secs() / IDLE.as_secs()).unwrap_or(i32::MAX);
        (self.cap * 0.5_f64.powi(idle)).max(self.cap.min(START))
    }

    /// Calls wait from now on, or no longer.
    pub(super) fn waited_for(&mut self, now: Duration, waited_for: bool, round_trip: Option<Duration>) {
        let doubles_in = self.growth.doubles_in(round_trip.unwrap_or_default());
        if waited_for != self.growing || doubles_in != self.doubles_in {
            (self.cap, self.at, self.growing) = (self.exact(now), now, waited_for);
            self.doubles_in = doubles_in;
        }
    }

    /// Nothing is refused to any process: it need not begin with less than one process alone.
    pub(super) fn widen(&mut self, now: Duration) {
        if self.least < START as usize {
            (self.cap, self.at, self.least) = (self.exact(now).max(START), now, START as usize);
        }
    }

    /// It is in use, and so does not shrink.
    pub(super) fn used(&mut self, now: Duration) {
        if !self.growing && now.saturating_sub(self.at) >= NOTED_EVERY {
            (self.cap, self.at) = (self.exact(now), now);
        }
    }

    /// When the cap will be above `in_flight`.
    pub(super) fn opens(&self, in_flight: usize) -> Duration {
        let doublings = ((in_flight as f64 + 1.0) / self.cap).log2().max(0.0);
        self.at + self.doubles_in.mul_f64(doublings.min(64.0))
    }
}

impl Growth {
    fn doubles_in(self, round_trip: Duration) -> Duration {
        // No round trip is longer than half a year.
        round_trip.mul_f64(self.round_trips).clamp(self.shortest, self.longest)
    }
}
