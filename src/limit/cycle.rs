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
    pub(super) best_second: u32,
}

impl Cycle {
    pub(super) fn new(now: Duration) -> Self {
        Self { began: now, accepted: 0, refused: 0, recent: [(0, 0); 10], best_second: 0 }
    }

    pub(super) fn accept(&mut self, now: Duration) {
        self.accepted = self.accepted.saturating_add(1);
        let tenth = 10 * now.as_secs() + u64::from(now.subsec_millis()) / 100;
        let place = &mut self.recent[(tenth % 10) as usize];
        *place = if place.0 == tenth { (tenth, place.1 + 1) } else { (tenth, 1) };
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
