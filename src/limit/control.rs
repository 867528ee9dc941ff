//! When the next attempt may start, by numbers alone: the rules of the limit.
//!
//! Until the service refuses an attempt for its load, as many are in flight as a cap allows that opens with time
//! ([`Opening`]). From then on starts are paced ([`Pace`]). While every attempt is refused the limit is closed, and one
//! probe at a time finds out when the service is back. Times are since the limiter began.

use std::time::Duration;

use super::{concurrency_limit::ConcurrencyLimit, cycle::Cycle, opening::Opening, pace::Pace, round_trip::RoundTrip};

/// How an attempt ended, as far as the limit is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// A response that says nothing about the load.
    Response,
    /// There are too many: 429.
    Throttled,
    /// The service is down, or something in front of it cannot reach it.
    Unavailable,
    /// No response: that says nothing about the service's limit.
    NoResponse,
}

/// Whether an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    /// While the limit is closed: one at a time.
    Probe,
    At(Duration),
    /// When an attempt in flight has ended.
    WhenReleased,
}

/// What has changed with the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Closed,
    Reopened,
}

/// The state of a limit.
#[derive(Clone, Debug)]
pub(super) struct Control {
    in_flight: usize,
    round_trip: RoundTrip,
    limit: Limit,
}

#[derive(Clone, Debug)]
enum Limit {
    Fixed(usize),
    Adaptive(Box<Adaptive>),
}

#[derive(Clone, Debug)]
struct Adaptive {
    opening: Opening,
    /// Once an attempt was refused.
    pace: Option<Pace>,
    closed: Option<Closed>,
    /// Attempts that found the service unavailable since the last that did not.
    unavailable: u32,
    /// Their share of all attempts, of which each counts for less as others follow.
    unavailable_share: f64,
    /// What the service has accepted lately, until it first refuses.
    cycle: Cycle,
}

#[derive(Clone, Debug)]
struct Closed {
    since: Duration,
    by_throttling: bool,
    next_probe: Duration,
    probing: bool,
}

/// What is tried at first if nothing was accepted yet.
const LEAST_FIRST_RATE: f64 = 10.0;
/// So long the accepted attempts are counted from which the first rate follows.
const LONG_AGO: Duration = Duration::from_millis(2400);
/// So many attempts in a row that found the service unavailable close the limit.
const UNAVAILABLE_IN_A_ROW: u32 = 16;
/// Above this share of unavailable attempts the pace is slowed down.
const UNAVAILABLE_SHARE: f64 = 0.6;
/// One attempt's weight in that share.
const WEIGHT: f64 = 1.0 / 32.0;
/// A probe follows after this part of the time since the limit closed: so much of an outage is wasted at its end.
const PROBE_SHARE: u32 = 16;
const PROBES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));
/// Hints come in whole seconds: one second is what a service says whose limit is shorter than that.
const SHORTEST_HINT: Duration = Duration::from_secs(1);
/// A shorter outage counts as refusals.
const SHORT_OUTAGE: Duration = Duration::from_millis(1500);

