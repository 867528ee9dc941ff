//! The size of a window: how it grows and shrinks, by numbers alone.
//!
//! It doubles each round trip while nothing is refused. A refusal halves it, at most once a round trip; a whole round
//! trip without an answer takes it down to one. What was answered since it was last open, over the time that took, is
//! then how much the service bears, and where it opens again; from there it grows by one a round trip. After an outage
//! it doubles again, up to half its last good size.

use std::time::Duration;

use crate::window::Window;

/// How an attempt ended, as far as the window is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was answered, and not refused.
    Answered,
    /// 429: there are too many.
    Throttled,
    /// 503: the service is not there.
    Down,
    /// There was no answer: that says nothing about the service's limit.
    Unanswered,
}

/// When an attempt was sent and ended; times are since the window began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// How often the window was halved when it was sent.
    pub(crate) sent_after: u64,
    pub(crate) round_trip: Duration,
    pub(crate) now: Duration,
    /// Whether the window was in use.
    pub(crate) busy: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Size {
    adaptive: bool,
    limit: usize,
    /// Below it the window doubles each round trip, above it grows by one.
    threshold: usize,
    /// Answers since it grew last: as many as the window has places make a round trip.
    answers: usize,
    /// How often it was halved. An attempt that was sent before the last time does not halve it again: its refusal
    /// belongs to the same round trip.
    halvings: u64,
    /// Since when nothing was answered but refusals.
    refusing: Option<Duration>,
    /// The refusals were 429s: what the service bears can be told from what it has answered.
    throttling: bool,
    answered_ever: bool,
    /// When it opened last, and how much was answered since.
    opened: Duration,
    answered: u32,
    last_answer: Duration,
    round_trip: Duration,
}

/// Below it, a caller never notices that there is a window.
const START: usize = 32;
/// Far above what one process can have in flight.
const MOST: usize = 1_000_000;
/// Up to where it doubles after an outage where nothing is known from before.
const UNKNOWN: usize = 128;
/// The shortest pause between two attempts at a window of one, and the longest that grows out of a long outage.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// A pause is this part of the time since the first refusal: so much of an outage is wasted at its end.
const PAUSE_SHARE: u32 = 12;
/// After so long without an answer, what was answered before says nothing about what is borne now.
const IDLE: Duration = Duration::from_secs(10);
/// Hints come in whole seconds: one second is what a service says whose limit is shorter than that.
const SHORTEST_HINT: Duration = Duration::from_secs(1);

