//! What a store knows of a limit that processes share: the rules of the limit, applied to what all of them report.
//!
//! Times are milliseconds of the store's clock. Everything is a number that Lua has too, so that a script can follow the
//! same steps.

use std::{collections::BTreeMap, time::Duration};

use super::shared_limit::{LimitReport, LimitShare};

/// The state of one limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FleetState {
    /// When a process last reported anything; none has if 0.
    reported: f64,
    /// When the first one did.
    began: f64,
    members: BTreeMap<u64, Member>,
    /// Starts a second of all processes, until an attempt is refused.
    open: f64,
    /// Starts a second of all processes, once an attempt was refused.
    rate: f64,
    measured: bool,
    cycle: Cycle,
    last_accepted: f64,
    last_refused: f64,
    /// Since when attempts have been refused, while they are.
    refusing_since: Option<f64>,
    /// How many in a row.
    refusals: f64,
    closed: Closed,
    growth: f64,
    grows_at: f64,
    /// When there were last more refusals than at random.
    overloaded: f64,
    probes_at: f64,
    paused_until: f64,
    /// When a call last waited, or an attempt was refused.
    needed: f64,
    /// Until when a new state is built from what the processes hold.
    gathers_until: f64,
    /// What those held that have joined by then.
    gathered: f64,
    levels: Levels,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Member {
    /// Starts a second that it could use beside those it has.
    wanted: f64,
    /// The same when the rate was last divided.
    wanted_then: f64,
    leaves_at: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Closed {
    #[default]
    No,
    /// Every attempt is refused for the load.
    Refused,
    /// Every attempt finds the service unavailable.
    Unavailable,
}

/// What was accepted and refused since the rate was last measured.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cycle {
    began: f64,
    accepted: f64,
    refused: f64,
    /// The most that were accepted in any second.
    best: f64,
    /// What was accepted in each tenth of the last second.
    tenths: [(f64, f64); 10],
}

/// How the rate is divided, which is worked out from time to time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Levels {
    at: f64,
    /// No process gets more of it for what it wants.
    level: f64,
    /// An equal part.
    equal: f64,
    /// What is left then, for each.
    spare: f64,
}

const OPENS_WITH: f64 = 320.0;
const DOUBLES_IN: f64 = 180.0;
/// From here on an open limit delays nobody.
const FREE: f64 = 20_000.0;
/// What a process that wants nothing has at least, of an equal part.
const LEAST_SHARE: f64 = 0.1;
const MEMBER_FOR: f64 = 2_000.0;
/// After such a silence nothing is measured across it.
const SILENCE: f64 = 500.0;
const SHORTEST_CYCLE: f64 = 600.0;
const SHORT_REFUSALS: f64 = 1_500.0;
const BEST_SECOND_OF: f64 = 50.0;
const MARGIN: f64 = 0.98;
const LEAST_KEPT: f64 = 0.8;
/// This share of the attempts may be refused at random, and in a cycle some more by chance.
const STRAYS: f64 = 0.03;
const GROWTH: f64 = 0.02;
const GROWS_EVERY: f64 = 500.0;
/// So long without an overload, the rate may be too low for the few that wait.
const GUESS_AFTER: f64 = 2_000.0;
const CLOSES_AFTER: f64 = 16.0;
const PROBES: (f64, f64) = (20.0, 5_000.0);
const LEVELS_EVERY: f64 = 50.0;
/// The calls that wait are to start within this time.
const WAITING_STARTS_IN: f64 = 250.0;
/// So long without a refusal and without a queue.
const NEEDLESS_AFTER: f64 = 10_000.0;
/// How long a state is built from what the processes hold: they notice within such a time that the store is back.
const GATHERING: f64 = 800.0;
const NEXT_REPORT: Duration = Duration::from_millis(200);
const NEXT_REPORT_SOON: Duration = Duration::from_millis(100);
/// Of so many processes each changes the share of the others.
const FEW_MEMBERS: usize = 1_000;
/// More processes do not share a limit.
const MOST_MEMBERS: usize = 10_000;

impl FleetState {
    /// Takes a report, and returns the process's share.
    pub(crate) fn publish(&mut self, now: f64, report: &LimitReport) -> LimitShare {
        let has_joined = self.join(now, report);
        self.count(now, report);
        if report.accepted > 0 && self.last_accepted >= self.last_refused {
            self.flows(now);
        } else if report.refused + report.unavailable > 0 {
            self.refuses(now, report);
        }
        if has_joined && self.members.len() <= FEW_MEMBERS || now >= self.levels.at + LEVELS_EVERY {
            self.divide(now);
        }
        self.share(now, report)
    }