impl Control {
    pub(super) fn new(limit: &ConcurrencyLimit) -> Self {
        let limit = match limit {
            ConcurrencyLimit::Fixed(most) => Limit::Fixed(*most as usize),
            ConcurrencyLimit::Adaptive | ConcurrencyLimit::Off => Limit::Adaptive(Box::new(Adaptive::new())),
        };
        Self { in_flight: 0, round_trip: RoundTrip::default(), limit }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many attempts may be in flight; of a paced limit, how many are at its pace.
    pub(super) fn limit(&self, now: Duration) -> usize {
        match &self.limit {
            Limit::Fixed(most) => *most,
            Limit::Adaptive(adaptive) => adaptive.limit(now, &self.round_trip),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(&self.limit, Limit::Adaptive(adaptive) if adaptive.closed.is_some())
    }

    /// Until when no attempt starts, if the limit is closed.
    pub(super) fn closed_until(&self) -> Option<Duration> {
        match &self.limit {
            Limit::Adaptive(adaptive) => adaptive.closed.as_ref().map(|closed| closed.next_probe),
            Limit::Fixed(_) => None,
        }
    }

    /// Whether the service has refused an attempt for its load, or is away.
    pub(super) fn is_limited(&self) -> bool {
        matches!(&self.limit, Limit::Adaptive(adaptive) if adaptive.pace.is_some() || adaptive.closed.is_some())
    }

    /// Whether an attempt in flight may keep another one from starting.
    pub(super) fn is_scarce(&self) -> bool {
        matches!(self.limit, Limit::Fixed(_)) || self.is_limited()
    }

    /// Whether it is as a new one would be.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.is_closed()
    }

    /// Starts an attempt if it may start now; otherwise says when to ask again. `waiting` calls are in the queue, this one
    /// included.
    pub(super) fn start(&mut self, now: Duration, waiting: usize, turned_away: bool) -> Start {
        let start = match &mut self.limit {
            Limit::Fixed(most) if self.in_flight < *most => Start::Now,
            Limit::Fixed(_) => Start::WhenReleased,
            Limit::Adaptive(adaptive) => {
                adaptive.start(now, self.in_flight, waiting, turned_away, self.round_trip.smoothed())
            }
        };
        if matches!(start, Start::Now | Start::Probe) {
            self.in_flight += 1;
        }
        start
    }

    /// Nobody waits any more.
    pub(super) fn queue_is_empty(&mut self, now: Duration) {
        if let Limit::Adaptive(adaptive) = &mut self.limit {
            adaptive.opening.waited_for(now, false, self.round_trip.smoothed());
        }
    }

    /// An attempt has ended that was sent then.
    pub(super) fn end(&mut self, now: Duration, sent: Duration, probe: bool, feedback: Feedback) -> Option<Change> {
        self.in_flight -= 1;
        if feedback == Feedback::Response && self.round_trip.wants_a_sample() {
            self.round_trip.add(now.saturating_sub(sent));
        }
        let Limit::Adaptive(adaptive) = &mut self.limit else { return None };
        let was_closed = adaptive.closed.is_some();
        adaptive.end(now, sent, probe, feedback, self.in_flight + 1, &self.round_trip);
        match (was_closed, adaptive.closed.is_some()) {
            (false, true) => Some(Change::Closed),
            (true, false) => Some(Change::Reopened),
            _ => None,
        }
    }

    /// The service asks for a wait: while the limit is closed, its next probe keeps it. Whether that has changed.
    pub(super) fn hint(&mut self, now: Duration, hint: Duration) -> bool {
        let Limit::Adaptive(adaptive) = &mut self.limit else { return false };
        let Some(closed) = &mut adaptive.closed else { return false };
        let until = now.saturating_add(hint);
        let is_later = hint > SHORTEST_HINT && until > closed.next_probe;
        if is_later {
            closed.next_probe = until;
        }
        is_later
    }

    /// The time that an attempt needs.
    pub(super) fn needed(&self) -> Duration {
        self.round_trip.expected()
    }

    /// The wait of a call behind so many others, as far as it is known: of a limit that nobody was refused by it is not.
    pub(super) fn expected_wait(&self, ahead: usize) -> Duration {
        let per_second = match &self.limit {
            Limit::Fixed(most) => self.round_trip.smoothed().map(|trip| *most as f64 / trip.as_secs_f64().max(1e-6)),
            Limit::Adaptive(adaptive) => adaptive.pace.as_ref().map(Pace::per_second),
        };
        let wait = per_second.map_or(0.0, |per_second| ahead as f64 / per_second);
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
    }
}

impl Adaptive {
    fn new() -> Self {
        Self {
            opening: Opening::at(Duration::ZERO),
            pace: None,
            closed: None,
            unavailable: 0,
            unavailable_share: 0.0,
            cycle: Cycle::new(Duration::ZERO),
        }
    }

    fn limit(&self, now: Duration, round_trip: &RoundTrip) -> usize {
        match (&self.closed, &self.pace) {
            (Some(_), _) => 1,
            (None, None) => self.opening.cap(now),
            (None, Some(pace)) => {
                let in_flight = pace.per_second() * round_trip.smoothed().unwrap_or_default().as_secs_f64();
                // Not negative, and far below the largest number.
                (in_flight.ceil() as usize).max(1)
            }
        }
    }

    fn start(
        &mut self,
        now: Duration,
        in_flight: usize,
        waiting: usize,
        turned_away: bool,
        round_trip: Option<Duration>,
    ) -> Start {
        if let Some(closed) = &mut self.closed {
            return closed.start(now);
        }
        if self.pace.as_ref().is_some_and(|pace| pace.is_needless(now)) {
            (self.pace, self.opening, self.cycle) = (None, Opening::at(now), Cycle::new(now));
        }
        if let Some(pace) = &mut self.pace {
            pace.grow(now, waiting, turned_away, round_trip.unwrap_or_default());
            return pace.start(now).map_or_else(Start::At, |()| Start::Now);
        }
        if self.opening.has_room(now, in_flight) {
            self.opening.used(now);
            self.forget(now);
            return Start::Now;
        }
        self.opening.waited_for(now, true, round_trip);
        Start::At(self.opening.opens(in_flight).max(now + Duration::from_millis(1)))
    }

