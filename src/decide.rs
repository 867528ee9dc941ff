//! What happens after a failed attempt: a pure function of plain data.
//!
//! [`decide`](decide()) reads the table of the documentation line by line: `Row` is the line that an outcome falls on,
//! [`History`] what the attempts before have shown, [`Stop`] why there is no further attempt.

use std::time::Duration;

use http::StatusCode;

use crate::{
    backoff::unit,
    idempotency::{KeyKind, Meaning, Probe},
    outcome::{Answer, Failure, Outcome, Redirected},
    policy::{RetryPolicy, StatusSet},
    route::Effect,
    source::Rule,
};

/// Everything that the decision depends on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Situation<'a> {
    /// What sending the request again does.
    pub effect: Effect,
    /// Whether and where the request carries a key.
    pub key: KeyPlace,
    /// What the service stores under a key.
    pub kind: KeyKind,
    /// Whether a stored 500 is asked for once more.
    pub probe: Probe,
    /// How often and how long.
    pub policy: &'a RetryPolicy,
    /// The statuses that may be retried.
    pub retryable: StatusSet,
    /// Whether the service's limiter answers before a request is executed.
    pub limiter_precedes_execution: bool,
    /// Whether the service's description, and not the request alone, says what sending it again does. Only then does a
    /// repeat under a new key need no verdict.
    pub effect_is_described: bool,
    /// Whether the request's body can be sent a second time.
    pub body_replayable: bool,
    /// Whether there is a verifier to ask before a rotation.
    pub verifier: bool,
    /// How the last attempt ended.
    pub outcome: Outcome,
    /// What all attempts have shown, the last included.
    pub history: History,
    /// The time since the call began.
    pub elapsed: Duration,
    /// A number from 0 to 1 that places the wait between its bounds.
    pub chance: f64,
    /// The tokens left in the service's budget.
    pub tokens: u32,
    /// Whether a window holds calls back: a repeat after a 429 then costs nothing, and its waits do not grow.
    pub window: bool,
}

/// Whether and where a request carries a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPlace {
    /// There is no key.
    Absent,
    /// In a header, where it can be replaced.
    Header,
    /// In the body, where it is only ever preserved.
    Body,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// There is no further attempt.
    Fail(Stop),
    /// Another attempt.
    Retry {
        /// The wait before it.
        delay: Duration,
        /// What becomes of the key.
        key: KeyAction,
        /// What it takes out of the budget.
        cost: u32,
    },
}

/// What becomes of the key before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAction {
    /// The same key, or none as before.
    Preserve,
    /// A new key: the last answer, or the request itself, makes sure that nothing is doubled.
    Rotate,
    /// A new key once the verifier has said, after the wait, that the write was not applied.
    VerifyThenRotate,
}

/// Why there was no further attempt. Where several reasons hold, the first in this order is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stop {
    /// Another attempt would get the same answer.
    Permanent,
    /// The write may have been executed, and nothing would keep a repeat from doing it again.
    NotIdempotent,
    /// The request's body is a stream, which can be sent only once.
    BodyNotReplayable,
    /// All attempts that the policy allows were made.
    Attempts,
    /// Only a new key could help, and nothing proves that the write was not applied.
    Unverified,
    /// The server asks for a longer wait than the policy allows.
    RetryAfter,
    /// The next wait does not fit into the deadline.
    Deadline,
    /// The service's retry budget is used up.
    Budget,
}

/// Whether a write took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It did not.
    No,
    /// It did.
    Yes,
    /// Nobody can tell from here.
    Unknown,
}

/// The line of the table that an outcome falls on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    NotSent,
    /// 429 and 425.
    Refused,
    /// A timeout, a reset, an answer cut off; 408.
    Unanswered,
    InProgress,
    /// A 409 of unknown meaning while an earlier attempt of this call may still be running.
    OwnRequestRunning,
    Burnt,
    RotateAtOnce,
    /// 502, 503, 504.
    Gateway,
    /// 500 and every other 5xx that may be retried.
    Internal,
    /// A 4xx that the policy lists although no table does.
    Listed,
    Final {
        may_have_executed: bool,
    },
}