    /// Whether it is a new process.
    fn join(&mut self, now: f64, report: &LimitReport) -> bool {
        let is_new = self.reported == 0.0;
        if is_new {
            // The clock may begin anywhere: what never happened is not long ago.
            (self.began, self.levels.at) = (now, now);
            (self.open, self.needed) = (OPENS_WITH, now);
            self.gathers_until = if report.rate > 0.0 { now + GATHERING } else { now };
        }
        if is_new || now > self.reported + SILENCE {
            self.closed = Closed::No;
            self.begin_cycle(now);
        }
        self.reported = now;
        let wanted = report.waiting as f64 * 1000.0 / WAITING_STARTS_IN;
        if wanted > 0.0 || report.refused > 0 {
            self.needed = now;
        }
        let known = self.members.len();
        if known < MOST_MEMBERS || self.members.contains_key(&report.process) {
            let member = self.members.entry(report.process).or_default();
            *member = Member { wanted, leaves_at: now + MEMBER_FOR, ..*member };
        }
        let has_joined = self.members.len() > known;
        if now < self.gathers_until {
            self.gathered += if has_joined { report.rate } else { 0.0 };
            (self.rate, self.measured) = (self.gathered, true);
        }
        has_joined
    }

    fn count(&mut self, now: f64, report: &LimitReport) {
        self.cycle.accept(now, f64::from(report.accepted));
        self.cycle.refused += f64::from(report.refused);
        if let Some(ago) = report.last_accepted.filter(|_| report.accepted > 0) {
            self.last_accepted = self.last_accepted.max(now - milliseconds(ago));
        }
        if let Some(ago) = report.last_refused {
            self.last_refused = self.last_refused.max(now - milliseconds(ago));
        }
        if let Some(pause) = report.pause {
            self.paused_until = self.paused_until.max(now + milliseconds(pause));
        }
        if report.refused > 0 && !self.cycle.are_strays(now) {
            (self.growth, self.grows_at, self.overloaded) = (GROWTH, now + GROWS_EVERY, now);
        }
        if report.refused > 0 && self.rate == 0.0 {
            self.rate = self.open.min(self.cycle.lately(now).max(OPENS_WITH));
        }
    }

    /// What is sent is accepted.
    fn flows(&mut self, now: f64) {
        self.refusals = 0.0;
        let Some(since) = self.refusing_since.take() else { return };
        if self.closed != Closed::No || !self.cycle.are_strays(now) {
            self.grows_at = now + GROWS_EVERY;
        }
        match self.closed {
            Closed::Unavailable => {
                self.open = OPENS_WITH;
                self.begin_cycle(now);
            }
            _ if self.cycle.refused > 0.0 && now >= self.cycle.began + SHORTEST_CYCLE => self.measure(now, since),
            _ => {}
        }
        self.closed = Closed::No;
    }

    fn measure(&mut self, now: f64, refusing_since: f64) {
        if self.cycle.are_strays(now) {
            self.begin_cycle(now);
            return;
        }
        let is_short = self.last_refused - refusing_since < SHORT_REFUSALS;
        let best = if is_short && self.cycle.best >= BEST_SECOND_OF { self.cycle.best } else { 0.0 };
        let accepted = self.cycle.accepted * 1000.0 / (now - self.cycle.began);
        let least = if self.measured { LEAST_KEPT * self.rate } else { 1.0 };
        (self.rate, self.measured) = ((MARGIN * accepted.max(best)).max(least), true);
        self.begin_cycle(now);
    }

    fn begin_cycle(&mut self, now: f64) {
        self.cycle = Cycle { began: now, ..Cycle::default() };
    }

    fn refuses(&mut self, now: f64, report: &LimitReport) {
        self.refusing_since.get_or_insert(now);
        self.refusals += f64::from(report.refused) + f64::from(report.unavailable);
        let silent_for = self.last_refused - self.last_accepted.max(self.began);
        let is_down = report.unavailable > 0;
        let all_refused = silent_for > (2.0 * milliseconds(report.round_trip)).max(50.0);
        if self.closed == Closed::No && self.refusals >= CLOSES_AFTER && (is_down || all_refused) {
            self.closed = if is_down { Closed::Unavailable } else { Closed::Refused };
            self.probes_at = now + PROBES.0;
        }
    }

