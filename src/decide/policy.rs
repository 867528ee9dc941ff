//! How often and how long: the retry policy, as data.

use std::time::Duration;

use super::{
    backoff::{Backoff, Jitter},
    status_set::StatusSet,
};

/// How often a call is attempted, and how long it waits.
///
/// A setting that is not made is taken from the next policy in this order: request, route, service, default. Defaults:
/// - 3 attempts, the first included
/// - waits after a failure: from 500 ms, doubling, to 8 s, full jitter
/// - waits after a 429: from 1 s, doubling, to 20 s, equal jitter
/// - a server's hint is honoured up to 60 s, with up to 10 % (at most 1 s) added; a longer one ends the call
/// - 120 s over all attempts and waits
/// - 10 s for the verifier
/// - the first 64 KiB of an error's body, for 2 s
/// - request bodies that are streams are not buffered, and so not sent again
///
/// A default wait or verifier timeout is never longer than the deadline.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::RetryPolicy;
///
/// let policy = RetryPolicy::new().max_attempts(5).deadline(Duration::from_secs(30));
/// assert_eq!(policy.max_attempts, Some(5));
/// assert_eq!(policy.verify_timeout, None, "left to the service, the default is 10 s");
/// ```
///
/// Values that contradict each other are refused when the service is built, see
/// [`ServiceBuilder::build`](crate::ServiceBuilder::build).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often a call is sent at most, the first time included; 3 unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub max_attempts: Option<u32>,
    /// The waits after a failure; from 500ms to 8s with full jitter unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub transient: Option<Backoff>,
    /// The waits after a 429; from 1s to 20s with equal jitter unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub throttled: Option<Backoff>,
    /// The longest wait that a server may ask for; 60s unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub max_retry_after: Option<Duration>,
    /// What is added to a server's hint at most; 10 %, up to 1s, unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub retry_after_jitter: Option<RetryAfterJitter>,
    /// The time for the whole call; 120s unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub deadline: Option<Duration>,
    /// The statuses that may be retried, in place of the service's own set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub retry_on: Option<StatusSet>,
    /// How long the verifier may take; 10s unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub verify_timeout: Option<Duration>,
    /// How many bytes of an error's body are read; 65536 unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub max_error_body: Option<usize>,
    /// How long reading an error's body may take; 2s unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub error_body_timeout: Option<Duration>,
    /// Request bodies that are streams of at most this many bytes are read into memory, so that they can be sent
    /// again; 0 unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub buffer_bodies: Option<usize>,
    /// Successful responses to reads are read into memory up to this many bytes before the call returns, so that one that
    /// breaks off is asked for again; 0 unless set.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub buffer_responses: Option<usize>,
}

/// What is added to a server's hint at most: a share of it, up to a cap.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{RetryAfterJitter, RetryPolicy};
///
/// let added: RetryAfterJitter = RetryPolicy::new().resolve().retry_after_jitter;
/// assert_eq!((added.share, added.cap), (0.1, Duration::from_secs(1)), "a hint of 5 s becomes 5 to 5.5 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RetryAfterJitter {
    /// A share of the hint, from 0 to 1; 0.1 unless set.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1)))]
    pub share: f64,
    /// The most that is added; 1s unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde"))]
    #[cfg_attr(feature = "schema", schemars(with = "crate::config::schema::DurationText"))]
    pub cap: Duration,
}

impl RetryPolicy {
    /// No setting: all are left to the service, and to the defaults listed above.
    pub const fn new() -> Self {
        Self {
            max_attempts: None,
            transient: None,
            throttled: None,
            max_retry_after: None,
            retry_after_jitter: None,
            deadline: None,
            retry_on: None,
            verify_timeout: None,
            max_error_body: None,
            error_body_timeout: None,
            buffer_bodies: None,
            buffer_responses: None,
        }
    }

    /// A single attempt; its error is typed all the same.
    pub const fn never() -> Self {
        Self::new().max_attempts(1)
    }

    /// How often a call is sent at most, the first time included; at least 1.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// The waits after a failure.
    pub const fn transient(mut self, waits: Backoff) -> Self {
        self.transient = Some(waits);
        self
    }

    /// The waits after a 429.
    pub const fn throttled(mut self, waits: Backoff) -> Self {
        self.throttled = Some(waits);
        self
    }

