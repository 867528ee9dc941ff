//! Idempotency keys: what each was first used for, and what came of it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::answer::Answer;
use super::pause::Instant;

/// What a key is bound to from its first use.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameters {
    /// Method and path with its query.
    pub(super) target: String,
    pub(super) body: Value,
}

#[derive(Debug, Default)]
pub(super) struct Keys {
    slots: HashMap<String, Slot>,
    /// The keys that hold a result, oldest first.
    stored: VecDeque<(Instant, String)>,
    /// How long a result is kept; for ever if none.
    retention: Option<Duration>,
}

#[derive(Debug)]
struct Slot {
    parameters: Parameters,
    /// `None` while the first request executes.
    answer: Option<Answer>,
}

/// What a request finds under its key.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nothing: the key is now this request's own.
    Fresh,
    /// The stored answer of an earlier request with the same parameters.
    Replay(Answer),
    /// An earlier request with the same parameters, still executing.
    InProgress,
    /// An earlier request with other parameters.
    Mismatch,
}

impl Keys {
    pub(super) fn claim(&mut self, key: &str, parameters: Parameters, now: Instant) -> Claim {
        self.expire(now);
        match self.slots.entry(key.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot { parameters, answer: None });
                Claim::Fresh
            }
            Entry::Occupied(occupied) => occupied.get().claimed_again(&parameters),
        }
    }

    pub(super) fn store(&mut self, key: &str, answer: Answer, now: Instant) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.answer = Some(answer);
            self.stored.push_back((now, key.to_owned()));
        }
    }

    /// Gives up a claim that came to nothing.
    pub(super) fn release(&mut self, key: &str) {
        self.slots.remove(key);
    }

    /// Gives up every claim and keeps every result.
    pub(super) fn forget_claims(&mut self) {
        self.slots.retain(|_, slot| slot.answer.is_some());
    }

    /// Forgets every result and keeps every claim.
    pub(super) fn prune(&mut self) {
        self.slots.retain(|_, slot| slot.answer.is_none());
        self.stored.clear();
    }

    pub(super) fn retain_for(&mut self, retention: Duration) {
        self.retention = Some(retention);
    }

    fn expire(&mut self, now: Instant) {
        let Some(retention) = self.retention else { return };
        while let Some((since, _)) = self.stored.front() {
            if now.saturating_duration_since(*since) < retention {
                return;
            }
            if let Some((_, key)) = self.stored.pop_front() {
                self.slots.remove(&key);
            }
        }
    }
}

impl Slot {
    fn claimed_again(&self, parameters: &Parameters) -> Claim {
        if self.parameters != *parameters {
            return Claim::Mismatch;
        }
        match &self.answer {
            Some(answer) => Claim::Replay(answer.clone()),
            None => Claim::InProgress,
        }
    }
}
