//! What the service has accepted and refused since the rate was last measured.

use std::time::Duration;

/// From one measurement to the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cycle {
    pub(super) began: Duration,
    /// All that were not refused, whatever else became of them.
    pub(super) accepted: u32,
    pub(super) refused: u32,
    /// The accepted ones of each tenth of the last second.
    recent: [(u64, u32); 10],
    /// The tenth that goes on, and what was accepted in it.
    tenth: (u64, u32),
}

impl Cycle {
    pub(super) fn new(now: Duration) -> Self {
        Self { began: now, accepted: 0, refused: 0, recent: [(0, 0); 10], tenth: (0, 0) }
    }

    pub(super) fn accept(&mut self, now: Duration, count: u32) {
        self.accepted = self.accepted.saturating_add(count);
        self.begin_tenth(tenth(now));
        self.tenth.1 = self.tenth.1.saturating_add(count);
    }

    /// What was accepted in the last ten whole tenths of a second.
    pub(super) fn last_second(&mut self, now: Duration) -> u32 {
        let now = tenth(now);
        self.begin_tenth(now);
        self.recent.iter().filter(|(at, _)| at + 10 >= now).map(|(_, count)| count).sum()
    }

    /// What was accepted since the cycle began, or in the last second if that is less. In the first second of a cycle the
    /// current tenth counts before it is over: there may be no other.
    pub(super) fn accepted_lately(&mut self, now: Duration) -> u32 {
        match self.length(now) < Duration::from_secs(1) {
            true => self.accepted,
            false => self.last_second(now).min(self.accepted),
        }
    }

    /// What was accepted and refused.
    pub(super) fn outcomes(&self) -> u32 {
        self.accepted.saturating_add(self.refused)
    }

    fn begin_tenth(&mut self, tenth: u64) {
        if self.tenth.0 != tenth {
            self.recent[(self.tenth.0 % 10) as usize] = self.tenth;
            self.tenth = (tenth, 0);
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
