//! What a scenario fixes: how keys are handled, what a repeat does, and what the verifier answers.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    ConcurrencyLimit, Effect, Idempotency, KeyKind, Meaning, ResponseRule, RetryPolicy, Route, Service, StatusSet,
    Verifier,
};

use super::ATTEMPTS;

/// How the service handles keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyHandling {
    /// A success is stored. After a 500 the same key executes again; an effect that the failed execution has left
    /// behind is recognised by the key and completed, never repeated.
    ReplaySuccess,
    /// As `ReplaySuccess`, but a 500 leaves the key locked: from then on it gets a 409 that says "still running".
    LockedByError,
    /// The first executed result is stored, a 500 with or without the effect included. What was refused before it
    /// was executed, and a conflict with a running execution, are not stored. The conflict is a 409 of no known meaning.
    ReplayAll,
    /// As `ReplayAll`, with a header that marks what is repeated, and a conflict that says what it is.
    ReplayAllMarked,
    /// A header says whether the same key executes again. If it does, the failed execution has left nothing behind;
    /// if it does not, the result is stored. A gateway does not know of the header.
    Signalled,
    /// As `ReplayAll`, but after a 500 the key gets a 400 that calls it unusable. A lost lock (409) says that nothing
    /// took effect and that a new key is needed; it is stored.
    InvalidatedByError,
    /// The key is a unique attribute of what is created: while that exists, each repeat is a 409 that says so.
    ResourceKey,
    Unsupported,
}

impl KeyHandling {
    pub(super) const ALL: [Self; 8] = [
        Self::ReplaySuccess,
        Self::LockedByError,
        Self::ReplayAll,
        Self::ReplayAllMarked,
        Self::Signalled,
        Self::InvalidatedByError,
        Self::ResourceKey,
        Self::Unsupported,
    ];

    pub(super) fn idempotency(self) -> Idempotency {
        let header = |kind| Idempotency::header("Idempotency-Key", kind);
        match self {
            Self::ReplaySuccess => header(KeyKind::ReplaySuccess),
            Self::LockedByError => header(KeyKind::ReplaySuccess).in_progress_for(Duration::ZERO),
            Self::ReplayAll => header(KeyKind::ReplayAll),
            Self::ReplayAllMarked => header(KeyKind::ReplayAll).replay_header("replayed"),
            Self::Signalled => header(KeyKind::Signalled).transient_header("transient"),
            Self::InvalidatedByError => header(KeyKind::InvalidatedByError),
            Self::ResourceKey => header(KeyKind::ResourceKey),
            Self::Unsupported => Idempotency::none(),
        }
    }

    /// What the service says about keys.
    pub(super) fn responses(self) -> Vec<ResponseRule> {
        let rule = |status, text, meaning| ResponseRule::new(status, meaning).text(text);
        let mut rules = vec![rule(409, "already exists", Meaning::AlreadyExists)];
        if !matches!(self, Self::ReplayAll | Self::Unsupported) {
            rules.push(rule(409, "still running", Meaning::InProgress));
        }
        if self == Self::InvalidatedByError {
            rules.push(rule(400, "unusable key", Meaning::KeyInvalidated));
            rules.push(rule(409, "lost lock", Meaning::NotApplied));
        }
        rules
    }

    /// Whether results other than successes are stored.
    pub(super) fn stores_errors(self) -> bool {
        matches!(self, Self::ReplayAll | Self::ReplayAllMarked | Self::Signalled | Self::InvalidatedByError)
    }
}

/// What the request does when it is executed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Nothing: it only reads.
    Nothing,
    /// The same end state, which counts once.
    SameState,
    /// It is recognised and answered like the first time.
    Deduplicated,
    /// It is recognised by its body and refused with a 409 that says so.
    Refused,
    /// It happens again.
    Doubles,
}

impl Repeat {
    const ALL: [Self; 5] = [Self::Nothing, Self::SameState, Self::Deduplicated, Self::Refused, Self::Doubles];

    fn route(self) -> Route {
        let route = |effect| Route::new(Method::POST, "/write", effect);
        match self {
            Self::Nothing => route(Effect::Read),
            Self::SameState => route(Effect::Idempotent),
            Self::Deduplicated => route(Effect::Deduplicated),
            Self::Refused => route(Effect::Write).deduplicated_by("/id"),
            Self::Doubles => route(Effect::Write),
        }
    }
}

/// The verifier. A truthful one looks at the ledger and does not know what is still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    NoVerifier,
    Truthful,
    Unsure,
    Slow,
}

/// One way of handling keys, one kind of request, one verifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) keys: KeyHandling,
    pub(super) repeat: Repeat,
    pub(super) asked: Asked,
}

impl Scenario {
    pub(super) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for keys in KeyHandling::ALL {
            for repeat in Repeat::ALL {
                for asked in [Asked::NoVerifier, Asked::Truthful, Asked::Unsure, Asked::Slow] {
                    // A read has no key, and no verifier is asked about it.
                    let is_bare = keys == KeyHandling::Unsupported && asked == Asked::NoVerifier;
                    if repeat != Repeat::Nothing || is_bare {
                        all.push(Self { keys, repeat, asked });
                    }
                }
            }
        }
        all
    }

    /// The length of the sequences if it is `depth` for most scenarios.
    pub(super) fn depth(self, depth: usize) -> usize {
        match self.asked {
            Asked::NoVerifier => depth,
            Asked::Truthful | Asked::Unsure if self.repeat == Repeat::Doubles => depth,
            Asked::Truthful | Asked::Unsure | Asked::Slow => depth - 1,
        }
    }

    pub(super) fn service(self, verifier: impl Verifier) -> Service {
        let service = Service::builder("model", "https://model.test")
            .idempotency(self.keys.idempotency())
            .responses(self.keys.responses())
            .routes([self.repeat.route()])
            .retryable(StatusSet::of(&[408, 425, 429, 499]).with(500..=599).without(&[501, 505]))
            .retry_policy(RetryPolicy::new().max_attempts(ATTEMPTS))
            // Thousands of calls share the budget, and would share the limit.
            .retry_costs(0, 0)
            .concurrency_limit(ConcurrencyLimit::Off)
            .build()
            .unwrap();
        if self.asked == Asked::NoVerifier { service } else { service.verifier(verifier) }
    }
}