impl Row {
    const fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::InProgress => "in_progress",
            Self::OwnRequestRunning => "own_request_running",
            Self::Burnt => "burnt",
            Self::RotateAtOnce => "rotate_at_once",
            Self::Gateway => "gateway",
            Self::Internal => "internal",
            Self::Listed => "listed",
            Self::Final { .. } => "final",
        }
    }

    fn of(situation: &Situation<'_>) -> Self {
        match situation.outcome {
            Outcome::Failure(Failure::NotSent | Failure::NotProcessed) => Self::NotSent,
            Outcome::Failure(Failure::Ambiguous) => Self::Unanswered,
            Outcome::Failure(Failure::Untrusted | Failure::Unsendable) => Self::Final { may_have_executed: false },
            Outcome::Failure(Failure::RedirectLoop | Failure::Middleware) => Self::Final { may_have_executed: true },
            Outcome::Answer(answer) => Self::of_answer(answer, situation),
        }
    }

    fn of_answer(answer: Answer, situation: &Situation<'_>) -> Self {
        let status = answer.status;
        let has_key = situation.key != KeyPlace::Absent;
        match answer.meaning {
            Some(Meaning::InProgress) => return Self::InProgress,
            Some(Meaning::Burnt) if has_key => return Self::Burnt,
            Some(Meaning::RotateAtOnce) if has_key => return Self::RotateAtOnce,
            Some(_) => return Self::Final { may_have_executed: false },
            None => {}
        }
        if status == StatusCode::CONFLICT && situation.history.in_doubt() {
            return Self::OwnRequestRunning;
        }
        if !situation.retryable.contains(status) {
            let may_have_executed = match status.as_u16() {
                408 | 500.. => true,
                429 | 425 => !situation.limiter_precedes_execution,
                _ => false,
            };
            return Self::Final { may_have_executed };
        }
        match status.as_u16() {
            429 | 425 => Self::Refused,
            408 => Self::Unanswered,
            502..=504 => Self::Gateway,
            500.. => Self::Internal,
            _ => Self::Listed,
        }
    }
}

impl Row {
    /// The line in words, and the rule of a service's description that it comes from.
    fn in_words(self) -> (&'static str, Rule) {
        match self {
            Self::NotSent => ("it was never sent, or provably not processed", Rule::Stored),
            Self::Refused => ("it was refused before it was executed", Rule::RateLimits),
            Self::Unanswered => ("it was not answered in time, and may have been executed", Rule::Stored),
            Self::InProgress => ("an earlier request with this key is still being executed", Rule::Conflicts),
            Self::OwnRequestRunning => ("an earlier attempt of this call may still be executed", Rule::Conflicts),
            Self::Burnt => ("the key has become unusable", Rule::Conflicts),
            Self::RotateAtOnce => ("it had no effect, and a new key is asked for", Rule::Conflicts),
            Self::Gateway => ("a gateway could not tell: it may have been executed", Rule::Stored),
            Self::Internal => {
                ("an internal error: it may have been executed, and the error may be stored", Rule::Stored)
            }
            Self::Listed => ("the policy lists this status as worth another attempt", Rule::Retryable),
            Self::Final { may_have_executed: true } => {
                ("it may have been executed, and no repeat would help", Rule::Retryable)
            }
            Self::Final { may_have_executed: false } => {
                ("it was not executed, and would be answered the same again", Rule::Errors)
            }
        }
    }
}

/// The line of the table on which a situation falls, in words, and the rule it comes from.
pub(crate) fn line(situation: &Situation<'_>) -> (&'static str, Rule) {
    Row::of(situation).in_words()
}

/// What the attempts of a call have shown so far about its key and its write.
///
/// A key is *settled* when its one execution is known to be over: a stored answer was repeated under it, or it was
/// called unusable, or it was answered with an internal error twice and every other attempt under it was refused or
/// never arrived. Only then is a verdict about the write final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Attempts made.
    attempts: u32,
    /// Answers with status 429: the exponent of the throttled waits is counted apart.
    throttled: u32,
    /// Answers on the 500 row, under any key.
    internal_errors: u32,
    key: KeyHistory,
    /// A key was given up that nothing had settled.
    gave_up_unsettled: bool,
    /// An attempt under a key given up may have been executed, and nothing has settled it since.
    earlier_doubt: bool,
    rotated: bool,
    /// A redirect took the key to another origin, about whose keys the description says nothing.
    travelled: bool,
    found_applied: bool,
}

