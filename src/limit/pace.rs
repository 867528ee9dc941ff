//! The rate at which attempts start once the service has refused one for its load.
//!
//! The rate is measured once a cycle of refusals: what the service has accepted from one run of refusals to the next is
//! what it can take. Times are since the limiter began.

use std::time::Duration;

use super::cycle::Cycle;

/// A paced rate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pace {
    /// Starts a second.
    rate: f64,
    /// The part of the rate that is used while refusals go on.
    brake: f64,
    /// The rate is this process's share of a fleet's.
    is_shared: bool,
    /// Nothing was refused to the fleet yet: the share grows while calls wait.
    is_growing: bool,
    /// A run of refusals goes on that may be over already: the brake is not on yet.
    warned: bool,
    next_start: Duration,
    /// When a refusal last counted: what was sent before does not count again.
    cut: Duration,
    last_refused: Duration,
    /// When there were last more refusals than strays.
    overloaded: Duration,
    /// The most that was accepted in a second, of which every cycle forgets a little.
    proven: f64,
    /// The share that is refused at rates which the service has proven to take: whatever the load.
    stray_share: f64,
    /// When the refusals began that go on, or have just ended.
    refused_since: Option<Duration>,
    cycle: Cycle,
    /// What was accepted since the last refusal, if that was in this cycle.
    flow: Option<Flow>,
    /// How often the rate was measured.
    measured: u32,
    growth: f64,
    grows_at: Duration,
    /// Whether calls have waited in this cycle: only then is what was accepted all that the service can take.
    was_needed: bool,
    last_needed: Duration,
    /// Until then twice as many start: what was missed while it was not known that the service accepts again.
    catches_up_until: Duration,
}

/// What is accepted after the refusals of a cycle; the next cycle begins with it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flow {
    began: Duration,
    accepted: u32,
}

/// This part of what was accepted is sent next.
const MARGIN: f64 = 0.98;
/// The least part of the rate that one cycle leaves.
const LEAST_KEPT: f64 = 0.8;
/// The slowest pace: one start a second.
const SLOWEST: f64 = 1.0;
const FASTEST: f64 = 1e6;
/// What is tried at first if nothing was accepted yet. A lower rate grows as the first one does.
pub(super) const LEAST_FIRST_RATE: f64 = 10.0;
/// A share may be slower: that of many processes.
const SLOWEST_SHARE: f64 = 0.01;
/// A cycle is at least so long and has so many outcomes, or is as long as the second time.
const SHORTEST_CYCLE: Duration = Duration::from_millis(600);
const LEAST_OUTCOMES: u32 = 10;
const LONG_CYCLE: Duration = Duration::from_millis(2400);
/// The last second of a cycle counts by itself if so many were accepted in it, after refusals that were shorter than this.
const LAST_SECOND_OF: u32 = 50;
const SHORT_REFUSALS: Duration = Duration::from_millis(1500);
/// Refusals below this part of what is proven are strays. A rate that followed them would sink without end: they are no
/// fewer at a lower rate.
const WELL_BELOW: f64 = 0.97;
/// No larger share is taken for strays: the service may take less than it did.
const MOST_STRAYS: f64 = 0.05;
/// Of so many attempts, or at so many a second, the largest share counts as strays at once: by chance alone there are not many
/// more. Of fewer only as many do as were learned.
const MANY: f64 = 200.0;
/// What is kept from cycle to cycle, of what is proven and of the share of strays.
const REMEMBERED: (f64, f64) = (0.99, 0.95);
/// The brake at which the limit closes.
const CLOSES_AT: f64 = 0.125;
/// The rate grows first by this share, then by twice as much each time.
const GROWTH: f64 = 0.01;
const FIRST_GROWTH: f64 = 0.5;
const GROWS_EVERY: Duration = Duration::from_millis(500);
const FIRST_GROWS_EVERY: Duration = Duration::from_millis(250);
/// So long without an overload; and without a queue, if the pace is not kept.
const NEEDLESS_AFTER: Duration = Duration::from_secs(10);
/// So long without an overload, the rate may be too low.
const GUESS_AFTER: Duration = Duration::from_secs(2);
/// No more than that is caught up, so that no burst is refused.
const MOST_CAUGHT_UP: Duration = Duration::from_millis(100);
/// A timer that fires late does not lose the starts that it was late for.
const LATE: Duration = Duration::from_millis(10);

