//! Idempotency keys: what each was first used for, and what came of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use super::answer::Answer;

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
    pub(super) fn claim(&mut self, key: &str, parameters: Parameters) -> Claim {
        match self.slots.entry(key.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot { parameters, answer: None });
                Claim::Fresh
            }
            Entry::Occupied(occupied) => occupied.get().claimed_again(&parameters),
        }
    }

    pub(super) fn store(&mut self, key: &str, answer: Answer) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.answer = Some(answer);
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