    /// Divides the rate: each gets what it wants up to a level that all have, and an equal part of what is left.
    fn divide(&mut self, now: f64) {
        self.members.retain(|_, member| member.leaves_at > now);
        self.members.values_mut().for_each(|member| member.wanted_then = member.wanted);
        let passed = (now - self.levels.at).clamp(0.0, 2.0 * LEVELS_EVERY);
        let mut wanted: Vec<f64> = self.members.values().map(|member| member.wanted).collect();
        wanted.sort_unstable_by(f64::total_cmp);
        let waiting = wanted.iter().sum::<f64>() * WAITING_STARTS_IN / 1000.0;
        if self.rate > 0.0 && now > self.needed + NEEDLESS_AFTER && now > self.last_refused + NEEDLESS_AFTER {
            self.open = self.rate.max(OPENS_WITH);
            (self.rate, self.measured) = (0.0, false);
        }
        if self.rate == 0.0 && waiting > 0.0 {
            self.open = (self.open * (passed / DOUBLES_IN).exp2()).min(2.0 * FREE);
        }
        let may_be_too_low = waiting >= self.rate || waiting > 1.0 && now > self.overloaded + GUESS_AFTER;
        if self.rate > 0.0 && self.closed == Closed::No && may_be_too_low && now >= self.grows_at {
            self.grow(now);
        }
        let rate = if self.rate > 0.0 { self.rate } else { self.open };
        self.levels = fair_levels(now, rate, &wanted);
    }

    fn grow(&mut self, now: f64) {
        let share = if self.measured { self.growth } else { 0.5 };
        self.rate *= 1.0 + share;
        self.growth = (2.0 * self.growth).min(1.0);
        self.grows_at = now + if self.measured { GROWS_EVERY } else { GROWS_EVERY / 2.0 };
    }

    fn share(&mut self, now: f64, report: &LimitReport) -> LimitShare {
        let Member { wanted, wanted_then, .. } = self.members.get(&report.process).copied().unwrap_or_default();
        let Levels { level, equal, spare, .. } = self.levels;
        // It wants more than was known when the rate was divided, and so may the others.
        let granted = wanted.min(level).min(wanted_then.max(equal));
        let is_closed = self.closed != Closed::No;
        let is_free = self.rate == 0.0 && self.open >= FREE;
        let growing = self.rate == 0.0 && !is_free;
        let rate = if now < self.gathers_until { report.rate } else { (granted + spare).max(LEAST_SHARE * equal) };
        let is_due = now >= self.probes_at.max(self.paused_until);
        let probe = is_closed && report.waiting > 0 && is_due;
        if probe {
            let refusing_for = now - self.refusing_since.unwrap_or(now);
            let wait = (refusing_for / 16.0).clamp(PROBES.0, PROBES.1);
            self.probes_at = now + wait.max(milliseconds(report.round_trip));
        }
        let is_soon = is_closed || granted < wanted.min(level) || growing;
        LimitShare {
            rate: (!is_free).then_some(rate),
            growing,
            closed: is_closed,
            probe,
            pause: (is_closed && self.paused_until > now).then(|| from_milliseconds(self.paused_until - now)),
            next_report: if is_soon { NEXT_REPORT_SOON } else { NEXT_REPORT },
        }
    }
}

impl Cycle {
    fn accept(&mut self, now: f64, accepted: f64) {
        self.accepted += accepted;
        let tenth = (now / 100.0).floor();
        let place = &mut self.tenths[(tenth % 10.0) as usize];
        *place = if place.0 == tenth { (tenth, place.1 + accepted) } else { (tenth, accepted) };
        if now >= self.began + SHORTEST_CYCLE {
            self.best = self.best.max(self.lately(now));
        }
    }

    /// Whether so few refusals may have come at random.
    fn are_strays(&self, now: f64) -> bool {
        let expected = STRAYS * self.lately(now).min(self.accepted);
        self.refused <= 1.0 + expected + 2.5 * expected.sqrt()
    }

    /// What was accepted in the last second.
    fn lately(&self, now: f64) -> f64 {
        let tenth = (now / 100.0).floor();
        self.tenths.iter().filter(|(at, _)| at + 10.0 > tenth).map(|(_, accepted)| accepted).sum()
    }
}

/// `wanted` in ascending order.
fn fair_levels(now: f64, rate: f64, wanted: &[f64]) -> Levels {
    let (mut left, mut members) = (rate, wanted.len() as f64);
    let equal = rate / members.max(1.0);
    for &wanted in wanted {
        if wanted * members >= left {
            return Levels { at: now, level: left / members, equal, spare: 0.0 };
        }
        left -= wanted;
        members -= 1.0;
    }
    Levels { at: now, level: f64::MAX, equal, spare: left / (wanted.len() as f64).max(1.0) }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The longest duration is rounded up to what is none.
fn from_milliseconds(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or(Duration::MAX)
}
