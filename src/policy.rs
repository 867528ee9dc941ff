//! How often and how long: the retry policy, as data.

use std::{ops::RangeInclusive, time::Duration};

use http::StatusCode;

use crate::{
    backoff::{Backoff, Jitter},
    config_error::Mistakes,
};

/// How often a call is attempted, how long it waits in between and in all.
///
/// Defaults:
/// - 3 attempts, the first included
/// - waits after a failure: from 500 ms, doubling, to 8 s, full jitter
/// - waits after a 429: from 1 s, doubling, to 20 s, equal jitter
/// - a server's hint is kept up to 60 s, with up to 10 % (at most 1 s) added; a longer one ends the call
/// - 120 s over all attempts and waits
/// - a budget of 500 tokens a service; a repeat costs 14, after a 429 5
/// - 10 s for one question to the verifier
/// - the first 64 KiB of an error's body, for 2 s
/// - request bodies that are streams are not buffered, and so not sent again
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::RetryPolicy;
///
/// let policy = RetryPolicy::new().max_attempts(5).deadline(Duration::from_secs(30));
/// assert_ne!(policy, RetryPolicy::default());
/// ```
///
/// Values that make no sense together are refused when the service is built, see
/// [`ServiceBuilder::build`](crate::ServiceBuilder::build).
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    pub(crate) max_attempts: u32,
    pub(crate) transient: Backoff,
    pub(crate) throttled: Backoff,
    pub(crate) hint_cap: Duration,
    pub(crate) hint_jitter: (f64, Duration),
    pub(crate) deadline: Duration,
    pub(crate) budget: u32,
    pub(crate) costs: (u32, u32),
    pub(crate) retry_on: Option<StatusSet>,
    pub(crate) verify_timeout: Duration,
    pub(crate) max_error_body: usize,
    pub(crate) error_body_timeout: Duration,
    pub(crate) buffered_body: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryPolicy {
    /// The defaults listed above.
    pub const fn new() -> Self {
        Self {
            max_attempts: 3,
            transient: Backoff::new(Duration::from_millis(500), Duration::from_secs(8)),
            throttled: Backoff::new(Duration::from_secs(1), Duration::from_secs(20)).jitter(Jitter::Equal),
            hint_cap: Duration::from_secs(60),
            hint_jitter: (0.1, Duration::from_secs(1)),
            deadline: Duration::from_secs(120),
            budget: 500,
            costs: (14, 5),
            retry_on: None,
            verify_timeout: Duration::from_secs(10),
            max_error_body: 64 * 1024,
            error_body_timeout: Duration::from_secs(2),
            buffered_body: 0,
        }
    }

    /// One attempt and no more; errors are typed all the same.
    pub const fn never() -> Self {
        Self::new().max_attempts(1)
    }

    /// How often a call is sent at most, the first time included; at least 1.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The waits after a failure.
    pub const fn transient(mut self, waits: Backoff) -> Self {
        self.transient = waits;
        self
    }

    /// The waits after a 429.
    pub const fn throttled(mut self, waits: Backoff) -> Self {
        self.throttled = waits;
        self
    }

    /// The longest wait that a server may ask for; when it asks for more the call ends with
    /// [`Stop::RetryAfter`](crate::Stop::RetryAfter) and the value in the error.
    pub const fn hint_cap(mut self, cap: Duration) -> Self {
        self.hint_cap = cap;
        self
    }

    /// What is added to a server's hint at most: `share` of it, and no more than `cap`. Whole-second hints would
    /// bring everyone back in the same instant.
    pub const fn hint_jitter(mut self, share: f64, cap: Duration) -> Self {
        self.hint_jitter = (share, cap);
        self
    }

    /// The time for the whole call: attempts, waits, error bodies and questions to the verifier. An attempt that is
    /// still running then is abandoned. A timeout set on the request or the client holds for each attempt instead.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many tokens the service's budget holds. It is shared by all calls; 0 allows no repeat at all.
    pub const fn budget(mut self, capacity: u32) -> Self {
        self.budget = capacity;
        self
    }

    /// What a repeat takes out of the budget: after a failure, and after a 429.
    pub const fn retry_costs(mut self, transient: u32, throttled: u32) -> Self {
        self.costs = (transient, throttled);
        self
    }

    /// The statuses that may be retried, in place of the service's own set. It never allows a write without a key
    /// to be sent again after it may have been executed.
    pub const fn retry_on(mut self, statuses: StatusSet) -> Self {
        self.retry_on = Some(statuses);
        self
    }

    /// How long one question to the verifier may take; an answer that comes later counts as
    /// [`Verdict::Unknown`](crate::Verdict::Unknown).
    pub const fn verify_timeout(mut self, timeout: Duration) -> Self {
        self.verify_timeout = timeout;
        self
    }

    /// How many bytes of an error's body are read, after decompression. A retried answer that is longer costs its
    /// connection.
    pub const fn max_error_body(mut self, bytes: usize) -> Self {
        self.max_error_body = bytes;
        self
    }

    /// How long reading an error's body may take.
    pub const fn error_body_timeout(mut self, timeout: Duration) -> Self {
        self.error_body_timeout = timeout;
        self
    }

    /// Reads a request body that is a stream into memory before the first attempt, so that it can be sent again, where
    /// its length is known beforehand and not above this many bytes. Without it a stream, multipart forms included, is
    /// sent exactly once.
    pub const fn buffer_bodies(mut self, most: usize) -> Self {
        self.buffered_body = most;
        self
    }

    /// `path` is where the policy was given, for the mistakes.
    pub(crate) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        if self.max_attempts == 0 {
            mistakes.add(format!("{path}.max_attempts"), "is 0: at least the first attempt must be allowed");
        }
        for (field, waits) in [("transient", self.transient), ("throttled", self.throttled)] {
            if waits.base > waits.cap {
                mistakes
                    .add(format!("{path}.{field}.base"), format!("{:?} is above the cap {:?}", waits.base, waits.cap));
            }
            if waits.base.is_zero() {
                mistakes.add(format!("{path}.{field}.base"), "is 0: a repeat at once makes an outage worse");
            }
        }
        if self.deadline.is_zero() {
            mistakes.add(format!("{path}.deadline"), "is 0: no attempt fits into it");
        }
        if !(0.0..=1.0).contains(&self.hint_jitter.0) {
            mistakes.add(format!("{path}.hint_jitter"), format!("{} is no share from 0 to 1", self.hint_jitter.0));
        }
    }
}