    /// The longest wait that a server may ask for; if it asks for more the call ends with
    /// [`StopReason::RetryAfterTooLong`](crate::StopReason::RetryAfterTooLong) and the value in the error.
    pub const fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = Some(longest);
        self
    }

    /// What is added to a server's hint at most: `share` of it, and no more than `cap`. Whole-second hints would
    /// bring everyone back in the same instant.
    pub const fn retry_after_jitter(mut self, share: f64, cap: Duration) -> Self {
        self.retry_after_jitter = Some(RetryAfterJitter { share, cap });
        self
    }

    /// The time for the whole call: attempts, waits, error bodies and the verifier. An attempt that is still running
    /// then is abandoned. A timeout set on the request or the client holds for each attempt instead.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The statuses that may be retried, in place of the service's own set. It never allows a write without a key
    /// to be sent again after it may have been executed.
    pub const fn retry_on(mut self, statuses: StatusSet) -> Self {
        self.retry_on = Some(statuses);
        self
    }

    /// How long the verifier may take; a later verdict counts as [`Verdict::Unknown`](crate::Verdict::Unknown).
    pub const fn verify_timeout(mut self, timeout: Duration) -> Self {
        self.verify_timeout = Some(timeout);
        self
    }

    /// How many bytes of an error's body are read, after decompression. A longer body closes its connection.
    pub const fn max_error_body(mut self, bytes: usize) -> Self {
        self.max_error_body = Some(bytes);
        self
    }

    /// How long reading an error's body may take.
    pub const fn error_body_timeout(mut self, timeout: Duration) -> Self {
        self.error_body_timeout = Some(timeout);
        self
    }

    /// Reads a request body that is a stream into memory before the first attempt, so that it can be sent again, if
    /// its length is known beforehand and not above `bytes`. Without it a stream, multipart forms included, is sent
    /// exactly once.
    pub const fn buffer_bodies(mut self, bytes: usize) -> Self {
        self.buffer_bodies = Some(bytes);
        self
    }

    /// Reads the body of a successful response to a read into memory before the call returns it. If the body breaks off,
    /// cannot be decompressed or does not come within the deadline, the attempt counts as one without a response, and is
    /// repeated like any other.
    ///
    /// ```
    /// use http::Method;
    /// use reqwest_safe_retry::{Effect, RetryPolicy, Route, Service};
    ///
    /// // Exports are read whole, or asked for again.
    /// let export = RetryPolicy::new().buffer_responses(8 << 20);
    /// let export = Route::new(Method::GET, "/export", Effect::Read).retry_policy(export);
    /// let service = Service::builder("billing", "https://billing.internal").routes([export]).build()?;
    /// # assert_eq!(service.name(), "billing");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    ///
    /// A body that is longer, after decompression, is returned unbuffered: what was read of it, and then the rest as it
    /// arrives. If that breaks off the caller sees it. A response is otherwise returned as it came, but a stream that sends
    /// little and does not end, such as server-sent events, must not be read like this. A body without a length or a mark at
    /// its end, as HTTP/1.0 allows, cannot be told from one that broke off. Responses to writes are never buffered. The time
    /// of an attempt includes its body then.
    pub const fn buffer_responses(mut self, bytes: usize) -> Self {
        self.buffer_responses = Some(bytes);
        self
    }

    /// These settings, and those of `base` for what is not set here.
    pub fn over(&self, base: &Self) -> Self {
        Self {
            max_attempts: self.max_attempts.or(base.max_attempts),
            transient: self.transient.as_ref().or(base.transient.as_ref()).cloned(),
            throttled: self.throttled.as_ref().or(base.throttled.as_ref()).cloned(),
            max_retry_after: self.max_retry_after.or(base.max_retry_after),
            retry_after_jitter: self.retry_after_jitter.as_ref().or(base.retry_after_jitter.as_ref()).cloned(),
            deadline: self.deadline.or(base.deadline),
            retry_on: self.retry_on.or(base.retry_on),
            verify_timeout: self.verify_timeout.or(base.verify_timeout),
            max_error_body: self.max_error_body.or(base.max_error_body),
            error_body_timeout: self.error_body_timeout.or(base.error_body_timeout),
            buffer_bodies: self.buffer_bodies.or(base.buffer_bodies),
            buffer_responses: self.buffer_responses.or(base.buffer_responses),
        }
    }

    /// These settings, and the defaults for what is not set.
    pub fn resolve(&self) -> ResolvedPolicy {
        let deadline = self.deadline.unwrap_or(DEFAULT_DEADLINE);
        let default_waits = |base: Duration, cap: Duration| Backoff::new(base.min(deadline), cap.min(deadline));
        let transient = || default_waits(Duration::from_millis(500), Duration::from_secs(8));
        let throttled = || default_waits(Duration::from_secs(1), Duration::from_secs(20)).jitter(Jitter::Equal);
        let hint_jitter = || RetryAfterJitter { share: 0.1, cap: Duration::from_secs(1) };
        ResolvedPolicy {
            max_attempts: self.max_attempts.unwrap_or(3),
            transient: self.transient.clone().unwrap_or_else(transient),
            throttled: self.throttled.clone().unwrap_or_else(throttled),
            max_retry_after: self.max_retry_after.unwrap_or(Duration::from_secs(60)),
            retry_after_jitter: self.retry_after_jitter.clone().unwrap_or_else(hint_jitter),
            deadline,
            retry_on: self.retry_on,
            verify_timeout: self.verify_timeout.unwrap_or(Duration::from_secs(10).min(deadline)),
            max_error_body: self.max_error_body.unwrap_or(64 * 1024),
            error_body_timeout: self.error_body_timeout.unwrap_or(Duration::from_secs(2)),
            buffer_bodies: self.buffer_bodies.unwrap_or(0),
            buffer_responses: self.buffer_responses.unwrap_or(0),
        }
    }
}