    /// What was accepted long ago says nothing about now.
    fn forget(&mut self, now: Duration) {
        if now > self.cycle.began + LONG_AGO {
            self.cycle = Cycle::new(now);
        }
    }

    fn end(
        &mut self,
        now: Duration,
        sent: Duration,
        probe: bool,
        feedback: Feedback,
        in_flight: usize,
        round_trip: &RoundTrip,
    ) {
        if let Some(closed) = self.closed.as_mut().filter(|_| probe) {
            closed.probed(now);
        }
        match feedback {
            Feedback::NoResponse => {}
            Feedback::Response => self.accepted(now, sent, round_trip),
            Feedback::Throttled => self.throttled(now, sent, in_flight, round_trip),
            Feedback::Unavailable => self.unavailable(now),
        }
    }

    fn accepted(&mut self, now: Duration, sent: Duration, round_trip: &RoundTrip) {
        self.unavailable = 0;
        if self.unavailable_share > 0.0 {
            self.unavailable_share -= self.unavailable_share * WEIGHT;
        }
        // What was sent before the limit closed says nothing about now.
        if self.closed.as_ref().is_some_and(|closed| sent >= closed.since) {
            self.reopen(now);
        }
        match &mut self.pace {
            Some(pace) => pace.accepted(now, sent, round_trip.smoothed().unwrap_or_default()),
            None if sent >= self.cycle.began => self.cycle.accept(now),
            None => {}
        }
    }

    fn reopen(&mut self, now: Duration) {
        let Some(Closed { since, by_throttling, .. }) = self.closed.take() else { return };
        let was_short = now.saturating_sub(since) < SHORT_OUTAGE;
        match &mut self.pace {
            Some(pace) if by_throttling => pace.release(now),
            Some(pace) if was_short => {
                pace.was_closed();
                pace.release(now);
            }
            Some(pace) if pace.is_measured() => pace.restart(now),
            pace => {
                *pace = None;
                self.opening = Opening::after_outage(now);
                self.cycle = Cycle::new(now);
            }
        }
    }

    fn throttled(&mut self, now: Duration, sent: Duration, in_flight: usize, round_trip: &RoundTrip) {
        self.unavailable = 0;
        let Some(pace) = &mut self.pace else {
            let rate = self.first_rate(now, in_flight, round_trip);
            self.pace = Some(Pace::new(now, sent, rate, self.cycle.clone()));
            return;
        };
        if pace.refused(now, sent) && self.closed.is_none() {
            self.close(now, true);
        }
    }

    /// Two guesses of what the service can take, of which the lower one counts: what has been accepted lags a round trip
    /// behind what was sent.
    fn first_rate(&self, now: Duration, in_flight: usize, round_trip: &RoundTrip) -> f64 {
        let at_once = round_trip.smoothed().map(|trip| in_flight as f64 / trip.as_secs_f64().max(0.001));
        let so_far = (1.5 * self.cycle.rate(now)).max(LEAST_FIRST_RATE);
        at_once.unwrap_or(f64::MAX).min(so_far)
    }

    fn unavailable(&mut self, now: Duration) {
        self.unavailable = self.unavailable.saturating_add(1);
        self.unavailable_share += (1.0 - self.unavailable_share) * WEIGHT;
        if self.closed.is_some() {
            return;
        }
        if self.unavailable >= UNAVAILABLE_IN_A_ROW {
            self.close(now, false);
        } else if let Some(pace) = self.pace.as_mut().filter(|_| self.unavailable_share > UNAVAILABLE_SHARE) {
            pace.unavailable(now, self.unavailable_share);
        }
    }

    fn close(&mut self, now: Duration, by_throttling: bool) {
        self.closed = Some(Closed { since: now, by_throttling, next_probe: now + PROBES.0, probing: false });
    }
}

impl Closed {
    fn start(&mut self, now: Duration) -> Start {
        match self.probing {
            true => Start::WhenReleased,
            false if now < self.next_probe => Start::At(self.next_probe),
            false => {
                self.probing = true;
                Start::Probe
            }
        }
    }

    /// A probe has ended; a success reopens the limit, whatever was set here.
    fn probed(&mut self, now: Duration) {
        self.probing = false;
        let wait = (now.saturating_sub(self.since) / PROBE_SHARE).clamp(PROBES.0, PROBES.1);
        self.next_probe = self.next_probe.max(now + wait);
    }
}
