//! What the attempts of a call have shown about its key and its write: the only state that changes.

use super::{
    effect::Effect,
    key::{KeyAction, KeyPlace},
    rules::Rules,
    stop::Applied,
};

/// What the attempts of a call have shown so far about its key and its write.
///
/// A key is *settled* when its one execution is known to be over: a stored response was repeated under it, or it was
/// called unusable, or it got an internal error twice and every other attempt under it was refused or not sent. Only then
/// is a verdict about the write final.
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
    /// A redirect took the key to another origin, whose keys the description does not cover.
    pub(super) left_origin: bool,
}

/// What is known about the key now in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyHistory {
    pub(super) internal_errors: u32,
    /// An attempt may still be executing.
    pub(super) unanswered: bool,
    /// A stored response was repeated, or the key was called unusable.
    pub(super) closed: bool,
    /// An attempt may have been executed, and nothing has settled it since.
    pub(super) doubt: bool,
}

impl History {
    /// The attempts made so far.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the key now in use is settled.
    pub const fn is_settled(&self) -> bool {
        self.key.closed || (self.key.internal_errors >= 2 && !self.key.unanswered)
    }

    /// Whether the write took effect, as far as the responses tell: no error response proves that it did.
    pub fn applied(&self, effect: Effect) -> Applied {
        match effect {
            Effect::Read => Applied::No,
            _ if self.is_in_doubt() => Applied::Unknown,
            _ => Applied::No,
        }
    }

    /// The verifier has said that the write was not applied; final only if there is a key and it is settled.
    pub fn verified_not_applied(&mut self, rules: &Rules<'_>) {
        let keyed = rules.key != KeyPlace::Absent;
        if keyed && self.is_settled() && !self.replaced_unsettled {
            self.key.doubt = false;
            self.earlier_doubt = false;
        }
    }

    /// The next attempt begins, with the same key or a new one.
    pub fn begin_repeat(&mut self, key: KeyAction) {
        match key {
            KeyAction::Preserve => {}
            KeyAction::Rotate | KeyAction::VerifyThenRotate => self.rotate(),
        }
    }

    fn rotate(&mut self) {
        self.replaced_unsettled |= self.key.doubt && !self.is_settled();
        self.earlier_doubt |= self.key.doubt;
        self.key = KeyHistory::default();
        self.rotated = true;
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.key.doubt || self.earlier_doubt
    }

    pub(super) fn key_is_in_doubt(&self) -> bool {
        self.key.doubt
    }

    /// Whether the same key may be sent once more after an internal error.
    pub(super) fn may_probe(&self) -> bool {
        !self.rotated && !self.key.closed && self.key.internal_errors < 2
    }

    /// One rotation a call, and none after the key has left its origin.
    pub(super) fn may_rotate(&self) -> bool {
        !self.rotated && !self.left_origin
    }

    /// Earlier waits after a 429, and after other failures.
    pub(super) fn throttled_repeats(&self) -> u32 {
        self.throttled.saturating_sub(1)
    }

    pub(super) fn transient_repeats(&self) -> u32 {
        (self.attempts - self.throttled).saturating_sub(1)
    }
}
