//! What the service has accepted and refused since the rate was last measured.

use std::time::Duration;

/// From one measurement to the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cycle {
    pub(super) began: Duration,
    pub(super) accepted: u32,
    pub(super) refused: u32,
    /// The accepted ones of the last second, in each tenth of it.
    recent: [(u64, u32); 10],
    /// The tenth that goes on, and what was accepted in it.
    tenth: (u64, u32),
    best_second: u32,
}

impl Cycle {
    pub(super) fn new(now: Duration) -> Self {
        Self { began: now, accepted: 0, refused: 0, recent: [(0, 0); 10], tenth: (0, 0), best_second: 0 }
    }

    pub(super) fn accept(&mut self, now: Duration, count: u32) {
        self.accepted = self.accepted.saturating_add(count);
        let tenth = 10 * now.as_secs() + u64::from(now.subsec_nanos() / 100_000_000);
        if self.tenth.0 != tenth {
            self.end_tenth();
            self.tenth = (tenth, 0);
        }
        self.tenth.1 = self.tenth.1.saturating_add(count);
    }

    /// The most that were accepted in any second.
    pub(super) fn best_second(&mut self) -> u32 {
        self.end_tenth();
        self.best_second
    }

    fn end_tenth(&mut self) {
        let (tenth, _) = self.tenth;
        self.recent[(tenth % 10) as usize] = self.tenth;
        let second = self.recent.iter().filter(|(at, _)| at + 10 > tenth).map(|(_, count)| count).sum();
        self.best_second = self.best_second.max(second);
    }

    pub(super) fn length(&self, now: Duration) -> Duration {
        now.saturating_sub(self.began)
    }

    /// How many were accepted a second.
    pub(super) fn rate(&self, now: Duration) -> f64 {
        f64::from(self.accepted) / self.length(now).as_secs_f64().max(0.001)
    }
}
