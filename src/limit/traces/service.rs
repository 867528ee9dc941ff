//! A service that is played.

use std::{mem, time::Duration};

use super::{
    super::feedback::Feedback,
    MS,
    scenarios::{Phase, Scenario},
};

/// A service that accepts so many attempts in each second, and has other faults.
pub(super) struct Service<'a> {
    phases: &'a [Phase],
    second: u64,
    accepted: u32,
    random: u64,
    /// When the store was last lost.
    lost: Duration,
}

/// What becomes of an attempt.
pub(super) struct Answer {
    pub(super) ends: Duration,
    pub(super) feedback: Feedback,
    pub(super) hint: Option<Duration>,
}

impl<'a> Service<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        Self { phases: &scenario.phases, second: 0, accepted: 0, random: 1, lost: Duration::ZERO }
    }

    pub(super) fn phase(&self, now: Duration) -> &'a Phase {
        let begun = self.phases.iter().take_while(|phase| phase.from <= now).count();
        &self.phases[begun - 1]
    }

    /// Whether the store of the fleet was lost since it was last asked.
    pub(super) fn begins_with_a_new_store(&mut self, now: Duration) -> bool {
        let Phase { from, store_is_lost, .. } = *self.phase(now);
        store_is_lost && mem::replace(&mut self.lost, from) != from
    }

    pub(super) fn answer(&mut self, now: Duration) -> Answer {
        let phase = self.phase(now);
        if self.second != now.as_secs() {
            (self.second, self.accepted) = (now.as_secs(), 0);
        }
        let (strays, unavailable) = (phase.strays, phase.strays + phase.unavailable);
        let drawn = self.random(100);
        let feedback = match drawn {
            _ if self.accepted >= phase.accepts => Feedback::Throttled,
            _ if drawn < strays => Feedback::Throttled,
            _ if drawn < unavailable => Feedback::Unavailable,
            _ if drawn < unavailable + phase.silent => Feedback::NoResponse,
            _ => Feedback::Response,
        };
        let is_refused = feedback == Feedback::Throttled;
        self.accepted += u32::from(!is_refused);
        let takes = if is_refused { phase.refuses_in } else { phase.takes };
        // A quarter more at most, in microseconds.
        let ends = now + MS(takes) + Duration::from_micros(u64::from(self.random(takes as u32 * 250 + 1)));
        Answer { ends, feedback, hint: phase.hint.filter(|_| is_refused) }
    }

    /// The same numbers with every version of every crate: Knuth's linear congruential generator.
    fn random(&mut self, below: u32) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 32) % u64::from(below)) as u32
    }
}
