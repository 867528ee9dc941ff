//! What the service has accepted and refused since the rate was last measured.

use std::time::Duration;

/// From one measurement to the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cycle {
    pub(super) began: Duration,
    /// All that were not refused, whatever else became of them.
    pub(super) accepted: u32,
    pub(super) refused: u32,
    /// The tenths of the last second.
    recent: [Tenth; 10],
    /// The one that goes on.
    tenth: Tenth,
}

/// A tenth of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tenth {
    number: u64,
    accepted: u32,
    refused: u32,
}

impl Cycle {
    pub(super) fn new(now: Duration) -> Self {
        let none = Tenth::default();
        Self { began: now, accepted: 0, refused: 0, recent: [none; 10], tenth: none }
    }

    pub(super) fn accept(&mut self, now: Duration, count: u32) {
        self.accepted = self.accepted.saturating_add(count);
        self.begin_tenth(tenth(now));
        self.tenth.accepted = self.tenth.accepted.saturating_add(count);
    }

    pub(super) fn refuse(&mut self, now: Duration) {
        self.refused = self.refused.saturating_add(1);
        self.begin_tenth(tenth(now));
        self.tenth.refused = self.tenth.refused.saturating_add(1);
    }

    /// What was accepted in the last ten whole tenths of a second.
    pub(super) fn last_second(&mut self, now: Duration) -> u32 {
        self.last_tenths(now).map(|tenth| tenth.accepted).sum()
    }

    fn last_tenths(&mut self, now: Duration) -> impl Iterator<Item = &Tenth> {
        let now = tenth(now);
        self.begin_tenth(now);
        self.recent.iter().filter(move |tenth| tenth.number + 10 >= now)
    }

    /// What was accepted since the cycle began, or in the last second if that is less. In the first second of a cycle the
    /// current tenth counts before it is over: there may be no other.
    pub(super) fn accepted_lately(&mut self, now: Duration) -> u32 {
        match self.length(now) < Duration::from_secs(1) {
            true => self.accepted,
            false => self.last_second(now).min(self.accepted),
        }
    }

    /// What was refused in the last second, or since the cycle began if that is later. The current tenth counts too, so that
    /// no refusal is missed.
    pub(super) fn refused_lately(&mut self, now: Duration) -> u32 {
        let recent: u32 = self.last_tenths(now).map(|tenth| tenth.refused).sum();
        recent.saturating_add(self.tenth.refused).min(self.refused)
    }

    /// What was accepted and refused.
    pub(super) fn outcomes(&self) -> u32 {
        self.accepted.saturating_add(self.refused)
    }

    fn begin_tenth(&mut self, number: u64) {
        if self.tenth.number != number {
            self.recent[(self.tenth.number % 10) as usize] = self.tenth;
            self.tenth = Tenth { number, ..Tenth::default() };
        }
    }

    pub(super) fn length(&self, now: Duration) -> Duration {
        now.saturating_sub(self.began)
    }

    /// How many were accepted a second.
    pub(super) fn rate(&self, now: Duration) -> f64 {
        f64::from(self.accepted) / self.length(now).as_secs_f64().max(0.001)
    }
}

fn tenth(now: Duration) -> u64 {
    10 * now.as_secs() + u64::from(now.subsec_nanos() / 100_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn last_second_has_ten_whole_tenths() {
        let mut cycle = Cycle::new(Duration::ZERO);
        for millisecond in 0..3_000 {
            cycle.accept(MS(millisecond), 1);
        }
        assert_eq!((cycle.last_second(MS(2_999)), cycle.last_second(MS(3_000))), (1_000, 1_000));
        // Half a second without any.
        assert_eq!(cycle.last_second(MS(3_550)), 500);
        assert_eq!(cycle.last_second(MS(60_000)), 0);
        assert_eq!(cycle.accepted, 3_000);
    }
}
