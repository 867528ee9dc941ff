//! How long an attempt takes, as far as successes tell.

use std::time::Duration;

/// A smoothed round trip and how much it varies (RFC 6298, section 2).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RoundTrip {
    known: Option<(Duration, Duration)>,
}

impl RoundTrip {
    pub(super) fn add(&mut self, sample: Duration) {
        self.known = Some(match self.known {
            None => (sample, sample / 2),
            Some((smoothed, variance)) => ((7 * smoothed + sample) / 8, (3 * variance + smoothed.abs_diff(sample)) / 4),
        });
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.known.map(|(smoothed, _)| smoothed)
    }

    /// What an attempt should be given; nothing while no round trip is known.
    pub(super) fn expected(&self) -> Duration {
        self.known.map_or(Duration::ZERO, |(smoothed, variance)| smoothed + (4 * variance).max(smoothed / 4))
    }
}
