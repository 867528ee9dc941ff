//! What a scenario fixes: what protects the operation, how keys are handled, and what the verifier answers.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{
    Backoff, ConcurrencyLimit, ConcurrentRequests, Effect, Jitter, RetryPolicy, Route, Service, StatusSet, Verifier,
    durable::{Journal, JournalSettings},
};

use super::{
    super::scenario::{Asked, KeyHandling},
    service::Millis,
    story::{Gap, How},
};

const DEADLINE: Millis = 60_000;
/// How long a request is executed by a service that may execute two with the same key at once.
const EXECUTION: Millis = 10_000;
/// How long after its process's lease a request may still be executed.
pub(super) const LONGEST_ATTEMPT: Millis = 20_000;
pub(super) const RETENTION: Millis = 3_600_000;
/// Enough for a rotation, and for a failure with the new key.
const ATTEMPTS: u32 = 4;

/// What the processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    Journal,
    /// The name of the operation, from which the keys follow.
    Operation,
    /// Nothing: each process has a key of its own.
    RandomKey,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) protection: Protection,
    pub(super) keys: KeyHandling,
    /// Whether the service refuses a request while another one with the same key is executed.
    pub(super) locks: bool,
    pub(super) asked: Asked,
}

impl Scenario {
    pub(super) fn all(protection: Protection) -> Vec<Self> {
        let verifiers = [Asked::NoVerifier, Asked::Truthful, Asked::Unsure];
        let of = |keys, locks| verifiers.map(|asked| Self { protection, keys, locks, asked });
        let mut all: Vec<_> = KeyHandling::ALL.into_iter().flat_map(|keys| of(keys, true)).collect();
        // An operation alone protects nothing that has no key, and is refused.
        all.retain(|scenario| protection != Protection::Operation || scenario.keys != KeyHandling::Unsupported);
        all.extend(of(KeyHandling::ReplayAll, false));
        all
    }

    /// How often a call is sent at most. One that is sent once, and has nobody to ask, ends while it is executed.
    fn attempts(self) -> u32 {
        if !self.locks && self.asked == Asked::NoVerifier { 1 } else { ATTEMPTS }
    }

    /// One fault more where the fewest lead to a rotation, and where two requests can be executed at once.
    pub(super) fn faults(self, faults: usize) -> usize {
        let is_critical = match self.asked {
            Asked::Truthful => self.keys == KeyHandling::InvalidatedByError,
            Asked::NoVerifier => !self.locks,
            Asked::Unsure | Asked::Slow => false,
        };
        faults + usize::from(is_critical)
    }

    /// How much time passes between two processes.
    pub(super) fn gaps(self) -> &'static [Gap] {
        match (self.protection, self.locks) {
            (Protection::Journal, _) => &[Gap::AtOnce, Gap::Lease, Gap::Over, Gap::Forgotten],
            // What has been forgotten is done again.
            (_, true) => &[Gap::AtOnce, Gap::Over],
            // And nothing keeps the service from executing what is still on its way beside what is sent now.
            (_, false) => &[Gap::Over],
        }
    }

    /// Without a journal there is no lease that could pass while a process is held up.
    pub(super) fn ways_to_stop(self) -> &'static [How] {
        match self.protection {
            Protection::Journal => &[How::Dies, How::Suspended, How::Asleep],
            Protection::Operation => &[How::Dies, How::Suspended],
            Protection::RandomKey => &[How::Dies],
        }
    }

    pub(super) fn forgets_keys(self) -> bool {
        self.keys != KeyHandling::ResourceKey
    }

    /// For how long a process has the operation for itself.
    pub(super) fn lease(self) -> Millis {
        if self.locks { DEADLINE } else { DEADLINE + EXECUTION }
    }

    /// Until when a request may be executed that a process sends now.
    pub(super) fn latest(self, now: Millis, lease_until: Millis) -> Millis {
        if self.locks { lease_until + LONGEST_ATTEMPT } else { now + EXECUTION }
    }

    pub(super) fn service(self, journal: impl Journal, verifier: impl Verifier) -> Service {
        let mut idempotency = self.keys.idempotency();
        if self.forgets_keys() && self.keys != KeyHandling::Unsupported {
            idempotency = idempotency.retention(Duration::from_millis(RETENTION));
        }
        if !self.locks {
            let longest = Duration::from_millis(EXECUTION);
            idempotency = idempotency.concurrent_requests(ConcurrentRequests::Executed).longest_execution(longest);
        }
        let second = Duration::from_secs(1);
        let policy = RetryPolicy::new()
            .max_attempts(self.attempts())
            .deadline(Duration::from_millis(DEADLINE))
            .transient(Backoff::new(second, second).jitter(Jitter::None));
        let settings =
            JournalSettings::new().longest_attempt(Duration::from_millis(LONGEST_ATTEMPT)).rotate_expired_keys();
        let service = Service::builder("model", "https://model.test")
            .idempotency(idempotency)
            .responses(self.keys.responses())
            .routes([Route::new(Method::POST, "/write", Effect::Write)])
            .retryable(StatusSet::of(&[408, 425, 429, 499]).with(500..=599).without(&[501, 505]))
            .retry_policy(policy)
            .journal_settings(settings)
            // Thousands of calls share the budget, and would share the limit.
            .retry_costs(0, 0)
            .concurrency_limit(ConcurrencyLimit::Off)
            .build()
            .unwrap();
        let service = if self.asked == Asked::NoVerifier { service } else { service.verifier(verifier) };
        if self.protection == Protection::Journal { service.journal(journal) } else { service }
    }
}
