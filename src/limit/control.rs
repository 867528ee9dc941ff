//! When the next attempt may start, by numbers alone: the rules of the limit.
//!
//! Until the service refuses an attempt for its load, as many are in flight as a cap allows that opens with time
//! ([`Opening`](super::opening::Opening)). From then on starts are paced ([`Pace`]). While every attempt is refused the
//! limit is closed, and one probe at a time finds out when the service is back. Times are since the limiter began.

use std::time::Duration;

use super::{
    adaptive::Adaptive,
    concurrency_limit::ConcurrencyLimit,
    feedback::{Change, Ended, Feedback, Start},
    pace::Pace,
    round_trip::RoundTrip,
    shared_limit::{LimitReport, LimitShare},
};

/// The state of a limit.
#[derive(Clone, Debug)]
pub(super) struct Control {
    round_trip: RoundTrip,
    limit: Limit,
}

#[derive(Clone, Debug)]
enum Limit {
    Fixed(usize),
    Adaptive(Box<Adaptive>),
}

impl Control {
    pub(super) fn new(limit: &ConcurrencyLimit) -> Self {
        let limit = match limit {
            ConcurrencyLimit::Fixed(most) => Limit::Fixed(*most as usize),
            ConcurrencyLimit::Adaptive | ConcurrencyLimit::Off => Limit::Adaptive(Box::new(Adaptive::new())),
        };
        Self { round_trip: RoundTrip::default(), limit }
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

    /// More are never in flight.
    pub(super) fn most(&self) -> usize {
        match self.limit {
            Limit::Fixed(most) => most,
            Limit::Adaptive(_) => usize::MAX,
        }
    }

    /// Below how many in flight an attempt may start whatever else is known; 0 if that has to be looked at.
    pub(super) fn open_below(&self, now: Duration) -> usize {
        match &self.limit {
            Limit::Fixed(most) => *most,
            Limit::Adaptive(adaptive) if adaptive.is_open() => adaptive.opening.cap(now),
            Limit::Adaptive(_) => 0,
        }
    }

    /// Whether each attempt that ends has to be looked at, even while the limit is open.
    pub(super) fn is_watching(&self) -> bool {
        matches!(&self.limit, Limit::Adaptive(adaptive) if adaptive.is_watching())
    }

    /// Whether an attempt may start now; otherwise when to ask again. `waiting` calls are in the queue, this one included.
    pub(super) fn start(&mut self, now: Duration, in_flight: usize, waiting: usize, turned_away: bool) -> Start {
        match &mut self.limit {
            Limit::Fixed(most) if in_flight < *most => Start::Now,
            Limit::Fixed(_) => Start::WhenReleased,
            Limit::Adaptive(adaptive) => {
                adaptive.start(now, in_flight, waiting, turned_away, self.round_trip.smoothed())
            }
        }
    }

    /// Nobody waits any more.
    pub(super) fn queue_is_empty(&mut self, now: Duration) {
        if let Limit::Adaptive(adaptive) = &mut self.limit {
            adaptive.opening.waited_for(now, false, self.round_trip.smoothed());
        }
    }

    /// An attempt has ended.
    pub(super) fn end(&mut self, now: Duration, ended: &Ended) -> Option<Change> {
        if ended.feedback == Feedback::Response {
            self.round_trip.add(now.saturating_sub(ended.sent));
        }
        let Limit::Adaptive(adaptive) = &mut self.limit else { return None };
        let was_closed = adaptive.closed.is_some();
        adaptive.end(now, ended, &self.round_trip);
        Change::between(was_closed, adaptive.closed.is_some())
    }

    /// The service asks for a wait: while the limit is closed, its next probe keeps it. Whether that has changed.
    pub(super) fn hint(&mut self, now: Duration, hint: Duration) -> bool {
        let Limit::Adaptive(adaptive) = &mut self.limit else { return false };
        adaptive.closed.as_mut().is_some_and(|closed| closed.hint(now, hint))
    }

    /// Shares the limit with other processes from now on. Returns whether that is possible: of an adaptive one.
    pub(super) fn join(&mut self, now: Duration) -> bool {
        let Limit::Adaptive(adaptive) = &mut self.limit else { return false };
        adaptive.join(now);
        true
    }

    /// What is to be reported, with so many successes that were not counted before.
    pub(super) fn report(&mut self, now: Duration, accepted: u32, report: &mut LimitReport) {
        report.round_trip = self.round_trip.smoothed().unwrap_or_default();
        if let Limit::Adaptive(adaptive) = &mut self.limit {
            adaptive.report(now, accepted, report);
        }
    }

    /// The share that the store gives; or none, as it has not answered.
    pub(super) fn receive(&mut self, now: Duration, share: Option<&LimitShare>) -> Option<Change> {
        let Limit::Adaptive(adaptive) = &mut self.limit else { return None };
        let was_closed = adaptive.closed.is_some();
        match share {
            Some(share) => adaptive.receive(now, share),
            None => adaptive.leave_if_lost(now),
        }
        Change::between(was_closed, adaptive.closed.is_some())
    }

    /// The time that an attempt needs.
    pub(super) fn needed(&self) -> Duration {
        self.round_trip.expected()
    }

    /// The expected wait of a call with so many ahead of it; zero while the rate is unknown, or grows with the queue.
    pub(super) fn expected_wait(&self, ahead: usize) -> Duration {
        match &self.limit {
            Limit::Adaptive(adaptive) if adaptive.pace.as_ref().is_some_and(Pace::is_growing) => Duration::ZERO,
            _ => self.time_for(ahead),
        }
    }

    /// The time in which so many start, if nothing changes; zero while that is unknown.
    pub(super) fn time_for(&self, starts: usize) -> Duration {
        let per_second = match &self.limit {
            Limit::Fixed(most) => self.round_trip.smoothed().map(|trip| *most as f64 / trip.as_secs_f64().max(1e-6)),
            Limit::Adaptive(adaptive) => adaptive.pace.as_ref().map(Pace::per_second),
        };
        let wait = per_second.map_or(0.0, |per_second| starts as f64 / per_second);
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
    }
}
