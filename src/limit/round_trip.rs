//! How long an attempt takes, as far as successes tell.

use std::time::Duration;

/// A smoothed round trip and how much it varies (RFC 6298, section 2), in nanoseconds: it is updated with each success.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RoundTrip {
    known: Option<(u64, u64)>,
}

/// A busy machine delays a call by so much, in nanoseconds, however short its round trip is.
const LEAST_MARGIN: u64 = 25_000_000;
const MOST_SECONDS: u64 = 180 * 24 * 3600;

impl RoundTrip {
    pub(super) fn add(&mut self, sample: Duration) {
        // Half a year at most, so that nothing overflows.
        let sample = sample.as_secs().min(MOST_SECONDS) * 1_000_000_000 + u64::from(sample.subsec_nanos());
        self.known = Some(match self.known {
            None => (sample, sample / 2),
            Some((smoothed, variance)) => ((7 * smoothed + sample) / 8, (3 * variance + smoothed.abs_diff(sample)) / 4),
        });
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.known.map(|(smoothed, _)| Duration::from_nanos(smoothed))
    }

    /// What an attempt should be given; nothing while no round trip is known.
    pub(super) fn expected(&self) -> Duration {
        let expected =
            self.known.map_or(0, |(smoothed, variance)| smoothed + (4 * variance).max(smoothed / 4).max(LEAST_MARGIN));
        Duration::from_nanos(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// RFC 6298, section 2: the first sample counts in full, and half of it is how much it varies.
    #[test]
    fn first_attempt_says_little_about_the_next() {
        let mut round_trip = RoundTrip::default();
        assert_eq!((round_trip.smoothed(), round_trip.expected()), (None, Duration::ZERO));
        round_trip.add(MS(100));
        assert_eq!((round_trip.smoothed(), round_trip.expected()), (Some(MS(100)), MS(300)));
        round_trip.add(MS(180));
        assert_eq!((round_trip.smoothed(), round_trip.expected()), (Some(MS(110)), MS(340)));
    }

    #[test]
    fn long_sample_counts_in_full() {
        let hundred_days = Duration::from_secs(100 * 24 * 3600);
        let mut round_trip = RoundTrip::default();
        round_trip.add(hundred_days);
        assert_eq!(round_trip.smoothed(), Some(hundred_days));
    }

    #[test]
    fn absurd_sample_overflows_nothing() {
        let mut round_trip = RoundTrip::default();
        for _ in 0..3 {
            round_trip.add(Duration::MAX);
            assert!(round_trip.smoothed().unwrap() <= Duration::from_secs(MOST_SECONDS + 1));
            assert!(round_trip.expected() > Duration::from_secs(MOST_SECONDS));
        }
    }
}