impl Size {
    pub(crate) fn new(window: Window) -> Self {
        let limit = match window {
            Window::Adaptive => START,
            Window::Fixed(limit) => limit as usize,
            Window::Off => MOST,
        };
        Self {
            adaptive: window == Window::Adaptive,
            limit,
            threshold: MOST,
            answers: 0,
            halvings: 0,
            refusing: None,
            throttling: false,
            answered_ever: false,
            opened: Duration::ZERO,
            answered: 0,
            last_answer: Duration::ZERO,
            round_trip: Duration::ZERO,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn halvings(&self) -> u64 {
        self.halvings
    }

    /// The time between two attempts that spreads a window over most of a round trip.
    pub(crate) fn spacing(&self) -> Duration {
        if !self.adaptive {
            return Duration::ZERO;
        }
        self.round_trip * 4 / 5 / u32::try_from(self.limit).unwrap_or(u32::MAX).max(1)
    }

    pub(crate) fn learn(&mut self, ended: Ended, at: At) {
        if !self.adaptive {
            return;
        }
        match ended {
            Ended::Unanswered => {}
            Ended::Answered => self.grow(at),
            Ended::Throttled | Ended::Down if at.sent_after == self.halvings => self.shrink(ended, at.now),
            Ended::Throttled | Ended::Down => {}
        }
    }

    fn grow(&mut self, at: At) {
        self.round_trip = if self.answered_ever { (self.round_trip * 7 + at.round_trip) / 8 } else { at.round_trip };
        self.answered_ever = true;
        if self.refusing.is_none() && at.now.saturating_sub(self.last_answer) > IDLE {
            (self.opened, self.answered) = (at.now, 0);
        }
        self.last_answer = at.now;
        if self.refusing.take().is_some() && self.throttling {
            self.open(at.now);
        }
        self.answered = self.answered.saturating_add(1);
        self.answers += usize::from(at.busy);
        let round_trip = if self.limit < self.threshold { 1 } else { self.limit };
        if self.answers >= round_trip {
            self.answers = 0;
            self.limit = (self.limit + 1).min(MOST);
        }
    }

    /// As many in flight as were answered in the time of a round trip, from when it last opened until now.
    fn open(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.opened).as_secs_f64();
        if elapsed > 0.0 {
            let borne = f64::from(self.answered) / elapsed * self.round_trip.as_secs_f64();
            self.limit = self.limit.max(borne as usize).min(MOST);
        }
        (self.threshold, self.opened, self.answered) = (self.limit, now, 0);
    }

    fn shrink(&mut self, ended: Ended, now: Duration) {
        let half = (self.limit / 2).max(1);
        let first = self.refusing.is_none();
        self.throttling = ended == Ended::Throttled;
        match ended {
            Ended::Down if first => self.threshold = if self.answered_ever { half } else { UNKNOWN },
            Ended::Throttled => self.threshold = half,
            _ => {}
        }
        self.limit = if self.throttling && !first { 1 } else { half };
        self.refusing.get_or_insert(now);
        self.halvings += 1;
        self.answers = 0;
    }

    /// How long nobody is let in after a refusal; `None` where the window is more than one.
    pub(crate) fn hold(&self, hint: Duration, now: Duration) -> Option<Duration> {
        let since = self.refusing.filter(|_| self.adaptive && self.limit == 1)?;
        let pause = (now.saturating_sub(since) / PAUSE_SHARE).clamp(PAUSES.0, PAUSES.1);
        Some(if hint > SHORTEST_HINT { pause.max(hint) } else { pause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A window whose round trips take 20 ms.
    struct Trips {
        size: Size,
        now: Duration,
    }

    impl Trips {
        fn new() -> Self {
            Self { size: Size::new(Window::Adaptive), now: Duration::ZERO }
        }

        /// One round trip: as many attempts as the window has places, which all end like this.
        fn trip(&mut self, ended: Ended) -> usize {
            let (attempts, sent_after) = (self.size.limit, self.size.halvings);
            self.now += MS(20);
            for _ in 0..attempts {
                self.size.learn(ended, At { sent_after, round_trip: MS(20), now: self.now, busy: true });
            }
            self.size.limit
        }

        fn trips(&mut self, ended: Ended, count: usize) -> Vec<usize> {
            (0..count).map(|_| self.trip(ended)).collect()
        }
    }

    #[test]
    fn it_doubles_while_nothing_is_refused_and_halves_once_a_round_trip() {
        let mut trips = Trips::new();
        assert_eq!(trips.size.limit, 32);
        assert_eq!(trips.trips(Ended::Answered, 3), [64, 128, 256]);
        assert_eq!(trips.trip(Ended::Throttled), 128);
        assert_eq!(trips.trips(Ended::Throttled, 2), [1, 1], "a whole round trip was refused");
    }

    #[test]
    fn after_429s_it_opens_to_what_was_borne_and_grows_by_one() {
        let mut trips = Trips::new();
        trips.trips(Ended::Answered, 3);
        trips.trips(Ended::Throttled, 47);
        // 32 + 64 + 128 in a second: 4.48 in 20 ms, and the first answer after it.
        trips.now = MS(980);
        assert_eq!(trips.trip(Ended::Answered), 4);
        assert_eq!(trips.trips(Ended::Answered, 3), [5, 6, 7]);
    }

    #[test]
    fn how_much_was_borne_is_told_by_the_time_that_it_took() {
        let mut trips = Trips::new();
        trips.trips(Ended::Answered, 3);
        trips.trips(Ended::Throttled, 20);
        // 32 + 64 + 128 in half a second: 8.96 in 20 ms.
        trips.now = MS(480);
        assert_eq!(trips.trip(Ended::Answered), 8);
        // In no time at all nothing can be told.
        let mut size = Size::new(Window::Adaptive);
        let at = |sent_after| At { sent_after, round_trip: MS(20), now: Duration::ZERO, busy: false };
        for (ended, sent_after) in [(Ended::Answered, 0), (Ended::Throttled, 0), (Ended::Answered, 1)] {
            size.learn(ended, at(sent_after));
        }
        assert_eq!(size.limit, 16);
    }

    #[test]
    fn what_was_answered_before_a_long_silence_does_not_count() {
        let borne_after = |silence| {
            let mut trips = Trips::new();
            trips.trips(Ended::Answered, 3);
            trips.now += silence;
            // 256 more, and a refusal half a second after them.
            trips.trip(Ended::Answered);
            trips.trips(Ended::Throttled, 24);
            trips.trip(Ended::Answered)
        };
        assert_eq!(borne_after(MS(11_000)), 10, "256 in half a second: 10.24 in 20 ms");
        assert_eq!(borne_after(MS(9_000)), 2, "480 in nearly ten seconds: less than one, and one more");
    }

    #[test]
    fn a_refusal_before_an_outage_still_bounds_the_doubling() {
        let mut trips = Trips::new();
        assert_eq!([trips.trip(Ended::Throttled), trips.trip(Ended::Down)], [16, 8]);
        assert_eq!(trips.trips(Ended::Answered, 3), [16, 17, 18]);
    }

    #[test]
    fn after_an_outage_it_doubles_up_to_half_its_last_good_size() {
        let mut trips = Trips::new();
        trips.trips(Ended::Answered, 2);
        assert_eq!(trips.trips(Ended::Down, 8), [64, 32, 16, 8, 4, 2, 1, 1]);
        assert_eq!(trips.trips(Ended::Answered, 8), [2, 4, 8, 16, 32, 64, 65, 66]);
        // Where nothing is known from before, up to 128.
        let mut trips = Trips::new();
        trips.trips(Ended::Down, 6);
        assert_eq!(trips.trips(Ended::Answered, 9), [2, 4, 8, 16, 32, 64, 128, 129, 130]);
    }

    #[test]
    fn it_grows_only_while_it_is_in_use() {
        let mut trips = Trips::new();
        let at = At { sent_after: 0, round_trip: MS(20), now: MS(20), busy: false };
        for _ in 0..100 {
            trips.size.learn(Ended::Answered, at);
            trips.size.learn(Ended::Unanswered, At { busy: true, ..at });
        }
        assert_eq!(trips.size.limit, 32);
    }

    #[test]
    fn a_fixed_window_stays_as_it_is() {
        let mut trips = Trips { size: Size::new(Window::Fixed(3)), ..Trips::new() };
        assert_eq!(trips.trips(Ended::Throttled, 2), [3, 3]);
        assert_eq!(trips.trips(Ended::Answered, 2), [3, 3]);
        assert_eq!(trips.size.hold(MS(9000), MS(60)), None);
        assert_eq!(trips.size.spacing(), Duration::ZERO);
    }

    #[test]
    fn at_a_window_of_one_the_pauses_grow_with_the_outage() {
        let mut trips = Trips::new();
        assert_eq!(trips.size.hold(MS(9000), MS(20)), None, "not at a larger one");
        trips.trips(Ended::Down, 5);
        let pause = |hint, now| trips.size.hold(hint, now + MS(20));
        assert_eq!(pause(Duration::ZERO, MS(100)), Some(MS(50)));
        assert_eq!(pause(Duration::ZERO, MS(12_000)), Some(MS(1000)));
        assert_eq!(pause(Duration::ZERO, MS(3_600_000)), Some(MS(5000)));
        assert_eq!(pause(MS(1000), MS(100)), Some(MS(50)), "a second is what whole seconds round to");
        assert_eq!(pause(MS(30_000), MS(100)), Some(MS(30_000)));
        assert_eq!(pause(Duration::MAX, MS(100)), Some(Duration::MAX));
    }

    #[test]
    fn it_is_spread_over_most_of_a_round_trip() {
        let mut trips = Trips::new();
        assert_eq!(trips.size.spacing(), Duration::ZERO, "as long as no round trip is known");
        trips.trip(Ended::Answered);
        assert_eq!(trips.size.spacing(), MS(16) / 64);
    }

    #[test]
    fn it_has_bounds() {
        let mut size = Size { limit: MOST, ..Size::new(Window::Adaptive) };
        let at = |sent_after| At { sent_after, round_trip: Duration::MAX / 16, now: Duration::MAX, busy: true };
        size.learn(Ended::Answered, at(0));
        assert_eq!(size.limit, MOST);
        for halvings in 0..200 {
            size.learn(Ended::Down, at(halvings));
        }
        size.learn(Ended::Throttled, at(200));
        size.learn(Ended::Answered, at(0));
        assert!((1..=MOST).contains(&size.limit));
    }
}