/// What is known about the key now in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KeyHistory {
    internal_errors: u32,
    /// An attempt may still be running.
    unanswered: bool,
    /// A stored answer was repeated, or the key was called unusable.
    closed: bool,
    /// An attempt may have been executed, and nothing has settled it since.
    doubt: bool,
}

impl History {
    /// The attempts made so far.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether an attempt was answered with an internal error.
    pub const fn met_internal_error(&self) -> bool {
        self.internal_errors > 0
    }

    /// Whether the key now in use is settled.
    pub const fn is_settled(&self) -> bool {
        self.key.closed || (self.key.internal_errors >= 2 && !self.key.unanswered)
    }

    /// Whether the write took effect, as far as the answers tell.
    pub fn applied(&self, effect: Effect) -> Applied {
        match effect {
            Effect::Read => Applied::No,
            _ if self.found_applied => Applied::Yes,
            _ if self.in_doubt() => Applied::Unknown,
            _ => Applied::No,
        }
    }

    fn in_doubt(&self) -> bool {
        self.key.doubt || self.earlier_doubt
    }

    /// The history with the situation's outcome added, for the decision about it.
    pub fn after(mut self, situation: &Situation<'_>) -> Self {
        let row = Row::of(&Situation { history: self, ..*situation });
        self.attempts += 1;
        match row {
            Row::Unanswered | Row::InProgress | Row::Gateway => {
                self.key.unanswered = true;
                self.key.doubt = true;
            }
            Row::OwnRequestRunning => self.key.unanswered = true,
            Row::Internal => {
                self.internal_errors += 1;
                self.key.internal_errors += 1;
                self.key.doubt = true;
                let stored = situation.probe == Probe::Never && !self.key.unanswered;
                self.key.closed |= situation.kind == KeyKind::Poisoned || stored;
            }
            Row::Burnt => self.key.closed = true,
            Row::Final { may_have_executed } => self.key.doubt |= may_have_executed,
            Row::Refused if !situation.limiter_precedes_execution => {
                self.key.unanswered = true;
                self.key.doubt = true;
            }
            Row::NotSent | Row::Refused | Row::RotateAtOnce | Row::Listed => {}
        }
        if let Outcome::Answer(answer) = situation.outcome {
            self.read_answer(answer, situation.kind);
        }
        self
    }

    fn read_answer(&mut self, answer: Answer, kind: KeyKind) {
        self.travelled |= answer.redirected == Redirected::OtherOrigin;
        if answer.redirected != Redirected::No {
            // It is not the answer to the request itself, which was sent, and may have been executed.
            self.key.doubt = true;
            self.key.unanswered = true;
        }
        self.throttled += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
        if answer.replayed {
            self.key.closed = true;
            // The stored result is a refusal, so that what was executed under the key had no effect.
            let refused = answer.status.is_client_error() && answer.status != StatusCode::REQUEST_TIMEOUT;
            if refused && answer.meaning.is_none() {
                self.key.doubt = false;
            }
        }
        // The first attempt went past the check for duplicates before it met its internal error, so the duplicate that
        // a later one met is its own. A gateway's error proves no such thing.
        if answer.meaning == Some(Meaning::AlreadyExists) && kind != KeyKind::ResourceKey && self.internal_errors > 0 {
            self.found_applied = true;
        }
    }

    /// The verifier has said that the write was not applied; final only where the key is settled.
    pub fn not_applied(mut self, keyed: bool) -> Self {
        if keyed && self.is_settled() && !self.gave_up_unsettled {
            self.key.doubt = false;
            self.earlier_doubt = false;
        }
        self
    }

    /// The next attempt carries a new key.
    pub fn rotated(mut self) -> Self {
        self.gave_up_unsettled |= self.key.doubt && !self.is_settled();
        self.earlier_doubt |= self.key.doubt;
        self.key = KeyHistory::default();
        self.rotated = true;
        self
    }
}

