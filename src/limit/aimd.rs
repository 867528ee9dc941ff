//! The adaptive limit: how it grows and shrinks, by numbers alone (additive increase, multiplicative decrease).
//!
//! It doubles each round trip while nothing is refused. A refusal halves it, at most once a round trip; a second round
//! trip of 429s closes it to one. The responses since it last opened, over the time that took, are then the service's
//! capacity, to which it reopens; from there it grows by one a round trip. After an outage it doubles again, up to half
//! its last good value.

use std::time::Duration;

use super::concurrency_limit::ConcurrencyLimit;

/// How an attempt ended, as far as the limit is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// A response that is not a refusal.
    Response,
    /// 429: there are too many.
    Throttled,
    /// 503: the service is down.
    Unavailable,
    /// No response: that says nothing about the service's limit.
    NoResponse,
}

/// When an attempt was sent and ended; times are since the limiter began.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The epoch in which it was sent.
    pub(crate) epoch: u64,
    pub(crate) round_trip: Duration,
    pub(crate) now: Duration,
    /// Whether the limit was in use.
    pub(crate) busy: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aimd {
    adaptive: bool,
    limit: usize,
    /// Below it the limit doubles each round trip, above it grows by one.
    threshold: usize,
    /// Responses since it grew last: as many as the limit make a round trip.
    responses: usize,
    /// How often it was halved. An attempt of an earlier epoch does not halve it again: its refusal belongs to the same
    /// round trip.
    epoch: u64,
    /// Since when all responses were refusals.
    refusing: Option<Duration>,
    /// The refusals were 429s: the capacity can be measured by the responses before them.
    throttling: bool,
    any_response: bool,
    /// When it opened last, and the responses since.
    opened: Duration,
    responses_since: u32,
    last_response: Duration,
    round_trip: Duration,
}

/// Below it, a caller never notices that there is a limit.
const START: usize = 32;
/// Far above what one process can have in flight.
const MOST: usize = 1_000_000;
/// Up to where it doubles after an outage if nothing is known from before.
const UNKNOWN_CAPACITY: usize = 128;
/// The shortest pause between two attempts at a limit of one, and the longest that grows out of a long outage.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A pause is this part of the time since the first refusal: so much of an outage is wasted at its end.
const PAUSE_SHARE: u32 = 12;
/// After so long without a response, earlier ones say nothing about the capacity.
const IDLE: Duration = Duration::from_secs(10);
/// Hints come in whole seconds: one second is what a service says if its limit is shorter than that.
const SHORTEST_HINT: Duration = Duration::from_secs(1);

