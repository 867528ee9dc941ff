//! What the attempts of a call have shown about its key and its write: the only state that changes.

use std::time::Duration;

use super::{
    effect::Effect,
    key::{KeyAction, KeyPlace, KeySharing},
    rules::Rules,
    stop::Applied,
};

/// What the attempts of a call have shown so far about its key and its write.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use reqwest_safe_retry::{Applied, Effect, KeyAction, KeyKind, RetryPolicy};
/// use reqwest_safe_retry::decide::{History, KeyPlace, Moment, ResponseFacts, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let mut history = History::default();
/// let stored = ResponseFacts::new(StatusCode::INTERNAL_SERVER_ERROR).into();
/// for _ in 0..2 {
///     let _ = step(&rules, &mut history, &stored, Moment::default());
///     history.begin_repeat(KeyAction::Preserve);
/// }
/// assert_eq!((history.attempts(), history.applied(Effect::Write)), (2, Applied::Unknown));
/// assert_eq!(history.settled_from(&rules), Some(Duration::ZERO), "the stored error has come back");
/// history.verified_not_applied(&rules, Duration::ZERO);
/// assert_eq!(history.applied(Effect::Write), Applied::No);
/// ```
///
/// A key is *settled* when its one execution is known to be over: a stored response was repeated under it, or it was
/// called unusable, or it got an internal error twice and every other attempt under it was refused or not sent, or began
/// longer ago than the service executes anything, or it has been "in progress" for too long after an internal error. Only
/// then is a verdict about the write final.
///
/// A write is *in doubt* while an attempt may have been executed and no response settles whether it took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub(super) attempts: u32,
    /// Responses with status 429: the exponent of the throttled waits is counted apart.
    pub(super) throttled: u32,
    pub(super) key: KeyHistory,
    /// A key was replaced although nothing had settled it.
    replaced_unsettled: bool,
    /// An attempt under a replaced key may have been executed, and nothing has settled it since.
    earlier_doubt: bool,
    rotated: bool,
    /// The last attempt was refused, and not executed.
    pub(super) refused: bool,
}

/// What is known about the key now in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyHistory {
    pub(super) internal_errors: u32,
    /// When the last attempt began that may still be executing.
    pub(super) unanswered: Option<Elapsed>,
    /// When the last attempt began that met a conflict "in progress": one of those before it may be executing.
    pub(super) conflicted: Option<Elapsed>,
    /// When the unbroken run of such conflicts began that goes on.
    pub(super) in_progress: Option<Elapsed>,
    /// A stored response was repeated, the key was called unusable, or it is stuck.
    pub(super) closed: bool,
    /// The service has said that the key is used up: a stored response was repeated, or the key was called unusable.
    pub(super) used_up: bool,
    /// An attempt may have been executed, and nothing has settled it since.
    pub(super) doubt: bool,
    /// Until when what earlier processes have sent may be executed, by the journal.
    earlier_until: Elapsed,
}

impl History {
    /// The attempts made so far.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The history of a write whose key was sent before this call began. It is unknown whether that request took effect.
    pub fn of_used_key() -> Self {
        let key = KeyHistory { unanswered: Some(Elapsed::default()), doubt: true, ..KeyHistory::default() };
        Self { key, ..Self::default() }
    }

    /// The call holds an operation that an earlier process may have sent with the key: for so long after the call's
    /// beginning what it has sent may still be executed.
    pub fn take_over(&mut self, until: Duration) {
        self.key = KeyHistory { doubt: true, earlier_until: Elapsed::of(until), ..KeyHistory::default() };
        // The key before was replaced only because nothing had come of it.
        self.earlier_doubt = false;
    }

    /// Until when what earlier processes have sent may be executed, as the time since the call's beginning.
    pub fn earlier_until(&self) -> Duration {
        self.key.earlier_until.after(Duration::ZERO)
    }

    /// Whether the last attempt was refused without being executed, so that a doubt is about one before it.
    pub const fn was_refused(&self) -> bool {
        self.refused
    }

    /// Whether an attempt of this call may still be executed.
    pub const fn may_be_running(&self) -> bool {
        self.key.unanswered.is_some() || self.key.conflicted.is_some()
    }

    /// Whether the call has replaced its key.
    pub const fn has_rotated(&self) -> bool {
        self.rotated
    }

