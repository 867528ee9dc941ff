//! A process's part of a limit that a fleet shares: what it has seen since its last report, and its share.

use std::time::Duration;

use super::{
    feedback::{Ended, Feedback},
    shared_limit::{LimitReport, LimitShare},
};

/// What a limiter needs to share its limit. Times are since the limiter began.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    seen: Seen,
    /// Until when the last share counts; zero if there is none.
    live_until: Duration,
    /// Whether the next probe is this process's.
    probe: bool,
}

/// Since the last report.
#[derive(Clone, Debug, Default)]
struct Seen {
    accepted: u32,
    refused: u32,
    unavailable: u32,
    last_accepted: Option<Duration>,
    last_refused: Option<Duration>,
}

/// A share counts until so many reports have had no answer.
const REPORTS_MISSED: u32 = 3;
const SHORTEST_LIFE: Duration = Duration::from_millis(600);
/// What a store says is kept within these bounds.
const NEXT_REPORT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Member {
    pub(super) fn ended(&mut self, ended: &Ended) {
        let (seen, sent) = (&mut self.seen, Some(ended.sent));
        seen.accepted = seen.accepted.saturating_add(ended.accepted);
        match ended.feedback {
            Feedback::Response => seen.last_accepted = seen.last_accepted.max(sent),
            // Counted as a success, since only a success makes the store reopen the limit.
            Feedback::Failed if ended.probe => {
                seen.accepted = seen.accepted.saturating_add(1);
                seen.last_accepted = seen.last_accepted.max(sent);
            }
            Feedback::NoResponse | Feedback::Failed => {}
            Feedback::Throttled => {
                seen.refused = seen.refused.saturating_add(1);
                seen.last_refused = seen.last_refused.max(sent);
            }
            Feedback::Unavailable => {
                seen.unavailable = seen.unavailable.saturating_add(1);
                seen.last_refused = seen.last_refused.max(sent);
            }
        }
    }

    /// Fills in what was seen since the last report.
    pub(super) fn report(&mut self, now: Duration, report: &mut LimitReport) {
        let seen = std::mem::take(&mut self.seen);
        let ago = |at: Duration| now.saturating_sub(at);
        report.accepted = seen.accepted;
        report.refused = seen.refused;
        report.unavailable = seen.unavailable;
        report.last_accepted = seen.last_accepted.map(ago).or((seen.accepted > 0).then_some(report.round_trip));
        report.last_refused = seen.last_refused.map(ago);
    }

    /// What is counted already, by an earlier look at the successes.
    pub(super) fn accepted(&mut self, accepted: u32) {
        self.seen.accepted = self.seen.accepted.saturating_add(accepted);
    }

    pub(super) fn receive(&mut self, now: Duration, share: &LimitShare) {
        self.live_until = now + (REPORTS_MISSED * next_report(share)).max(SHORTEST_LIFE);
        self.probe = share.probe;
    }

    /// Whether a share is in force.
    pub(super) fn is_live(&self, now: Duration) -> bool {
        now < self.live_until
    }

    /// Whether a share was in force that is no longer.
    pub(super) fn has_lost(&mut self, now: Duration) -> bool {
        let has_lost = !self.live_until.is_zero() && now >= self.live_until;
        if has_lost {
            (self.live_until, self.probe) = (Duration::ZERO, false);
        }
        has_lost
    }

    pub(super) fn live_until(&self) -> Duration {
        self.live_until
    }

    pub(super) fn take_probe(&mut self) -> bool {
        std::mem::take(&mut self.probe)
    }
}

/// When a process reports next, whatever the store says.
pub(super) fn next_report(share: &LimitShare) -> Duration {
    share.next_report.clamp(NEXT_REPORT.0, NEXT_REPORT.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn report_says_when_successes_were_sent_that_were_only_counted() {
        let mut member = Member::default();
        let mut report = LimitReport { round_trip: MS(20), ..LimitReport::new("service", 1) };
        for (counted, last_accepted) in [(0, None), (5, Some(MS(20))), (0, None)] {
            member.accepted(counted);
            member.report(MS(1_000), &mut report);
            assert_eq!((report.accepted, report.last_accepted), (counted, last_accepted));
        }
    }
}