impl Aimd {
    pub(crate) fn new(limit: &ConcurrencyLimit) -> Self {
        let start = match limit {
            ConcurrencyLimit::Adaptive => START,
            ConcurrencyLimit::Fixed(limit) => *limit as usize,
            ConcurrencyLimit::Off => MOST,
        };
        Self {
            adaptive: *limit == ConcurrencyLimit::Adaptive,
            limit: start,
            threshold: MOST,
            responses: 0,
            epoch: 0,
            refusing: None,
            throttling: false,
            any_response: false,
            opened: Duration::ZERO,
            responses_since: 0,
            last_response: Duration::ZERO,
            round_trip: Duration::ZERO,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The time between two starts that spreads the limit over most of a round trip.
    pub(crate) fn spacing(&self) -> Duration {
        if !self.adaptive {
            return Duration::ZERO;
        }
        self.round_trip * 4 / 5 / u32::try_from(self.limit).unwrap_or(u32::MAX).max(1)
    }

    pub(crate) fn record(&mut self, feedback: Feedback, sample: Sample) {
        if !self.adaptive {
            return;
        }
        match feedback {
            Feedback::NoResponse => {}
            Feedback::Response => self.grow(&sample),
            Feedback::Throttled | Feedback::Unavailable if sample.epoch < self.epoch => {}
            Feedback::Throttled | Feedback::Unavailable => self.shrink(feedback, sample.now),
        }
    }

    fn grow(&mut self, sample: &Sample) {
        let average = (self.round_trip * 7 + sample.round_trip) / 8;
        self.round_trip = if self.any_response { average } else { sample.round_trip };
        self.any_response = true;
        if self.refusing.is_none() && sample.now.saturating_sub(self.last_response) > IDLE {
            (self.opened, self.responses_since) = (sample.now, 0);
        }
        self.last_response = sample.now;
        if self.refusing.take().is_some() && self.throttling {
            self.reopen(sample.now);
        }
        self.responses_since = self.responses_since.saturating_add(1);
        self.responses += usize::from(sample.busy);
        let round_trip = if self.limit < self.threshold { 1 } else { self.limit };
        if self.responses >= round_trip {
            self.responses = 0;
            self.limit = (self.limit + 1).min(MOST);
        }
    }

    /// To as many in flight as there were responses in the time of a round trip, from when it last opened until now.
    fn reopen(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.opened).as_secs_f64();
        if elapsed > 0.0 {
            let capacity = f64::from(self.responses_since) / elapsed * self.round_trip.as_secs_f64();
            self.limit = self.limit.max(capacity as usize).min(MOST);
        }
        (self.threshold, self.opened, self.responses_since) = (self.limit, now, 0);
    }

    fn shrink(&mut self, feedback: Feedback, now: Duration) {
        let half = (self.limit / 2).max(1);
        let first = self.refusing.is_none();
        self.throttling = feedback == Feedback::Throttled;
        match feedback {
            Feedback::Unavailable if first => self.threshold = if self.any_response { half } else { UNKNOWN_CAPACITY },
            Feedback::Throttled => self.threshold = half,
            _ => {}
        }
        self.limit = if self.throttling && !first { 1 } else { half };
        self.refusing.get_or_insert(now);
        self.epoch += 1;
        self.responses = 0;
    }

    /// How long no permit is granted after a refusal; `None` if the limit is above one.
    pub(crate) fn pause(&self, hint: Duration, now: Duration) -> Option<Duration> {
        let since = self.refusing.filter(|_| self.adaptive && self.limit == 1)?;
        let pause = (now.saturating_sub(since) / PAUSE_SHARE).clamp(PAUSES.0, PAUSES.1);
        Some(if hint > SHORTEST_HINT { pause.max(hint) } else { pause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A limit whose round trips take 20 ms.
    struct Trips {
        aimd: Aimd,
        now: Duration,
    }

    impl Trips {
        fn new() -> Self {
            Self { aimd: Aimd::new(&ConcurrencyLimit::Adaptive), now: Duration::ZERO }
        }

        /// One round trip: as many attempts as the limit allows, which all end like this.
        fn trip(&mut self, feedback: Feedback) -> usize {
            let (attempts, epoch) = (self.aimd.limit, self.aimd.epoch);
            self.now += MS(20);
            for _ in 0..attempts {
                self.aimd.record(feedback, Sample { epoch, round_trip: MS(20), now: self.now, busy: true });
            }
            self.aimd.limit
        }

        fn trips(&mut self, feedback: Feedback, count: usize) -> Vec<usize> {
            (0..count).map(|_| self.trip(feedback)).collect()
        }
    }

    #[test]
    fn doubles_until_refused_and_halves_once_a_round_trip() {
        let mut trips = Trips::new();
        assert_eq!(trips.aimd.limit, 32);
        assert_eq!(trips.trips(Feedback::Response, 3), [64, 128, 256]);
        assert_eq!(trips.trip(Feedback::Throttled), 128);
        assert_eq!(trips.trips(Feedback::Throttled, 2), [1, 1], "a whole round trip was refused");
    }

    #[test]
    fn reopens_to_the_measured_capacity_after_429s() {
        let mut trips = Trips::new();
        trips.trips(Feedback::Response, 3);
        trips.trips(Feedback::Throttled, 47);
        // 32 + 64 + 128 in a second: 4.48 in 20 ms, and the first answer after it.
        trips.now = MS(980);
        assert_eq!(trips.trip(Feedback::Response), 4);
        assert_eq!(trips.trips(Feedback::Response, 3), [5, 6, 7]);
    }

    #[test]
    fn capacity_is_measured_over_time() {
        let mut trips = Trips::new();
        trips.trips(Feedback::Response, 3);
        trips.trips(Feedback::Throttled, 20);
        // 32 + 64 + 128 in half a second: 8.96 in 20 ms.
        trips.now = MS(480);
        assert_eq!(trips.trip(Feedback::Response), 8);
        // In no time at all nothing is measured.
        let mut aimd = Aimd::new(&ConcurrencyLimit::Adaptive);
        let at = |epoch| Sample { epoch, round_trip: MS(20), now: Duration::ZERO, busy: false };
        for (feedback, epoch) in [(Feedback::Response, 0), (Feedback::Throttled, 0), (Feedback::Response, 1)] {
            aimd.record(feedback, at(epoch));
        }
        assert_eq!(aimd.limit, 16);
    }

    #[test]
    fn responses_before_a_long_silence_do_not_count() {
        let capacity_after = |silence| {
            let mut trips = Trips::new();
            trips.trips(Feedback::Response, 3);
            trips.now += silence;
            // 256 more, and a refusal half a second after them.
            trips.trip(Feedback::Response);
            trips.trips(Feedback::Throttled, 24);
            trips.trip(Feedback::Response)
        };
        assert_eq!(capacity_after(MS(11_000)), 10, "256 in half a second: 10.24 in 20 ms");
        assert_eq!(capacity_after(MS(9_000)), 2, "480 in nearly ten seconds: less than one, and one more");
    }

    #[test]
    fn refusal_before_an_outage_bounds_the_doubling() {
        let mut trips = Trips::new();
        assert_eq!([trips.trip(Feedback::Throttled), trips.trip(Feedback::Unavailable)], [16, 8]);
        assert_eq!(trips.trips(Feedback::Response, 3), [16, 17, 18]);
    }

    #[test]
    fn doubles_to_half_the_last_good_limit_after_an_outage() {
        let mut trips = Trips::new();
        trips.trips(Feedback::Response, 2);
        assert_eq!(trips.trips(Feedback::Unavailable, 8), [64, 32, 16, 8, 4, 2, 1, 1]);
        assert_eq!(trips.trips(Feedback::Response, 8), [2, 4, 8, 16, 32, 64, 65, 66]);
        // If nothing is known from before, up to 128.
        let mut trips = Trips::new();
        trips.trips(Feedback::Unavailable, 6);
        assert_eq!(trips.trips(Feedback::Response, 9), [2, 4, 8, 16, 32, 64, 128, 129, 130]);
    }

    #[test]
    fn grows_only_while_busy() {
        let mut trips = Trips::new();
        let sample = Sample { epoch: 0, round_trip: MS(20), now: MS(20), busy: false };
        for _ in 0..100 {
            trips.aimd.record(Feedback::Response, sample.clone());
            trips.aimd.record(Feedback::NoResponse, Sample { busy: true, ..sample.clone() });
        }
        assert_eq!(trips.aimd.limit, 32);
    }

    #[test]
    fn fixed_limit_never_changes() {
        let mut trips = Trips { aimd: Aimd::new(&ConcurrencyLimit::Fixed(3)), ..Trips::new() };
        assert_eq!(trips.trips(Feedback::Throttled, 2), [3, 3]);
        assert_eq!(trips.trips(Feedback::Response, 2), [3, 3]);
        assert_eq!(trips.aimd.pause(MS(9000), MS(60)), None);
        assert_eq!(trips.aimd.spacing(), Duration::ZERO);
    }

    #[test]
    fn pauses_grow_with_the_outage() {
        let mut trips = Trips::new();
        assert_eq!(trips.aimd.pause(MS(9000), MS(20)), None, "not at a larger one");
        trips.trips(Feedback::Unavailable, 5);
        let pause = |hint, now| trips.aimd.pause(hint, now + MS(20));
        assert_eq!(pause(Duration::ZERO, MS(100)), Some(MS(50)));
        assert_eq!(pause(Duration::ZERO, MS(12_000)), Some(MS(1000)));
        assert_eq!(pause(Duration::ZERO, MS(3_600_000)), Some(MS(5000)));
        assert_eq!(pause(MS(1000), MS(100)), Some(MS(50)), "a second is what whole seconds round to");
        assert_eq!(pause(MS(30_000), MS(100)), Some(MS(30_000)));
        assert_eq!(pause(Duration::MAX, MS(100)), Some(Duration::MAX));
    }

    #[test]
    fn starts_spread_over_most_of_a_round_trip() {
        let mut trips = Trips::new();
        assert_eq!(trips.aimd.spacing(), Duration::ZERO, "while no round trip is known");
        trips.trip(Feedback::Response);
        assert_eq!(trips.aimd.spacing(), MS(16) / 64);
    }

    #[test]
    fn limit_stays_within_bounds() {
        let mut aimd = Aimd { limit: MOST, ..Aimd::new(&ConcurrencyLimit::Adaptive) };
        let at = |epoch| Sample { epoch, round_trip: Duration::MAX / 16, now: Duration::MAX, busy: true };
        aimd.record(Feedback::Response, at(0));
        assert_eq!(aimd.limit, MOST);
        for epoch in 0..200 {
            aimd.record(Feedback::Unavailable, at(epoch));
        }
        aimd.record(Feedback::Throttled, at(200));
        aimd.record(Feedback::Response, at(0));
        assert!((1..=MOST).contains(&aimd.limit));
    }
}
