//! While every attempt is refused, or finds the service unavailable: one probe at a time.

use std::time::Duration;

use super::feedback::Start;

/// A closed limit.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) since: Duration,
    pub(super) by_throttling: bool,
    pub(super) next_probe: Duration,
    /// Until when the service asks to wait, if it does.
    pub(super) asked_until: Duration,
    /// Since when a probe is in flight.
    probing: Option<Duration>,
    /// When the last two attempts that could tell were sent.
    looked: (Duration, Duration),
}

/// A probe follows after this part of the time since the limit closed: so much of an outage is wasted at its end.
const PROBE_SHARE: u32 = 16;
const PROBES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));
/// A probe that has had no answer for so long may never get one: its connection may have died with the service.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// `Retry-After` has whole seconds, so a service says 1 for any shorter wait: such a hint does not hold the probe.
const SHORTEST_HINT: Duration = Duration::from_secs(1);

impl Closed {
    pub(super) fn new(now: Duration, by_throttling: bool) -> Self {
        Self {
            since: now,
            by_throttling,
            next_probe: now + PROBES.0,
            asked_until: now,
            probing: None,
            looked: (now, now),
        }
    }

    pub(super) fn start(&mut self, now: Duration) -> Start {
        match self.probing {
            Some(since) if now < since.saturating_add(LOST_AFTER) => Start::At(since.saturating_add(LOST_AFTER)),
            _ if now < self.next_probe => Start::At(self.next_probe),
            _ => {
                self.probing = Some(now);
                self.looked = (self.looked.1, now);
                Start::Probe
            }
        }
    }

    /// How long the service may have accepted before the limit knew, on average: half of what lies between the last two
    /// probes.
    pub(super) fn unnoticed(&self) -> Duration {
        self.looked.1.saturating_sub(self.looked.0) / 2
    }

    /// Starts a probe that the store of the fleet has asked for.
    pub(super) fn start_told(&mut self, now: Duration) -> Start {
        self.probing = Some(now);
        Start::Probe
    }

    /// A probe has ended; a success reopens the limit, whatever was set here.
    pub(super) fn probed(&mut self, now: Duration) {
        self.probing = None;
        let wait = (now.saturating_sub(self.since) / PROBE_SHARE).clamp(PROBES.0, PROBES.1);
        self.next_probe = self.next_probe.max(now + wait);
    }

    /// The service asks for a wait, which the next probe keeps. Whether that has changed.
    pub(super) fn hint(&mut self, now: Duration, hint: Duration) -> bool {
        let until = now.saturating_add(hint);
        let is_later = hint > SHORTEST_HINT && until > self.next_probe;
        if is_later {
            (self.next_probe, self.asked_until) = (until, until);
        }
        is_later
    }
}
