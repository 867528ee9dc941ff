//! The decision after a failed attempt: may it be sent again, with which key, after which wait.

use std::time::Duration;

use super::{
    backoff::unit,
    class::OutcomeClass,
    effect::Effect,
    history::{Elapsed, History},
    key::{ConcurrentRequests, KeyAction, KeyKind, KeyPlace, KeySharing, Meaning, Probe},
    outcome::{Outcome, Redirect, ResponseFacts},
    policy::RetryAfterJitter,
    rules::{Moment, Rules},
    stop::StopReason,
};

/// What follows a failed attempt.
///
/// ```
/// use reqwest_safe_retry::{Effect, Failure, KeyAction, KeyKind, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, Rules, step};
///
/// let policy = RetryPolicy::new().max_attempts(2).resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let mut history = History::default();
/// let mut next = || step(&rules, &mut history, &Failure::Ambiguous.into(), Moment::default()).decision;
/// assert!(matches!(next(), Decision::Retry { key: KeyAction::Preserve, cost: 14, .. }));
/// assert_eq!(next(), Decision::Fail(StopReason::AttemptsExhausted));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Decision {
    /// There is no further attempt.
    Fail(StopReason),
    /// Another attempt, if the retry budget can pay for it.
    Retry {
        /// The wait before it.
        delay: Duration,
        /// Where the wait comes from.
        source: WaitSource,
        /// What becomes of the key.
        key: KeyAction,
        /// What it takes out of the budget.
        cost: u32,
    },
}

/// Where a wait comes from.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, KeyKind, RetryPolicy};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, ResponseFacts, Rules, WaitSource, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let after = |asked: u64| {
///     let mut throttled = ResponseFacts::new(StatusCode::TOO_MANY_REQUESTS);
///     throttled.retry_after = Some(Duration::from_millis(asked));
///     match step(&rules, &mut History::default(), &throttled.into(), Moment::default()).decision {
///         Decision::Retry { source, .. } => source,
///         stopped => panic!("{stopped:?}"),
///     }
/// };
/// assert_eq!((after(5), after(5000)), (WaitSource::Backoff, WaitSource::RetryAfter));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitSource {
    /// The policy's own backoff.
    Backoff,
    /// The server's hint, which was longer.
    RetryAfter,
}

impl WaitSource {
    /// The word for it in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::RetryAfter => "retry_after",
        }
    }
}

/// An outcome's class, and the decision about it.
///
/// ```
/// use reqwest_safe_retry::{Effect, Failure, KeyKind, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, OutcomeClass, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let step = step(&rules, &mut History::default(), &Failure::Tls.into(), Moment::default());
/// assert_eq!(step.class, OutcomeClass::Final { may_have_executed: false });
/// assert_eq!(step.decision, Decision::Fail(StopReason::Permanent));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Step {
    /// The class of the outcome.
    pub class: OutcomeClass,
    /// What follows.
    pub decision: Decision,
}

/// Adds the outcome of a failed attempt to the history and decides what follows. Successes and redirects are returned
/// to the caller and never get here.
///
/// After a [`Decision::Retry`] call [`History::begin_repeat`] as the next attempt begins.
pub fn step(rules: &Rules<'_>, history: &mut History, outcome: &Outcome, moment: Moment) -> Step {
    let class = OutcomeClass::of(rules, history, outcome);
    history.record(rules, class, outcome, &moment);
    Step { class, decision: decide(rules, history, class, outcome, moment) }
}

/// What follows an outcome of this class that the history already includes.
///
/// It never allows more attempts than the policy, a wait that ends past the deadline, a wait shorter than a hint, a hint
/// above the policy's maximum, a write without a key after it may have been executed, or a new key for a write unless a
/// verdict on a settled key or the response itself proves that the old one had no effect.
pub fn decide(
    rules: &Rules<'_>,
    history: &History,
    class: OutcomeClass,
    outcome: &Outcome,
    moment: Moment,
) -> Decision {
    Question { rules, history, class, outcome, moment }.next_attempt().unwrap_or_else(Decision::Fail)
}

/// Everything that the decision depends on.
struct Question<'a> {
    rules: &'a Rules<'a>,
    history: &'a History,
    class: OutcomeClass,
    outcome: &'a Outcome,
    moment: Moment,
}