    /// Whether the service has said that the key now in use is used up.
    pub const fn key_is_used_up(&self) -> bool {
        self.key.used_up
    }

    /// Whether nothing is executed any more under the key now in use: it is used up, or stuck.
    pub(crate) const fn key_is_closed(&self) -> bool {
        self.key.closed
    }

    /// From when on the key now in use is settled, as the time since the call's beginning; `None` if nothing that is known
    /// now settles it.
    pub fn settled_from(&self, rules: &Rules<'_>) -> Option<Duration> {
        let by_this_call = match self.key.may_be_executing() {
            // Another process may have sent it: only the service knows.
            _ if rules.key_sharing == KeySharing::Derived && !self.key.used_up => return None,
            _ if self.key.is_settled() => Duration::ZERO,
            Some(began) if self.key.internal_errors >= 2 => began.after(rules.longest_execution?),
            _ => return None,
        };
        // What is used up stays so, whatever is still on its way.
        let by_earlier = if self.key.used_up { Duration::ZERO } else { self.earlier_until() };
        Some(by_this_call.max(by_earlier))
    }

    /// Whether the write took effect, as far as the responses tell: no error response proves that it did.
    pub fn applied(&self, effect: Effect) -> Applied {
        match effect {
            Effect::Read => Applied::No,
            _ if self.is_in_doubt() => Applied::Unknown,
            _ => Applied::No,
        }
    }

    /// The verifier, asked so long after the call's beginning, has said that the write was not applied; final only if there
    /// is a key and it is settled.
    pub fn verified_not_applied(&mut self, rules: &Rules<'_>, asked: Duration) {
        let keyed = rules.key != KeyPlace::Absent;
        let is_settled = self.settled_from(rules).is_some_and(|from| from <= asked);
        if keyed && is_settled && !self.replaced_unsettled {
            self.key.doubt = false;
            self.earlier_doubt = false;
        }
    }

    /// The next attempt begins, with the same key or a new one.
    pub fn begin_repeat(&mut self, key: KeyAction) {
        match key {
            KeyAction::Preserve => return,
            // Nothing but the response or the request itself has spoken for it.
            KeyAction::Rotate => self.replaced_unsettled |= self.key.doubt && !self.key.is_settled(),
            // A verdict is asked for only once the key is settled.
            KeyAction::VerifyThenRotate => {}
        }
        self.earlier_doubt |= self.key.doubt;
        self.key = KeyHistory::default();
        self.rotated = true;
    }

    /// Whether the write is in doubt.
    pub const fn is_in_doubt(&self) -> bool {
        self.key.doubt || self.earlier_doubt
    }

    /// Whether an attempt with the key now in use leaves the write in doubt.
    pub const fn key_is_in_doubt(&self) -> bool {
        self.key.doubt
    }

    /// Whether the same key may be sent once more after an internal error.
    pub(super) fn may_probe(&self) -> bool {
        !self.rotated && !self.key.closed && self.key.internal_errors < 2
    }

    /// One rotation a call.
    pub(super) fn may_rotate(&self) -> bool {
        !self.rotated
    }

    /// Earlier waits after a 429, and after other failures.
    pub(super) fn throttled_repeats(&self) -> u32 {
        self.throttled.saturating_sub(1)
    }

    pub(super) fn transient_repeats(&self) -> u32 {
        self.attempts.saturating_sub(self.throttled).saturating_sub(1)
    }
}

impl KeyHistory {
    /// Whatever time it is.
    fn is_settled(&self) -> bool {
        self.closed || (self.internal_errors >= 2 && self.may_be_executing().is_none())
    }

    /// When the last attempt began that may be executing, or that found another one executing.
    pub(super) fn may_be_executing(&self) -> Option<Elapsed> {
        self.unanswered.max(self.conflicted)
    }
}

/// The time since a call began, in milliseconds and rounded up: a history is kept small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Elapsed(u32);

impl Elapsed {
    pub(super) fn of(elapsed: Duration) -> Self {
        Self(u32::try_from(elapsed.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX))
    }

    /// So long after it.
    pub(super) fn after(self, more: Duration) -> Duration {
        Duration::from_millis(self.0.into()).saturating_add(more)
    }
}
