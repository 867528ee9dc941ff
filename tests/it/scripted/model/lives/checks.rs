//! What must be true when a call has ended, and at every moment.

use reqwest_safe_retry::{Applied, StopReason};

use super::{
    super::checks::Told,
    facts::Facts,
    scenario::{Protection, Scenario},
};

impl Facts {
    /// A call has ended: whether its caller is told the truth.
    pub(super) fn told(&mut self, scenario: Scenario, life: usize, told: Told) -> Option<String> {
        // Without a journal a call speaks of itself alone.
        let by = if scenario.protection == Protection::Journal { None } else { Some(life) };
        let applied = by.map_or_else(|| self.service.applied(), |life| self.service.applied_by(life));
        let comes_after = self.lives[life].comes_after;
        let is_recorded = self.lives[life].has_recorded;
        let is_true = match told {
            Told::Success | Told::Failure(_, Applied::Yes) => self.service.applied() == 1,
            // True when it was recorded.
            Told::Failure(_, Applied::No) if is_recorded => true,
            Told::Failure(_, Applied::No) => {
                self.service.deny(by);
                applied == 0
            }
            // What is recorded to have taken effect never looks worse later.
            Told::Failure(..) if comes_after => false,
            // What was begun counts as sent.
            Told::Failure(StopReason::RunningElsewhere, Applied::Unknown) => true,
            // Another process has begun it since, and may have sent it.
            Told::Failure(_, Applied::Unknown) if life + 1 < self.lives.len() => true,
            Told::Failure(_, Applied::Unknown) => self.in_doubt || self.service.applied() > 0,
        };
        self.end_life(life);
        (!is_true).then(|| format!("process {life} is told {told:?}, {self:?}"))
    }

    /// Whether what the journal has recorded is true, and the write happened at most once, now and later.
    pub(super) fn violation(&self, scenario: Scenario) -> Option<String> {
        let settled = self.service.settled(scenario);
        if settled.applied() > 1 {
            return Some(format!("applied {} times, {self:?}", settled.applied()));
        }
        if settled.denied_took_effect() {
            return Some(format!("what was told never to take effect did so, {self:?}"));
        }
        self.is_untrue.then(|| format!("the journal has recorded what is not true, {self:?}"))
    }
}