/// What happens after an attempt that did not succeed. Successes and redirects are the caller's and never get here.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::decide::{Decision, KeyPlace, Situation, Stop, decide};
/// use reqwest_safe_retry::{Answer, Effect, KeyKind, Outcome, RetryPolicy};
///
/// let policy = RetryPolicy::new();
/// let gateway_timeout = Outcome::Answer(Answer::new(StatusCode::GATEWAY_TIMEOUT));
///
/// // A write without a key may have been executed: it is not sent again.
/// let unkeyed = Situation::new(Effect::Write, KeyPlace::Absent, KeyKind::None, &policy, gateway_timeout);
/// assert_eq!(decide(&unkeyed), Decision::Fail(Stop::NotIdempotent));
///
/// // With its key it can be.
/// let keyed = Situation::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy, gateway_timeout);
/// assert!(matches!(decide(&keyed), Decision::Retry { .. }));
/// ```
///
/// It never allows more attempts than the policy, a wait that ends past the deadline, a wait shorter than a hint or a
/// hint above its cap, a write without a key after it may have been executed, or a new key for a write unless a
/// verdict on a settled key or the answer itself proves that the old one had no effect.
pub fn decide(situation: &Situation<'_>) -> Decision {
    next_attempt(situation).unwrap_or_else(Decision::Fail)
}

/// The stops in their order: the first that holds is the answer.
fn next_attempt(situation: &Situation<'_>) -> Result<Decision, Stop> {
    let row = Row::of(situation);
    may_be_sent_again(situation, row)?;
    if !situation.body_replayable {
        return Err(Stop::BodyNotReplayable);
    }
    if situation.history.attempts >= situation.policy.max_attempts {
        return Err(Stop::Attempts);
    }
    let key = next_key(situation, row)?;
    let delay = next_delay(situation)?;
    let cost = match situation.policy.costs {
        (_, _) if situation.is_throttled() && situation.window => 0,
        (_, throttled) if situation.is_throttled() => throttled,
        (transient, _) => transient,
    };
    if situation.tokens < cost || situation.policy.budget == 0 {
        return Err(Stop::Budget);
    }
    Ok(Decision::Retry { delay, key, cost })
}

fn may_be_sent_again(situation: &Situation<'_>, row: Row) -> Result<(), Stop> {
    let unkeyed_write = situation.is_unkeyed_write();
    let was_redirected = situation.answer().is_some_and(|answer| answer.redirected != Redirected::No);
    if unkeyed_write && was_redirected {
        return Err(if matches!(row, Row::Final { .. }) { Stop::Permanent } else { Stop::NotIdempotent });
    }
    match situation.retry_signal() {
        Some(false) => return Err(Stop::Permanent),
        Some(true) if !unkeyed_write || (row == Row::Refused && situation.limiter_precedes_execution) => return Ok(()),
        _ => {}
    }
    // The service says, by a header of its own, whether it stored the error under the key.
    let stored = situation.key != KeyPlace::Absent && situation.kind == KeyKind::Signalled && !situation.is_transient();
    match row {
        Row::Final { .. } => Err(Stop::Permanent),
        Row::Listed if unkeyed_write => Err(Stop::Permanent),
        Row::Refused if unkeyed_write && !situation.limiter_precedes_execution => Err(Stop::NotIdempotent),
        Row::Unanswered | Row::OwnRequestRunning | Row::InProgress | Row::Gateway | Row::Internal if unkeyed_write => {
            Err(Stop::NotIdempotent)
        }
        Row::InProgress | Row::Gateway | Row::Internal if stored => Err(Stop::Permanent),
        _ => Ok(()),
    }
}

/// The key ladder: preserve, then verify, then rotate once.
fn next_key(situation: &Situation<'_>, row: Row) -> Result<KeyAction, Stop> {
    if situation.key == KeyPlace::Absent || situation.retry_signal() == Some(true) {
        return Ok(KeyAction::Preserve);
    }
    let history = &situation.history;
    match row {
        // The answer proves that this attempt had no effect, but nothing about one before it under the same key.
        Row::RotateAtOnce if situation.can_rotate() && !history.key.doubt => Ok(KeyAction::Rotate),
        Row::RotateAtOnce | Row::Burnt => rotate(situation),
        Row::Internal => match situation.kind {
            KeyKind::ReplaySuccess | KeyKind::Signalled | KeyKind::ResourceKey | KeyKind::None => {
                Ok(KeyAction::Preserve)
            }
            // One probe: if nothing had begun the same key heals it, if the error was stored it comes back.
            KeyKind::ReplayAll if may_probe(situation) => Ok(KeyAction::Preserve),
            KeyKind::ReplayAll | KeyKind::Poisoned => rotate(situation),
        },
        _ => Ok(KeyAction::Preserve),
    }
}

