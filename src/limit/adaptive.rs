//! A limit that finds out what the service can take.

use std::time::Duration;

use super::{
    closed::Closed,
    cycle::Cycle,
    feedback::{Ended, Feedback, Start},
    member::{self, Member},
    opening::Opening,
    pace::{LEAST_FIRST_RATE, Pace},
    round_trip::RoundTrip,
    shared_limit::{LimitReport, LimitShare},
};

/// Open until the first refusal, then paced, and closed while every attempt is refused.
#[derive(Clone, Debug)]
pub(super) struct Adaptive {
    pub(super) opening: Opening,
    /// Once an attempt was refused.
    pub(super) pace: Option<Pace>,
    pub(super) closed: Option<Closed>,
    /// Attempts that found the service unavailable since the last that did not.
    unavailable: u32,
    /// Their share of all attempts, of which each counts for less as others follow.
    unavailable_share: f64,
    /// What the service has accepted lately, until it first refuses.
    cycle: Cycle,
    /// Until when that is counted.
    counted_until: Duration,
    /// If the limit is shared with other processes.
    member: Option<Member>,
}

/// So long the accepted attempts are counted from which the first rate follows.
const LONG_AGO: Duration = Duration::from_millis(2400);
/// So many attempts in a row that found the service unavailable close the limit.
const UNAVAILABLE_IN_A_ROW: u32 = 16;
/// Above this share of unavailable attempts the pace is slowed down.
const UNAVAILABLE_SHARE: f64 = 0.6;
/// One attempt's weight in that share.
const WEIGHT: f64 = 1.0 / 32.0;
/// Below this share the service is as good as available.
const NEGLIGIBLE_SHARE: f64 = 0.02;
/// A longer pause is not taken from another process.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A shorter outage counts as refusals.
const SHORT_OUTAGE: Duration = Duration::from_millis(1500);

impl Adaptive {
    pub(super) fn new() -> Self {
        Self {
            opening: Opening::at(Duration::ZERO),
            pace: None,
            closed: None,
            unavailable: 0,
            unavailable_share: 0.0,
            cycle: Cycle::new(Duration::ZERO),
            counted_until: Duration::ZERO,
            member: None,
        }
    }

    /// Nothing but the number in flight keeps an attempt from starting.
    pub(super) fn is_open(&self) -> bool {
        self.pace.is_none() && self.closed.is_none()
    }

    /// The service was unavailable lately: each attempt that ends says whether it still is.
    pub(super) fn is_watching(&self) -> bool {
        self.unavailable > 0 || self.unavailable_share >= NEGLIGIBLE_SHARE
    }