/// A set of HTTP statuses from 100 to 599.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::StatusSet;
///
/// let retryable = StatusSet::of(&[408, 429]).with(500..=599).without(&[501]);
/// assert!(retryable.contains(StatusCode::BAD_GATEWAY));
/// assert!(!retryable.contains(StatusCode::NOT_IMPLEMENTED));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusSet([u128; 5]);

impl StatusSet {
    /// The statuses that HTTP and common practice call transient: 408, 425, 429, 500, 502, 503, 504.
    pub const DEFAULT: Self = Self::of(&[408, 425, 429, 500, 502, 503, 504]);

    /// The set of these statuses. Numbers that are no status from 100 to 599 are left out.
    pub const fn of(statuses: &[u16]) -> Self {
        let mut set = Self([0; 5]);
        let mut index = 0;
        while index < statuses.len() {
            set = set.put(statuses[index], true);
            index += 1;
        }
        set
    }

    /// The set with all of `range` in it.
    pub const fn with(mut self, range: RangeInclusive<u16>) -> Self {
        let (mut status, last) = (*range.start(), *range.end());
        while status <= last && status < 600 {
            self = self.put(status, true);
            status += 1;
        }
        self
    }

    /// The set without these statuses.
    pub const fn without(mut self, statuses: &[u16]) -> Self {
        let mut index = 0;
        while index < statuses.len() {
            self = self.put(statuses[index], false);
            index += 1;
        }
        self
    }

    /// Whether `status` is in the set.
    pub const fn contains(&self, status: StatusCode) -> bool {
        match Self::place(status.as_u16()) {
            Some((word, bit)) => self.0[word] & bit != 0,
            None => false,
        }
    }

    const fn put(mut self, status: u16, present: bool) -> Self {
        if let Some((word, bit)) = Self::place(status) {
            self.0[word] = if present { self.0[word] | bit } else { self.0[word] & !bit };
        }
        self
    }

    /// One word for each hundred; 100 statuses fit into its 128 bits.
    const fn place(status: u16) -> Option<(usize, u128)> {
        if status < 100 || status > 599 {
            return None;
        }
        Some((status as usize / 100 - 1, 1 << (status % 100)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_hold() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.max_attempts, 3);
        assert_eq!((policy.transient.base, policy.transient.cap), (Duration::from_millis(500), Duration::from_secs(8)));
        assert_eq!((policy.throttled.base, policy.throttled.cap), (Duration::from_secs(1), Duration::from_secs(20)));
        assert_eq!((policy.transient.jitter, policy.throttled.jitter), (Jitter::Full, Jitter::Equal));
        assert_eq!((policy.hint_cap, policy.hint_jitter), (Duration::from_secs(60), (0.1, Duration::from_secs(1))));
        assert_eq!((policy.deadline, policy.verify_timeout), (Duration::from_secs(120), Duration::from_secs(10)));
        assert_eq!((policy.budget, policy.costs), (500, (14, 5)));
        assert_eq!((policy.max_error_body, policy.error_body_timeout), (65_536, Duration::from_secs(2)));
        assert_eq!((policy.retry_on, policy.buffered_body), (None, 0));
    }

    #[test]
    fn a_status_set_holds_exactly_what_was_put_in() {
        let set = StatusSet::of(&[99, 100, 408, 600]).with(500..=u16::MAX).without(&[501, 505]);
        let held: Vec<u16> = (100..1000).filter(|s| set.contains(StatusCode::from_u16(*s).unwrap())).collect();
        let expected: Vec<u16> =
            [100, 408].into_iter().chain((500..=599).filter(|s| ![501, 505].contains(s))).collect();
        assert_eq!(held, expected);
    }
}