impl Question<'_> {
    /// The stop reasons in their order: the first that holds is the answer.
    fn next_attempt(&self) -> Result<Decision, StopReason> {
        self.may_be_sent_again()?;
        if !self.rules.body_replayable {
            return Err(StopReason::BodyNotReplayable);
        }
        if self.history.attempts() >= self.rules.policy.max_attempts {
            return Err(StopReason::AttemptsExhausted);
        }
        let key = self.next_key()?;
        let (delay, source) = self.next_wait(key)?;
        Ok(Decision::Retry { delay, source, key, cost: self.cost() })
    }

    fn may_be_sent_again(&self) -> Result<(), StopReason> {
        let unkeyed_write = self.rules.is_unkeyed_write();
        if self.was_redirected() && self.rules.effect != Effect::Read {
            return Err(StopReason::Permanent);
        }
        let is_final = self.outcome.response().is_some_and(|response| response.meaning == Some(Meaning::Final));
        if is_final {
            return Err(StopReason::Permanent);
        }
        let proves_unexecuted = self.class == OutcomeClass::Throttled && self.rules.limiter_precedes_execution;
        match self.retry_signal() {
            Some(false) => return Err(StopReason::Permanent),
            Some(true) if !unkeyed_write || proves_unexecuted => {}
            _ => self.class_allows_repeat(unkeyed_write)?,
        }
        match self.executed_beside() {
            Some(_) if self.rules.longest_execution.is_none() => Err(StopReason::NotIdempotent),
            _ => Ok(()),
        }
    }

    fn class_allows_repeat(&self, unkeyed_write: bool) -> Result<(), StopReason> {
        // The service says, by a header of its own, whether it stored the error under the key. A gateway cannot say so.
        let has_key = self.rules.key != KeyPlace::Absent;
        let stored = has_key && self.rules.kind == KeyKind::Signalled && !self.is_transient();
        match self.class {
            OutcomeClass::Final { .. } => Err(StopReason::Permanent),
            OutcomeClass::PolicyStatus if unkeyed_write => Err(StopReason::Permanent),
            OutcomeClass::Throttled if unkeyed_write && !self.rules.limiter_precedes_execution => {
                Err(StopReason::NotIdempotent)
            }
            OutcomeClass::NoResponse
            | OutcomeClass::EarlierAttemptRunning
            | OutcomeClass::InProgress
            | OutcomeClass::Gateway
            | OutcomeClass::Internal
                if unkeyed_write =>
            {
                Err(StopReason::NotIdempotent)
            }
            OutcomeClass::InProgress if stored && self.rules.in_progress_needs_signal => Err(StopReason::Permanent),
            OutcomeClass::Internal if stored => Err(StopReason::Permanent),
            _ => Ok(()),
        }
    }

    /// The key ladder: preserve, then verify, then rotate once.
    fn next_key(&self) -> Result<KeyAction, StopReason> {
        if self.rules.key == KeyPlace::Absent || self.retry_signal() == Some(true) {
            return Ok(KeyAction::Preserve);
        }
        match self.class {
            // The response proves that this attempt had no effect, but nothing about one before it with the same key.
            OutcomeClass::NotApplied if self.can_rotate() && !self.key_may_be_in_doubt() => Ok(KeyAction::Rotate),
            OutcomeClass::NotApplied | OutcomeClass::KeyInvalidated => self.rotate(),
            OutcomeClass::Internal => match self.rules.kind {
                // One probe: if nothing was executed the same key succeeds; if the error was stored it comes back.
                KeyKind::ReplayAll if self.rules.probe == Probe::Once && self.history.may_probe() => {
                    Ok(KeyAction::Preserve)
                }
                // Another attempt may still be executing; the service says that the key is invalid once none is.
                KeyKind::InvalidatedByError if !self.is_settled() && self.history.may_probe() => {
                    Ok(KeyAction::Preserve)
                }
                KeyKind::ReplayAll | KeyKind::InvalidatedByError => self.rotate(),
                KeyKind::ReplaySuccess | KeyKind::Signalled | KeyKind::ResourceKey | KeyKind::Unsupported => {
                    Ok(KeyAction::Preserve)
                }
            },
            OutcomeClass::InProgress | OutcomeClass::EarlierAttemptRunning if self.history.key.closed => self.rotate(),
            _ => Ok(KeyAction::Preserve),
        }
    }

    /// Now, or once enough time has passed.
    fn is_settled(&self) -> bool {
        self.history.settled_from(self.rules).is_some()
    }

    /// In doubt by what this call has sent, or another process may have.
    fn key_may_be_in_doubt(&self) -> bool {
        let is_derived = self.rules.key_sharing == KeySharing::Derived;
        self.history.key_is_in_doubt() || (is_derived && !self.history.key_is_used_up())
    }

    fn can_rotate(&self) -> bool {
        self.rules.key.is_replaceable() && self.history.may_rotate()
    }

    fn rotate(&self) -> Result<KeyAction, StopReason> {
        if !self.can_rotate() {
            return Err(StopReason::Unverified);
        }
        // Without a verdict only if a repeat with a new key does nothing more.
        if self.rules.effect != Effect::Write && self.rules.effect_is_documented {
            return Ok(KeyAction::Rotate);
        }
        if self.rules.has_verifier && self.is_settled() {
            Ok(KeyAction::VerifyThenRotate)
        } else {
            Err(StopReason::Unverified)
        }
    }

    /// The policy's own wait, or the server's hint if that is longer.
    fn next_wait(&self, key: KeyAction) -> Result<(Duration, WaitSource), StopReason> {
        let policy = self.rules.policy;
        let own = self.own_wait().max(self.earliest(key).saturating_sub(self.moment.elapsed));
        if self.key_expires(key, own) {
            return Err(StopReason::KeyExpired);
        }
        let hint = self.outcome.response().and_then(|response| response.retry_after);
        let hinted = match hint {
            Some(hint) if hint > policy.max_retry_after => return Err(StopReason::RetryAfterTooLong),
            Some(hint) => hint.saturating_add(spread(hint, &policy.retry_after_jitter, self.moment.jitter_sample)),
            None => Duration::ZERO,
        };
        let (delay, source) = if hinted > own { (hinted, WaitSource::RetryAfter) } else { (own, WaitSource::Backoff) };
        if self.key_expires(key, delay) {
            return Err(StopReason::KeyExpired);
        }
        // After a wait that ends with the deadline there is no time for an attempt.
        if self.moment.elapsed.saturating_add(delay) >= policy.deadline {
            return Err(StopReason::DeadlineExceeded);
        }
        Ok((delay, source))
    }

    /// Whether the service may have forgotten the key after this wait, and with it that it executed the write.
    fn key_expires(&self, key: KeyAction, wait: Duration) -> bool {
        let age = self.moment.key_age.saturating_add(wait);
        let is_sent_again = key == KeyAction::Preserve && self.rules.is_keyed_write();
        is_sent_again && self.rules.key_lifetime.is_some_and(|lifetime| lifetime <= age)
    }

    /// When the next attempt may begin at the earliest, as the time since the call's beginning.
    fn earliest(&self, key: KeyAction) -> Duration {
        let (history, longest_execution) = (self.history, self.rules.longest_execution);
        match key {
            KeyAction::Rotate => Duration::ZERO,
            KeyAction::VerifyThenRotate => {
                let counts_from = self.moment.attempt_began.saturating_add(self.rules.verdict_counts_after());
                counts_from.max(history.settled_from(self.rules).unwrap_or_default())
            }
            KeyAction::Preserve => match self.executed_beside() {
                Some(began) => began.after(longest_execution.unwrap_or_default()),
                None => self.stuck_from().unwrap_or_default(),
            },
        }
    }

    /// When the attempt began beside which the service might execute another one with the same key.
    fn executed_beside(&self) -> Option<Elapsed> {
        let executes_both = self.rules.concurrent_requests == ConcurrentRequests::Executed;
        let needs_its_key = self.rules.is_keyed_write() && !self.history.key.closed;
        self.history.key.may_be_executing().filter(|_| executes_both && needs_its_key)
    }

    /// When a key that is "in progress" after an internal error counts as stuck. The last attempt but one waits for that, so
    /// that there is one left for a new key; those before it may find that the conflict is over.
    fn stuck_from(&self) -> Option<Duration> {
        let key = &self.history.key;
        let from = key.in_progress?.after(self.rules.in_progress_for?);
        let is_last_but_one = self.history.attempts() + 2 == self.rules.policy.max_attempts;
        (key.internal_errors > 0 && is_last_but_one && from < self.rules.policy.deadline).then_some(from)
    }

    fn own_wait(&self) -> Duration {
        let policy = self.rules.policy;
        if !self.is_throttled() {
            return policy.transient.delay(self.history.transient_repeats(), self.moment.jitter_sample);
        }
        // An adaptive limit slows everybody down; a call that was refused twice need not fall behind for it.
        let repeats = if self.rules.adaptive_limit { 0 } else { self.history.throttled_repeats() };
        policy.throttled.delay(repeats, self.moment.jitter_sample)
    }

    fn cost(&self) -> u32 {
        match (self.is_throttled(), self.rules.adaptive_limit) {
            _ if self.moment.limit_closed => 0,
            (true, true) => 0,
            (true, false) => self.rules.costs.throttled,
            (false, _) => self.rules.costs.transient,
        }
    }

    fn is_throttled(&self) -> bool {
        self.outcome.response().is_some_and(ResponseFacts::is_throttled)
    }

    fn is_transient(&self) -> bool {
        self.outcome.response().is_some_and(|response| response.transient)
    }

    fn retry_signal(&self) -> Option<bool> {
        self.outcome.response()?.retry_signal
    }

    fn was_redirected(&self) -> bool {
        self.outcome.response().is_some_and(|response| response.redirect != Redirect::NotFollowed)
    }
}

/// What is added to a hint, so that callers with the same hint do not return in the same instant.
fn spread(hint: Duration, jitter: &RetryAfterJitter, sample: f64) -> Duration {
    let most = Duration::try_from_secs_f64(hint.as_secs_f64() * unit(jitter.share)).unwrap_or(jitter.cap);
    let most = most.min(jitter.cap);
    if unit(sample) < 1.0 { most.mul_f64(unit(sample)) } else { most }
}
