//! What is constant for a call, and what is only true at the moment of a decision.

use std::time::Duration;

use super::{
    effect::Effect,
    key::{ConcurrentRequests, KeyKind, KeyPlace, KeySharing, Probe},
    policy::ResolvedPolicy,
    status_set::StatusSet,
};

/// The rules of a call: constant from its first attempt to its last.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, KeyKind, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, ResponseFacts, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let mut rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// rules.body_replayable = false;
/// let outcome = ResponseFacts::new(StatusCode::SERVICE_UNAVAILABLE).into();
/// let decision = step(&rules, &mut History::default(), &outcome, Moment::default()).decision;
/// assert_eq!(decision, Decision::Fail(StopReason::BodyNotReplayable));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rules<'a> {
    /// What sending the request again does.
    pub effect: Effect,
    /// Whether the service's description, and not the request alone, says so. Only then does a repeat with a new key
    /// need no verdict.
    pub effect_is_documented: bool,
    /// Whether and where the request carries a key.
    pub key: KeyPlace,
    /// Which other processes may have used the key.
    pub key_sharing: KeySharing,
    /// What the service stores under a key.
    pub kind: KeyKind,
    /// Whether a 500 is followed by one attempt with the same key.
    pub probe: Probe,
    /// Whether a conflict "in progress" is sent again only if the service calls it transient; for keys of the kind
    /// [`Signalled`](KeyKind::Signalled).
    pub in_progress_needs_signal: bool,
    /// How long a conflict "in progress" that follows an internal error may go on, until the key counts as settled.
    pub in_progress_for: Option<Duration>,
    /// What the service does with a request while it still executes another one with the same key.
    pub concurrent_requests: ConcurrentRequests,
    /// How long the service executes a request at most, if that is known.
    pub longest_execution: Option<Duration>,
    /// How long what the verifier looks at may be behind.
    pub verifier_lag: Duration,
    /// How long after its first use a key may be sent again, if the service says how long it keeps keys.
    pub key_lifetime: Option<Duration>,
    /// How often and how long.
    pub policy: &'a ResolvedPolicy,
    /// The statuses that may be retried.
    pub retryable: StatusSet,
    /// What a repeat takes out of the retry budget.
    pub costs: RetryCosts,
    /// Whether the service's rate limiter responds before a request is executed.
    pub limiter_precedes_execution: bool,
    /// Whether the request's body can be sent a second time.
    pub body_replayable: bool,
    /// Whether there is a verifier to ask before a rotation.
    pub has_verifier: bool,
    /// Whether an adaptive concurrency limit slows calls down: a repeat after a 429 then costs nothing, and its waits do
    /// not grow.
    pub adaptive_limit: bool,
}

/// What a repeat takes out of the service's retry budget.
///
/// ```
/// use reqwest_safe_retry::{Service, decide::RetryCosts};
///
/// let costs = Service::metronome().retry_costs().clone();
/// assert_eq!(costs, RetryCosts::new(14, 5), "a budget of 500 pays for 35 repeats after failures, or 100 after a 429");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RetryCosts {
    /// After a failure; 14 unless set.
    pub transient: u32,
    /// After a 429; 5 unless set.
    pub throttled: u32,
}

impl RetryCosts {
    /// What a repeat takes after a failure, and after a 429.
    pub const fn new(transient: u32, throttled: u32) -> Self {
        Self { transient, throttled }
    }
}

impl Default for RetryCosts {
    fn default() -> Self {
        Self::new(14, 5)
    }
}

/// What is only true at the moment of a decision.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Effect, Failure, KeyKind, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let late = Moment::new(Duration::from_millis(119_900), 1.0);
/// let decision = step(&rules, &mut History::default(), &Failure::NotSent.into(), late).decision;
/// assert_eq!(decision, Decision::Fail(StopReason::DeadlineExceeded), "the wait would end after 120 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Moment {
    /// The time since the call began.
    pub elapsed: Duration,
    /// How long after the call's beginning the attempt began; with [`elapsed`](Self::elapsed) unless set.
    pub attempt_began: Duration,
    /// Whether the concurrency limit is closed, so that a repeat queues and adds no load; false unless set.
    pub limit_closed: bool,
    /// Whether the attempt found out if the service was back, for all that wait; false unless set.
    pub is_probe: bool,
    /// The time since the key was first sent; none unless set.
    pub key_age: Duration,
    /// A number from 0 to 1 that places the wait between its bounds.
    pub jitter_sample: f64,
}

impl Moment {
    /// This long after the call began, with this jitter sample.
    pub const fn new(elapsed: Duration, jitter_sample: f64) -> Self {
        let (limit_closed, is_probe) = (false, false);
        Self { elapsed, attempt_began: elapsed, limit_closed, is_probe, key_age: Duration::ZERO, jitter_sample }
    }
}

/// No time has passed, and waits are at their upper bound.
impl Default for Moment {
    fn default() -> Self {
        Self::new(Duration::ZERO, 1.0)
    }
}

impl<'a> Rules<'a> {
    /// Rules with everything else at its default: the default statuses and costs, a body that can be sent again, no
    /// verifier, no concurrency limit.
    pub fn new(effect: Effect, key: KeyPlace, kind: KeyKind, policy: &'a ResolvedPolicy) -> Self {
        Self {
            effect,
            effect_is_documented: true,
            key,
            key_sharing: KeySharing::Unshared,
            kind,
            probe: Probe::Once,
            in_progress_needs_signal: false,
            in_progress_for: None,
            concurrent_requests: ConcurrentRequests::Assumed,
            longest_execution: None,
            verifier_lag: Duration::ZERO,
            key_lifetime: None,
            policy,
            retryable: StatusSet::DEFAULT,
            costs: RetryCosts::default(),
            limiter_precedes_execution: true,
            body_replayable: true,
            has_verifier: false,
            adaptive_limit: false,
        }
    }

    /// How long after an attempt began a verdict about it counts.
    pub(crate) fn verdict_counts_after(&self) -> Duration {
        self.verifier_lag.max(self.longest_execution.unwrap_or_default())
    }

    /// Whether a second execution would double something that only the key keeps from it.
    pub fn is_keyed_write(&self) -> bool {
        self.effect == Effect::Write && self.key != KeyPlace::Absent
    }

    /// Whether a response may be about a request of another process.
    pub(super) fn key_is_shared(&self) -> bool {
        self.key_sharing != KeySharing::Unshared
    }

    pub(super) fn is_unkeyed_write(&self) -> bool {
        self.effect == Effect::Write && self.key == KeyPlace::Absent
    }
}