fn may_probe(situation: &Situation<'_>) -> bool {
    let History { rotated, key, .. } = situation.history;
    situation.probe == Probe::Once && !rotated && !key.closed && key.internal_errors < 2
}

fn rotate(situation: &Situation<'_>) -> Result<KeyAction, Stop> {
    if !situation.can_rotate() {
        return Err(Stop::Unverified);
    }
    // What guards itself needs no verdict: a repeat under a new key does nothing more.
    if situation.effect != Effect::Write && situation.effect_is_described {
        return Ok(KeyAction::Rotate);
    }
    if situation.verifier && situation.history.is_settled() {
        Ok(KeyAction::VerifyThenRotate)
    } else {
        Err(Stop::Unverified)
    }
}

fn own_delay(situation: &Situation<'_>) -> Duration {
    let Situation { policy, history, chance, .. } = situation;
    if situation.is_throttled() {
        // A window slows everybody down; a call that was unlucky twice need not stay behind for it.
        let repeats = if situation.window { 0 } else { history.throttled.saturating_sub(1) };
        policy.throttled.delay(repeats, *chance)
    } else {
        policy.transient.delay((history.attempts - history.throttled).saturating_sub(1), *chance)
    }
}

/// The layer's own wait, or the server's hint where that is longer.
fn next_delay(situation: &Situation<'_>) -> Result<Duration, Stop> {
    let policy = situation.policy;
    let own = own_delay(situation);
    let delay = match situation.hint() {
        Some(hint) if hint > policy.hint_cap => return Err(Stop::RetryAfter),
        Some(hint) => own.max(hint.saturating_add(spread(hint, policy.hint_jitter, situation.chance))),
        None => own,
    };
    // No attempt fits into what is left after a wait that ends with the deadline.
    if situation.elapsed.saturating_add(delay) >= policy.deadline {
        return Err(Stop::Deadline);
    }
    Ok(delay)
}

/// What is added to a hint, so that those who got the same one do not come back in the same instant.
fn spread(hint: Duration, (share, most): (f64, Duration), chance: f64) -> Duration {
    let most = Duration::try_from_secs_f64(hint.as_secs_f64() * unit(share)).unwrap_or(most).min(most);
    if unit(chance) < 1.0 { most.mul_f64(unit(chance)) } else { most }
}

impl<'a> Situation<'a> {
    /// After the first attempt of a call, with everything else as it is when nothing was set up: the default
    /// statuses, a body that can be sent again, no verifier, no time passed, the longest wait, a full budget, no window.
    pub fn new(effect: Effect, key: KeyPlace, kind: KeyKind, policy: &'a RetryPolicy, outcome: Outcome) -> Self {
        let before = Self {
            effect,
            key,
            kind,
            probe: Probe::Once,
            policy,
            retryable: StatusSet::DEFAULT,
            limiter_precedes_execution: true,
            effect_is_described: true,
            body_replayable: true,
            verifier: false,
            outcome,
            history: History::default(),
            elapsed: Duration::ZERO,
            chance: 1.0,
            tokens: policy.budget,
            window: false,
        };
        Self { history: History::default().after(&before), ..before }
    }

    /// The line of the table on which the outcome falls.
    pub(crate) fn rule(&self) -> &'static str {
        Row::of(self).name()
    }

    /// Who asks for this wait, as it was decided.
    pub(crate) fn wait_source(&self, delay: Duration) -> &'static str {
        if delay > own_delay(self) { "hint" } else { "own" }
    }

    fn can_rotate(&self) -> bool {
        self.key == KeyPlace::Header && !self.history.rotated && !self.history.travelled
    }

    fn is_unkeyed_write(&self) -> bool {
        self.effect == Effect::Write && self.key == KeyPlace::Absent
    }

    fn answer(&self) -> Option<Answer> {
        match self.outcome {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Failure(_) => None,
        }
    }

    fn is_throttled(&self) -> bool {
        self.answer().is_some_and(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS)
    }

    fn is_transient(&self) -> bool {
        self.answer().is_some_and(|answer| answer.transient)
    }

    fn retry_signal(&self) -> Option<bool> {
        self.answer()?.retry_signal
    }

    fn hint(&self) -> Option<Duration> {
        self.answer()?.hint
    }
}