const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);

/// A [`RetryPolicy`] with every setting made; see there for what each means.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::RetryPolicy;
///
/// let resolved = RetryPolicy::new().deadline(Duration::from_secs(3)).resolve();
/// assert_eq!((resolved.max_attempts, resolved.deadline), (3, Duration::from_secs(3)));
/// assert_eq!(resolved.verify_timeout, Duration::from_secs(3), "a default does not exceed the deadline");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Each field is documented at `RetryPolicy`.
#[non_exhaustive]
pub struct ResolvedPolicy {
    pub max_attempts: u32,
    pub transient: Backoff,
    pub throttled: Backoff,
    pub max_retry_after: Duration,
    pub retry_after_jitter: RetryAfterJitter,
    pub deadline: Duration,
    pub retry_on: Option<StatusSet>,
    pub verify_timeout: Duration,
    pub max_error_body: usize,
    pub error_body_timeout: Duration,
    pub buffer_bodies: usize,
    pub buffer_responses: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECS: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn documented_defaults_hold() {
        let policy = RetryPolicy::default().resolve();
        assert_eq!(policy.max_attempts, 3);
        assert_eq!(policy.transient, Backoff::new(Duration::from_millis(500), SECS(8)).jitter(Jitter::Full));
        assert_eq!(policy.throttled, Backoff::new(SECS(1), SECS(20)).jitter(Jitter::Equal));
        assert_eq!((policy.max_retry_after, policy.deadline), (SECS(60), SECS(120)));
        assert_eq!(policy.retry_after_jitter, RetryAfterJitter { share: 0.1, cap: SECS(1) });
        assert_eq!((policy.verify_timeout, policy.error_body_timeout), (SECS(10), SECS(2)));
        assert_eq!((policy.max_error_body, policy.buffer_bodies, policy.retry_on), (65_536, 0, None));
        assert_eq!(policy.buffer_responses, 0);
    }

    #[test]
    fn default_waits_fit_into_a_short_deadline() {
        let policy = RetryPolicy::new().deadline(Duration::from_millis(100)).resolve();
        assert_eq!((policy.transient.base, policy.transient.cap), (policy.deadline, policy.deadline));
        assert_eq!(policy.throttled.base, policy.deadline);
        assert_eq!(policy.verify_timeout, policy.deadline);
    }

    #[test]
    fn only_what_is_set_changes() {
        let service = RetryPolicy::new().max_attempts(7).deadline(SECS(9));
        let request = RetryPolicy::new().buffer_bodies(1024).deadline(SECS(3));
        let both = request.over(&service);
        assert_eq!(both, RetryPolicy::new().max_attempts(7).deadline(SECS(3)).buffer_bodies(1024));
    }
}
