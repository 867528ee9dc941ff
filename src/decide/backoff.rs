//! The wait before the next attempt: exponential growth, jitter, cap.
//!
//! The growth is computed by the `backoff` crate, or by `backon` if that feature is on, or else by doubling; only this
//! file names the crates. Jitter and cap are applied here, afterwards: both crates add jitter on top of their maximum.

use std::time::Duration;

/// The wait before a repeat: doubles each time, up to a cap, with jitter.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Backoff, Jitter};
///
/// let waits = Backoff::new(Duration::from_millis(500), Duration::from_secs(8)).jitter(Jitter::Full);
/// assert_eq!(waits.delay(0, 1.0), Duration::from_millis(500));
/// assert_eq!(waits.delay(1, 1.0), Duration::from_secs(1));
/// assert_eq!(waits.delay(1, 0.5), Duration::from_millis(500));
/// assert_eq!(waits.delay(40, 1.0), Duration::from_secs(8), "the cap holds after the jitter");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct Backoff {
    /// The first wait.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde"))]
    #[cfg_attr(feature = "schema", schemars(with = "crate::config::schema::DurationText"))]
    pub base: Duration,
    /// The longest wait.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde"))]
    #[cfg_attr(feature = "schema", schemars(with = "crate::config::schema::DurationText"))]
    pub cap: Duration,
    /// How much of a wait is random; [`Jitter::Full`] unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub jitter: Jitter,
}

/// How much of a wait is random, so that callers who failed together do not retry together.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Backoff, Jitter};
///
/// let shortest = |jitter| Backoff::new(Duration::from_secs(1), Duration::from_secs(8)).jitter(jitter).delay(0, 0.0);
/// assert_eq!(shortest(Jitter::Full), Duration::ZERO);
/// assert_eq!(shortest(Jitter::Equal), Duration::from_millis(500));
/// assert_eq!(shortest(Jitter::None), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Jitter {
    /// 0 to 100 % of the computed wait.
    #[default]
    Full,
    /// 50 to 100 % of the computed wait: never zero, for a server that asked for less load.
    Equal,
    /// Always the computed wait. Callers who failed together retry together: for tests.
    None,
}

impl Backoff {
    /// Waits that start at `base`, double, and never exceed `cap`; full jitter.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, jitter: Jitter::Full }
    }

    /// How much of the wait is random; [`Jitter::Full`] unless set.
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The wait after `repeats` earlier waits of this kind; `jitter_sample` is a number from 0 to 1.
    pub fn delay(&self, repeats: u32, jitter_sample: f64) -> Duration {
        let grown = grown(self.base, self.cap, repeats);
        let sample = unit(jitter_sample);
        let factor = match self.jitter {
            Jitter::Full => sample,
            Jitter::Equal => 0.5 + sample / 2.0,
            Jitter::None => 1.0,
        };
        // `mul_f64` panics where rounding carries the product past the largest duration.
        if factor < 1.0 { grown.mul_f64(factor) } else { grown }.min(self.cap)
    }
}

/// The sample from 0 to 1; NaN counts as 1, the longest wait.
pub(super) fn unit(sample: f64) -> f64 {
    if sample.is_nan() { 1.0 } else { sample.clamp(0.0, 1.0) }
}

#[cfg(feature = "backon")]
fn grown(base: Duration, cap: Duration, repeats: u32) -> Duration {
    use backon::{BackoffBuilder, ExponentialBuilder};

    let steps =
        ExponentialBuilder::new().with_factor(2.0).with_min_delay(base).with_max_delay(cap).without_max_times().build();
    let reached = steps.take(steps_to_cap(base, cap, repeats) + 1).last().unwrap_or(cap);
    // `backon` multiplies in single precision: rounding to whole microseconds removes its error.
    Duration::from_micros(u64::try_from((reached.as_nanos() + 500) / 1000).unwrap_or(u64::MAX)).min(cap)
}

#[cfg(all(feature = "backoff", not(feature = "backon")))]
fn grown(base: Duration, cap: Duration, repeats: u32) -> Duration {
    use backoff::{ExponentialBackoff, backoff::Backoff as _};

    let mut steps = ExponentialBackoff {
        current_interval: base,
        initial_interval: base,
        max_interval: cap,
        multiplier: 2.0,
        randomization_factor: 0.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    for _ in 0..steps_to_cap(base, cap, repeats) {
        steps.next_backoff();
    }
    steps.current_interval.min(cap)
}

#[cfg(not(any(feature = "backoff", feature = "backon")))]
fn grown(base: Duration, cap: Duration, repeats: u32) -> Duration {
    (0..steps_to_cap(base, cap, repeats)).fold(base, |wait, _| wait.saturating_mul(2)).min(cap)
}

/// No more steps than it takes to reach the cap: a policy of a million attempts does not cost a million steps.
fn steps_to_cap(base: Duration, cap: Duration, repeats: u32) -> usize {
    let doublings =
        if base.is_zero() { 0 } else { (cap.as_nanos() / base.as_nanos()).checked_ilog2().map_or(0, |n| n + 1) };
    repeats.min(doublings) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits = Backoff::new(MS(500), MS(8000)).jitter(Jitter::None);
        let seen: Vec<_> = (0..7).map(|n| waits.delay(n, 0.0)).collect();
        assert_eq!(seen, [500, 1000, 2000, 4000, 8000, 8000, 8000].map(MS));
    }

    #[test]
    fn odd_bases_grow_exactly() {
        let waits = Backoff::new(MS(25), MS(20_000)).jitter(Jitter::None);
        assert_eq!((0..4).map(|n| waits.delay(n, 0.0)).collect::<Vec<_>>(), [25, 50, 100, 200].map(MS));
        let waits = Backoff::new(MS(30), MS(100)).jitter(Jitter::None);
        assert_eq!((0..4).map(|n| waits.delay(n, 0.0)).collect::<Vec<_>>(), [30, 60, 100, 100].map(MS));
    }

    #[test]
    fn jitter_stays_within_bounds() {
        for (jitter, sample, wait) in [
            (Jitter::Full, 0.0, 0),
            (Jitter::Full, 1.0, 1000),
            (Jitter::Full, 7.0, 1000),
            (Jitter::Full, -1.0, 0),
            (Jitter::Full, f64::NAN, 1000),
            (Jitter::Equal, 0.0, 500),
            (Jitter::Equal, 0.5, 750),
            (Jitter::Equal, 1.0, 1000),
            (Jitter::None, 0.0, 1000),
        ] {
            let waits = Backoff::new(MS(1000), MS(20_000)).jitter(jitter);
            assert_eq!(waits.delay(0, sample), MS(wait), "{jitter:?} at {sample}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let waits = Backoff::new(Duration::from_secs(1), Duration::MAX).jitter(Jitter::None);
        assert!(waits.delay(u32::MAX, 1.0) > Duration::from_secs(1 << 40));
        let longest = Backoff::new(Duration::MAX, Duration::MAX).jitter(Jitter::None);
        assert!(longest.delay(3, 1.0) > Duration::from_secs(1 << 40));
        assert_eq!(Backoff::new(Duration::ZERO, MS(10)).delay(u32::MAX, 1.0), Duration::ZERO);
        assert_eq!(Backoff::new(MS(10), MS(10)).jitter(Jitter::None).delay(u32::MAX, 1.0), MS(10));
    }
}
