//! Idempotency keys: the parameters of the first request, and its reply.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::reply::Reply;
use crate::runtime::Instant;

/// The request that a key belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    /// The method and the path with its query.
    pub(crate) target: String,
    pub(crate) body: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Keys {
    slots: HashMap<String, Slot>,
    /// The keys with a reply, oldest first.
    stored: VecDeque<(Instant, String)>,
    /// How long a reply is kept; `None` for ever.
    retention: Option<Duration>,
}

#[derive(Debug)]
struct Slot {
    parameters: Parameters,
    /// `None` while the first request executes.
    reply: Option<Reply>,
}

/// What a key holds when a request claims it.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nothing: the key now belongs to this request.
    Fresh,
    /// The stored reply of an earlier request with the same parameters.
    Replay(Reply),
    /// An earlier request with the same parameters, still executing.
    InProgress,
    /// An earlier request with other parameters.
    Mismatch,
}

impl Keys {
    pub(crate) fn claim(&mut self, key: &str, parameters: Parameters, now: Instant) -> Claim {
        self.expire(now);
        match self.slots.entry(key.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot { parameters, reply: None });
                Claim::Fresh
            }
            Entry::Occupied(occupied) => occupied.get().claim_again(&parameters),
        }
    }

    pub(crate) fn store(&mut self, key: &str, reply: Reply, now: Instant) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.reply = Some(reply);
            self.stored.push_back((now, key.to_owned()));
        }
    }

    /// Releases the claim of a killed execution.
    pub(crate) fn release(&mut self, key: &str) {
        self.slots.remove(key);
    }

    /// Releases every claim and keeps every reply.
    pub(crate) fn forget_claims(&mut self) {
        self.slots.retain(|_, slot| slot.reply.is_some());
    }

    /// Forgets every reply and keeps every claim.
    pub(crate) fn prune(&mut self) {
        self.slots.retain(|_, slot| slot.reply.is_none());
        self.stored.clear();
    }

    pub(crate) fn retain_for(&mut self, retention: Duration) {
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
    fn claim_again(&self, parameters: &Parameters) -> Claim {
        if self.parameters != *parameters {
            return Claim::Mismatch;
        }
        match &self.reply {
            Some(reply) => Claim::Replay(reply.clone()),
            None => Claim::InProgress,
        }
    }
}