    pub(super) fn limit(&self, now: Duration, round_trip: &RoundTrip) -> usize {
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

    pub(super) fn start(
        &mut self,
        now: Duration,
        in_flight: usize,
        waiting: usize,
        turned_away: bool,
        round_trip: Option<Duration>,
    ) -> Start {
        self.leave_if_lost(now);
        if let Some(closed) = &mut self.closed {
            return match self.member.as_mut().filter(|member| member.is_live(now)) {
                None => closed.start(now),
                Some(member) => match member.take_probe() {
                    true => closed.start_told(now),
                    false => Start::At(member.live_until()),
                },
            };
        }
        if self.pace.as_ref().is_some_and(|pace| pace.is_needless(now)) {
            self.reset(now, Opening::at(now));
        }
        if let Some(pace) = &mut self.pace {
            pace.grow(now, waiting, turned_away, round_trip.unwrap_or_default());
            // When a share ends, another pace begins.
            let share_ends = self.member.as_ref().filter(|member| member.is_live(now)).map(Member::live_until);
            let at = |at: Duration| Start::At(share_ends.map_or(at, |ends| at.min(ends)));
            return pace.start(now).map_or_else(at, |()| Start::Now);
        }
        if self.opening.has_room(now, in_flight) {
            return Start::Now;
        }
        self.opening.waited_for(now, true, round_trip);
        Start::At(self.opening.opens(in_flight).max(now + Duration::from_millis(1)))
    }

    fn reset(&mut self, now: Duration, opening: Opening) {
        (self.pace, self.opening) = (None, opening);
        (self.cycle, self.counted_until) = (Cycle::new(now), now);
    }

    pub(super) fn end(&mut self, now: Duration, ended: &Ended, round_trip: &RoundTrip) {
        let Ended { sent, probe, feedback, in_flight, accepted } = *ended;
        if let Some(closed) = self.closed.as_mut().filter(|_| probe) {
            closed.probed(now);
        }
        if self.pace.is_none() {
            self.count(now, accepted);
        }
        if let Some(member) = &mut self.member {
            member.ended(ended);
        }
        match feedback {
            Feedback::NoResponse => self.not_refused(now, sent),
            Feedback::Failed => {
                self.answered(now, sent, round_trip);
                self.not_refused(now, sent);
            }
            Feedback::Response => self.accepted(now, sent, accepted, round_trip),
            Feedback::Throttled => self.throttled(now, sent, in_flight, round_trip),
            Feedback::Unavailable => self.unavailable(now, sent),
        }
    }

    /// It counts as accepted: the service has not refused it for its load.
    fn not_refused(&mut self, now: Duration, sent: Duration) {
        match &mut self.pace {
            _ if self.closed.is_some() => {}
            Some(pace) => pace.not_refused(now, sent),
            None => self.cycle.accept(now, 1),
        }
    }

    /// Successes before the first refusal. Those of long ago say nothing about now.
    fn count(&mut self, now: Duration, accepted: u32) {
        if now > self.cycle.began + LONG_AGO {
            self.cycle = Cycle::new(self.counted_until);
        }
        self.cycle.accept(now, accepted);
        self.counted_until = now;
    }

    fn accepted(&mut self, now: Duration, sent: Duration, accepted: u32, round_trip: &RoundTrip) {
        if self.unavailable_share > 0.0 {
            self.unavailable_share -= self.unavailable_share * WEIGHT;
        }
        self.answered(now, sent, round_trip);
        match &mut self.pace {
            Some(pace) => pace.accepted(now, sent, accepted, round_trip.smoothed().unwrap_or_default()),
            None => self.opening.used(now),
        }
    }

    /// The service itself has responded: it is reachable.
    fn answered(&mut self, now: Duration, sent: Duration, round_trip: &RoundTrip) {
        self.unavailable = 0;
        // What was sent before the limit closed says nothing about now.
        if self.closed.as_ref().is_some_and(|closed| sent >= closed.since) {
            self.reopen(now, round_trip.smoothed().unwrap_or_default());
        }
    }

    fn reopen(&mut self, now: Duration, round_trip: Duration) {
        let Some(closed) = self.closed.take() else { return };
        let unnoticed = closed.unnoticed();
        let Closed { since, by_throttling, .. } = closed;
        let was_short = now.saturating_sub(since) < SHORT_OUTAGE;
        match &mut self.pace {
            Some(pace) if pace.is_shared() => pace.release(now),
            Some(pace) if by_throttling => {
                pace.release(now);
                pace.catch_up(now, unnoticed + round_trip);
            }
            Some(pace) if was_short => {
                pace.was_closed();
                pace.release(now);
            }
            Some(pace) if pace.is_measured() => pace.restart(now),
            _ => self.reset(now, Opening::after_outage(now)),
        }
    }

    fn throttled(&mut self, now: Duration, sent: Duration, in_flight: usize, round_trip: &RoundTrip) {
        self.unavailable = 0;
        let Some(pace) = &mut self.pace else {
            // A service may refuse sooner than it does anything else: of those in flight, most may still be accepted.
            self.cycle.refused = self.cycle.refused.saturating_add(1);
            if self.cycle.accepted == 0 && (self.cycle.refused as usize) < in_flight {
                return;
            }
            let rate = self.first_rate(now, in_flight, round_trip);
            self.pace = Some(Pace::new(now, sent, rate, self.cycle.clone()));
            return;
        };
        let round_trip = round_trip.smoothed().unwrap_or_default();
        if pace.refused(now, sent, round_trip) && self.closed.is_none() {
            self.close(now, true);
        }
    }

    /// Two guesses of what the service can take, of which the lower one counts: what has been accepted lags a round trip
    /// behind what was sent.
    fn first_rate(&self, now: Duration, in_flight: usize, round_trip: &RoundTrip) -> f64 {
        let at_once = round_trip.smoothed().map(|trip| in_flight as f64 / trip.as_secs_f64().max(0.001));
        let so_far = self.cycle.rate(now.saturating_sub(self.lag(now, round_trip))).max(LEAST_FIRST_RATE);
        at_once.unwrap_or(f64::MAX).min(so_far)
    }

    /// The round trip by which responses lag behind the attempts. Without it the rate is lower. That is right for a crowd,
    /// where it is zero; of few calls too few responses are known yet, and the rate would be too low.
    fn lag(&self, now: Duration, round_trip: &RoundTrip) -> Duration {
        let is_crowd = self.opening.has_grown(now);
        round_trip.smoothed().filter(|_| !is_crowd).unwrap_or_default()
    }

    fn unavailable(&mut self, now: Duration, sent: Duration) {
        self.unavailable = self.unavailable.saturating_add(1);
        self.unavailable_share += (1.0 - self.unavailable_share) * WEIGHT;
        if self.closed.is_some() {
            return;
        }
        if self.unavailable >= UNAVAILABLE_IN_A_ROW && !self.is_live(now) {
            self.close(now, false);
        } else if self.unavailable_share <= UNAVAILABLE_SHARE {
            self.not_refused(now, sent);
        } else if let Some(pace) = &mut self.pace {
            pace.unavailable(now, self.unavailable_share);
        }
    }

    fn close(&mut self, now: Duration, by_throttling: bool) {
        self.closed = Some(Closed::new(now, by_throttling));
    }

    /// From now on the limit is shared.
    pub(super) fn join(&mut self, now: Duration) {
        self.member = Some(Member::default());
        if self.is_open() {
            self.opening = Opening::of_member(now);
        }
    }

    fn is_live(&self, now: Duration) -> bool {
        self.member.as_ref().is_some_and(|member| member.is_live(now))
    }

    /// The store has not answered for long: the process goes on with what it has.
    pub(super) fn leave_if_lost(&mut self, now: Duration) {
        if !self.member.as_mut().is_some_and(|member| member.has_lost(now)) {
            return;
        }
        if let Some(closed) = &mut self.closed {
            closed.next_probe = now.max(closed.asked_until);
        }
        match self.pace.as_mut().filter(|pace| pace.is_shared()) {
            Some(pace) if pace.is_growing() => self.reset(now, Opening::at(now)),
            Some(pace) => pace.leave(now),
            None => {}
        }
    }

    /// Fills in a report.
    pub(super) fn report(&mut self, now: Duration, accepted: u32, report: &mut LimitReport) {
        if self.pace.is_none() {
            self.count(now, accepted);
        }
        report.rate = self.pace.as_ref().map_or(0.0, Pace::rate);
        let asked_until = self.closed.as_ref().map(|closed| closed.asked_until);
        report.pause = asked_until.and_then(|until| until.checked_sub(now)).filter(|pause| !pause.is_zero());
        if let Some(member) = &mut self.member {
            member.accepted(accepted);
            member.report(now, report);
        }
    }

    /// The store's answer to a report.
    pub(super) fn receive(&mut self, now: Duration, share: &LimitShare) {
        let Some(member) = &mut self.member else { return };
        member.receive(now, share);
        match (share.rate, &mut self.pace) {
            (Some(rate), Some(pace)) => pace.set_share(now, rate, share.growing),
            (Some(rate), None) => self.pace = Some(Pace::shared(now, rate, share.growing)),
            (None, Some(pace)) if pace.is_shared() => self.reset(now, Opening::at(now)),
            (None, None) => self.opening.widen(now),
            (None, Some(_)) => {}
        }
        if !share.closed {
            self.closed = None;
            return;
        }
        let closed = self.closed.get_or_insert_with(|| Closed::new(now, true));
        closed.asked_until = closed.asked_until.max(now + share.pause.unwrap_or_default().min(LONGEST_PAUSE));
        closed.next_probe = closed.asked_until.max(now + member::next_report(share));
    }
}
