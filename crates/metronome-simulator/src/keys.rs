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
    /// The keys of requests that have been executed, oldest first.
    filled: VecDeque<(Instant, String)>,
    /// How long a reply is kept; `None` for ever.
    retention: Option<Duration>,
}

#[derive(Debug)]
struct Slot {
    parameters: Parameters,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The first request executes.
    Claimed,
    Stored(Reply),
    /// The first request has failed and left its claim behind.
    Stuck,
}

/// What a key holds when a request claims it.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nothing: the key now belongs to this request.
    Fresh,
    /// The stored reply of an earlier request with the same parameters.
    Replay(Reply),
    /// An earlier request with the same parameters, still executing by what the key tells.
    InProgress,
    /// An earlier request with other parameters.
    Mismatch,
}

impl Keys {
    pub(crate) fn claim(&mut self, key: &str, parameters: Parameters, now: Instant) -> Claim {
        self.expire(now);
        match self.slots.entry(key.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot { parameters, content: Content::Claimed });
                Claim::Fresh
            }
            Entry::Occupied(occupied) => occupied.get().claim_again(&parameters),
        }
    }

    pub(crate) fn store(&mut self, key: &str, reply: Reply, now: Instant) {
        self.fill(key, Content::Stored(reply), now);
    }

    /// Keeps the claim of an execution that is over, for as long as a reply.
    pub(crate) fn leave_stuck(&mut self, key: &str, now: Instant) {
        self.fill(key, Content::Stuck, now);
    }

    fn fill(&mut self, key: &str, content: Content, now: Instant) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.content = content;
            self.filled.push_back((now, key.to_owned()));
        }
    }

    /// Releases the claim of a killed execution.
    pub(crate) fn release(&mut self, key: &str) {
        self.slots.remove(key);
    }

    /// Releases the claim of every execution.
    pub(crate) fn forget_claims(&mut self) {
        self.slots.retain(|_, slot| !matches!(slot.content, Content::Claimed));
    }

    /// Forgets everything but the claims of executions.
    pub(crate) fn prune(&mut self) {
        self.slots.retain(|_, slot| matches!(slot.content, Content::Claimed));
        self.filled.clear();
    }

    pub(crate) fn retain_for(&mut self, retention: Duration) {
        self.retention = Some(retention);
    }

    fn expire(&mut self, now: Instant) {
        let Some(retention) = self.retention else { return };
        while let Some((since, _)) = self.filled.front() {
            if now.saturating_duration_since(*since) < retention {
                return;
            }
            if let Some((_, key)) = self.filled.pop_front() {
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
        match &self.content {
            Content::Stored(reply) => Claim::Replay(reply.clone()),
            Content::Claimed | Content::Stuck => Claim::InProgress,
        }
    }
}