impl Pace {
    /// After the first refusal, of an attempt that was sent then; `cycle` is what was accepted before.
    pub(super) fn new(now: Duration, sent: Duration, rate: f64, mut cycle: Cycle) -> Self {
        cycle.refused = 1;
        Self {
            rate: rate.clamp(SLOWEST, FASTEST),
            brake: 1.0,
            is_shared: false,
            is_growing: false,
            warned: false,
            next_start: now,
            cut: now,
            last_refused: sent,
            overloaded: now,
            proven: 0.0,
            stray_share: MOST_STRAYS,
            refused_since: Some(now),
            cycle,
            flow: None,
            measured: 0,
            growth: GROWTH,
            grows_at: now + FIRST_GROWS_EVERY,
            was_needed: false,
            last_needed: now,
            catches_up_until: Duration::ZERO,
        }
    }

    /// The rate of a share that a fleet's store has given.
    pub(super) fn shared(now: Duration, rate: f64, growing: bool) -> Self {
        let mut pace = Self::new(now, now, rate, Cycle::new(now));
        (pace.cycle.refused, pace.refused_since) = (0, None);
        pace.set_share(now, rate, growing);
        pace
    }

    /// The store has given another share.
    pub(super) fn set_share(&mut self, now: Duration, rate: f64, growing: bool) {
        (self.is_shared, self.is_growing) = (true, growing);
        self.rate = rate.clamp(SLOWEST_SHARE, FASTEST);
        // The next start was worked out from a slower rate.
        self.next_start = self.next_start.min(now + Duration::from_secs_f64(1.0 / self.per_second()));
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(super) fn is_growing(&self) -> bool {
        self.is_growing
    }

    /// There is no store any more: the share is the process's own rate, as if it had been measured.
    pub(super) fn leave(&mut self, now: Duration) {
        (self.is_shared, self.measured) = (false, self.measured.max(1));
        self.rate = self.rate.max(SLOWEST);
        self.restart(now);
    }

    /// Starts a second, without the brake.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Starts a second, with the brake.
    pub(super) fn per_second(&self) -> f64 {
        self.rate * self.brake
    }

    pub(super) fn is_measured(&self) -> bool {
        self.measured > 0
    }

    /// Takes the next start if it is due; otherwise says when it is.
    pub(super) fn start(&mut self, now: Duration) -> Result<(), Duration> {
        if self.next_start > now {
            return Err(self.next_start);
        }
        let interval = Duration::from_secs_f64(1.0 / self.per_second());
        let interval = if now < self.catches_up_until { interval / 2 } else { interval };
        self.next_start = self.next_start.max(now.saturating_sub(LATE)) + interval;
        Ok(())
    }

    /// Whether the limit closes.
    pub(super) fn refused(&mut self, now: Duration, sent: Duration, round_trip: Duration) -> bool {
        self.cycle.refuse(now);
        self.last_refused = self.last_refused.max(sent);
        self.flow = self.flow.filter(|flow| sent < flow.began);
        self.refused_since.get_or_insert(now);
        if !self.are_strays(now) {
            (self.growth, self.grows_at, self.overloaded) = (GROWTH, now + GROWS_EVERY, now);
        }
        // A service may refuse sooner than it does anything else: what was sent since the last cut and accepted is known after
        // a round trip.
        if sent <= self.cut || self.brake < 1.0 && now < self.cut + round_trip {
            return false;
        }
        self.cut = now;
        // Of many in flight, the first refused are known a round trip late: the service may accept again by now.
        if !self.warned && self.rate * round_trip.as_secs_f64() >= 1.0 {
            self.warned = true;
            return false;
        }
        self.slow_down(self.brake / 2.0, now);
        self.brake <= CLOSES_AT && !self.is_shared
    }

    /// The service is unavailable to this share of the attempts.
    pub(super) fn unavailable(&mut self, now: Duration, share: f64) {
        self.slow_down((2.0 * (1.0 - share)).clamp(CLOSES_AT, self.brake), now);
    }

    fn slow_down(&mut self, brake: f64, now: Duration) {
        self.brake = brake.max(CLOSES_AT);
        self.next_start = self.next_start.max(now + Duration::from_secs_f64(1.0 / self.per_second()));
    }

    /// Whether neither the cycle nor its last second has more refusals than strays.
    fn are_strays(&mut self, now: Duration) -> bool {
        let lately = (self.cycle.accepted_lately(now), self.cycle.refused_lately(now));
        let per_second = f64::from(lately.0).max(self.rate);
        [lately, (self.cycle.accepted, self.cycle.refused)].into_iter().all(|(accepted, refused)| {
            let accepted = f64::from(accepted);
            let share = if accepted.max(per_second) >= MANY { MOST_STRAYS } else { 1.5 * self.stray_share };
            let expected = share * accepted;
            // Some more come by chance.
            f64::from(refused) <= expected + 2.5 * expected.sqrt()
        })
    }

    /// What the cycle tells of the service: what it takes, and which share it refuses whatever the load.
    fn learn(&mut self, accepted_per_second: f64) {
        let refused = f64::from(self.cycle.refused);
        let share = refused / (refused + f64::from(self.cycle.accepted)).max(1.0);
        self.stray_share = match self.rate < WELL_BELOW * self.proven {
            true => (self.stray_share + (share - self.stray_share) / 4.0).min(MOST_STRAYS),
            false => REMEMBERED.1 * self.stray_share,
        };
        self.proven = accepted_per_second.max(REMEMBERED.0 * self.proven);
    }

    /// An attempt was not refused, but says nothing else.
    pub(super) fn not_refused(&mut self, now: Duration, sent: Duration) {
        if sent >= self.cycle.began {
            self.cycle.accept(now, 1);
            if let Some(flow) = self.flow.as_mut().filter(|flow| sent >= flow.began) {
                flow.accepted = flow.accepted.saturating_add(1);
            }
        }
    }

    pub(super) fn accepted(&mut self, now: Duration, sent: Duration, accepted: u32, round_trip: Duration) {
        if sent >= self.cycle.began {
            self.cycle.accept(now, accepted);
        }
        if sent > self.cut {
            self.release(now);
        }
        if self.is_shared {
            self.warned &= sent <= self.last_refused + round_trip / 4;
            return;
        }
        if sent > self.last_refused && self.cycle.refused > 0 {
            self.flows(now, sent, accepted, round_trip);
        }
        if self.measured == 0 && self.is_refused_still(now, round_trip) && self.cycle.length(sent) >= 4 * round_trip {
            self.rate = self.rate.min(self.cycle.rate(sent)).max(SLOWEST);
        }
    }

    /// Whether refusals go on. Once they have ended, the pace alone decides how many attempts are accepted, and that says
    /// nothing about the service.
    fn is_refused_still(&mut self, now: Duration, round_trip: Duration) -> bool {
        now < self.last_refused + 2 * round_trip && self.was_needed && !self.are_strays(now)
    }

    /// Nothing of what was sent after the last refused one has been refused so far.
    fn flows(&mut self, now: Duration, sent: Duration, accepted: u32, round_trip: Duration) {
        let flow = self.flow.map_or(Flow { began: sent, accepted: 0 }, |flow| Flow {
            accepted: flow.accepted.saturating_add(accepted),
            ..flow
        });
        self.flow = Some(flow);
        if sent > self.last_refused + round_trip / 4 {
            self.warned = false;
            self.measure(now, flow);
        }
    }

    /// Takes the brake off.
    pub(super) fn release(&mut self, now: Duration) {
        if self.brake < 1.0 {
            self.brake = 1.0;
            self.next_start = self.next_start.min(now + Duration::from_secs_f64(1.0 / self.rate));
        }
    }

    pub(super) fn catch_up(&mut self, now: Duration, missed: Duration) {
        self.catches_up_until = now + missed.min(MOST_CAUGHT_UP);
    }

    /// Nothing was refused for long, and nobody has waited: the pace keeps nothing from the service any more.
    pub(super) fn is_needless(&self, now: Duration) -> bool {
        let is_needed = now.saturating_sub(self.last_needed) < NEEDLESS_AFTER;
        !self.is_shared && !is_needed && self.no_overload_for(now, NEEDLESS_AFTER)
    }

    fn no_overload_for(&self, now: Duration, time: Duration) -> bool {
        now.saturating_sub(self.overloaded) >= time
    }

    /// The rate stays as it is, and is measured anew.
    pub(super) fn restart(&mut self, now: Duration) {
        self.release(now);
        (self.refused_since, self.flow) = (None, None);
        self.cycle = Cycle::new(now);
        self.next_start = now;
        self.grows_at = now + GROWS_EVERY;
    }

    /// A short outage counts as refusals.
    pub(super) fn was_closed(&mut self) {
        self.cycle.refused = self.cycle.refused.saturating_add(1);
    }

    /// Ends the cycle, if it was long enough to tell what the service can take.
    fn measure(&mut self, now: Duration, flow: Flow) {
        let length = self.cycle.length(flow.began);
        let cycle = &mut self.cycle;
        if !(length >= SHORTEST_CYCLE && cycle.outcomes() >= LEAST_OUTCOMES || length >= LONG_CYCLE) {
            return;
        }
        cycle.accepted = cycle.accepted.saturating_sub(flow.accepted);
        let refused_for = self.last_refused.saturating_sub(self.refused_since.unwrap_or(self.last_refused));
        let last_second = cycle.last_second(now);
        let it_counts = last_second >= LAST_SECOND_OF && refused_for < SHORT_REFUSALS;
        let best = if it_counts { f64::from(last_second) } else { 0.0 };
        let accepted = cycle.rate(flow.began).max(best);
        let measured = MARGIN * accepted;
        let are_strays = self.are_strays(now);
        self.learn(accepted);
        let least = match self.measured {
            _ if !self.was_needed || are_strays => self.rate,
            0 => SLOWEST,
            _ => LEAST_KEPT * self.rate,
        };
        self.rate = measured.max(least).clamp(SLOWEST, FASTEST);
        (self.refused_since, self.flow) = (None, None);
        self.cycle = Cycle::new(flow.began);
        self.cycle.accepted = flow.accepted;
        if !are_strays {
            self.measured = self.measured.saturating_add(1);
            self.was_needed = false;
            self.grows_at = now + GROWS_EVERY;
        }
    }

    /// The rate grows after a while without a refusal, if so many calls wait that it could be too low.
    pub(super) fn grow(&mut self, now: Duration, waiting: usize, turned_away: bool, round_trip: Duration) {
        if waiting > 1 || turned_away {
            (self.was_needed, self.last_needed) = (true, now);
        }
        if now < self.grows_at || self.is_shared {
            return;
        }
        // Few that call one after the other never wait in numbers, however slow the pace is.
        let is_needed = turned_away || waiting as f64 >= self.rate || waiting > 0 && self.is_guess(now);
        let (share, every) = match self.measured {
            0 => (FIRST_GROWTH, FIRST_GROWS_EVERY),
            // So low a rate may follow from a few refusals alone. If it is right, to grow costs only a few more.
            _ if self.rate < LEAST_FIRST_RATE => (FIRST_GROWTH, GROWS_EVERY),
            _ => (self.growth, GROWS_EVERY),
        };
        if is_needed {
            self.grows_at = now + every.max(2 * round_trip);
            self.rate = (self.rate * (1.0 + share)).min(FASTEST);
            self.growth = (2.0 * self.growth).min(1.0);
        }
    }

    /// Whether the rate may be lower than what the service takes.
    fn is_guess(&mut self, now: Duration) -> bool {
        self.measured == 0 && self.are_strays(now)
            || self.rate < WELL_BELOW * self.proven
            || self.no_overload_for(now, GUESS_AFTER)
    }
}

#[cfg(test)]
mod tests;
