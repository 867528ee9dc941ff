//! What the callers do: the policies that are compared, each as a client's chain of middleware.

use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{ConcurrencyLimit, ConfigError, Idempotency, KeyKind, RetryPolicy, SafeRetry};

use crate::{
    aws::Adaptive,
    clock::{Clock, SeededRng},
    fleet::Store,
    limits::{ATTEMPTS, Budget},
    model::Model,
    oracle::Oracle,
    peer,
    scenario::Scenario,
    service::Service,
};

/// Long enough that time is not what fails a call.
const NO_DEADLINE: Duration = Duration::from_secs(600);

/// A policy that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// This crate's layer.
    SafeRetry(Limit, Budget),
    /// `reqwest-retry`.
    ReqwestRetry(Retries, AtOnce),
    /// The AWS SDKs' mode "adaptive".
    AwsAdaptive(Budget),
    /// Knows the limit and sends just so many a second; knows nothing of outages.
    Oracle,
}

/// Whether the layer limits how many attempts are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Default,
    Off,
    /// Each process knows what the others see.
    Shared,
    /// The same, but the store in which they look never answers.
    StoreDown,
}

/// How often `reqwest-retry` tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    /// As it is documented.
    Three,
    /// As often as the others may.
    AsOthers,
}

/// How many calls the callers make at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtOnce {
    All,
    /// As many as a semaphore lets through.
    Semaphore,
}

impl Policy {
    pub(crate) const SAFE_RETRY: Self = Self::SafeRetry(Limit::Default, Budget::Default);
    pub(crate) const SAFE_RETRY_SHARED: Self = Self::SafeRetry(Limit::Shared, Budget::Default);
    pub(crate) const REQWEST_RETRY_SEMAPHORE: Self = Self::ReqwestRetry(Retries::AsOthers, AtOnce::Semaphore);
    pub(crate) const REQWEST_RETRY_UNLIMITED: Self = Self::ReqwestRetry(Retries::AsOthers, AtOnce::All);

    pub(crate) const ALL: [Self; 13] = [
        Self::SAFE_RETRY,
        Self::SAFE_RETRY_SHARED,
        Self::SafeRetry(Limit::StoreDown, Budget::Default),
        Self::SafeRetry(Limit::Default, Budget::Off),
        Self::SafeRetry(Limit::Off, Budget::Default),
        Self::SafeRetry(Limit::Off, Budget::Off),
        Self::ReqwestRetry(Retries::Three, AtOnce::All),
        Self::ReqwestRetry(Retries::Three, AtOnce::Semaphore),
        Self::REQWEST_RETRY_UNLIMITED,
        Self::REQWEST_RETRY_SEMAPHORE,
        Self::AwsAdaptive(Budget::Default),
        Self::AwsAdaptive(Budget::Off),
        Self::Oracle,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SafeRetry(Limit::Default, Budget::Default) => "safe-retry",
            Self::SafeRetry(Limit::Default, Budget::Off) => "safe-retry-no-budget",
            Self::SafeRetry(Limit::Shared, _) => "safe-retry-shared",
            Self::SafeRetry(Limit::StoreDown, _) => "safe-retry-store-down",
            Self::SafeRetry(Limit::Off, Budget::Default) => "safe-retry-no-limit",
            Self::SafeRetry(Limit::Off, Budget::Off) => "safe-retry-no-limit-no-budget",
            Self::ReqwestRetry(Retries::Three, AtOnce::All) => "reqwest-retry",
            Self::ReqwestRetry(Retries::Three, AtOnce::Semaphore) => "reqwest-retry-semaphore",
            Self::ReqwestRetry(Retries::AsOthers, AtOnce::All) => "reqwest-retry-unlimited",
            Self::ReqwestRetry(Retries::AsOthers, AtOnce::Semaphore) => "reqwest-retry-unlimited-semaphore",
            Self::AwsAdaptive(Budget::Default) => "aws-adaptive",
            Self::AwsAdaptive(Budget::Off) => "aws-adaptive-no-quota",
            Self::Oracle => "oracle",
        }
    }

    /// Whether the policy shows something in a scenario that no other line shows; the documentation of this program lists
    /// what is left out.
    pub(crate) fn suits(self, scenario: Scenario) -> bool {
        let fleet = scenario.is_fleet();
        let refused = scenario.model != Model::Slow;
        match self {
            Self::SafeRetry(Limit::Shared | Limit::StoreDown, _) => fleet,
            Self::SafeRetry(limit, budget) => !(fleet && limit == Limit::Off) && (refused || budget == Budget::Default),
            Self::ReqwestRetry(retries, at_once) => {
                let time_for_more = refused && scenario.model != Model::Deadline;
                !(fleet && at_once == AtOnce::All) && (time_for_more || retries == Retries::Three)
            }
            Self::AwsAdaptive(_) => refused,
            Self::Oracle => true,
        }
    }

    /// Whether the policy ends a call at its deadline by itself.
    pub(crate) fn has_deadlines(self) -> bool {
        matches!(self, Self::SafeRetry(..))
    }

    /// A client for each process. What processes share is made here once; all else is made for each of them.
    pub(crate) fn clients(
        self,
        scenario: Scenario,
        service: &Service,
        clock: Clock,
    ) -> Result<Vec<ClientWithMiddleware>, ConfigError> {
        // Nothing reaches it: the service is a middleware, and answers.
        let network = reqwest::Client::new();
        let oracle = Oracle::new(scenario, clock);
        let store = if let Self::SafeRetry(Limit::StoreDown, _) = self { Store::Down } else { Store::near() };
        let clients = (0..scenario.processes).map(|process| {
            let rng = SeededRng::of_process(scenario.seed, process);
            let client = ClientBuilder::new(network.clone());
            let client = match self {
                Self::SafeRetry(limit, budget) => client.with(layer(scenario, limit, budget, &store, rng)?),
                Self::ReqwestRetry(retries, at_once) => reqwest_retry(client, retries, at_once, rng),
                Self::AwsAdaptive(quota) => client.with(Adaptive::new(quota, clock, rng)),
                Self::Oracle => client.with(oracle.clone()),
            };
            Ok(client.with(service.clone()).build())
        });
        clients.collect()
    }
}

/// This crate's layer with its defaults, except for attempts and deadline.
fn layer(
    scenario: Scenario,
    limit: Limit,
    budget: Budget,
    store: &Store,
    rng: SeededRng,
) -> Result<SafeRetry, ConfigError> {
    let deadline = scenario.model.deadline().unwrap_or(NO_DEADLINE);
    let policy = RetryPolicy::new().max_attempts(ATTEMPTS).deadline(deadline);
    let concurrency_limit = if limit == Limit::Off { ConcurrencyLimit::Off } else { ConcurrencyLimit::Adaptive };
    let builder = reqwest_safe_retry::Service::builder("service", Service::URL)
        .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess));
    let builder = match budget {
        Budget::Default => builder,
        Budget::Off => builder.retry_costs(0, 0),
    };
    let service = builder.retry_policy(policy).concurrency_limit(concurrency_limit).build()?;
    let service = match limit {
        Limit::Shared | Limit::StoreDown => service.share_limit(&store.join())?,
        Limit::Default | Limit::Off => service,
    };
    Ok(SafeRetry::try_new([service])?.clock(rng))
}

fn reqwest_retry(client: ClientBuilder, retries: Retries, at_once: AtOnce, rng: SeededRng) -> ClientBuilder {
    let client = match at_once {
        AtOnce::All => client,
        AtOnce::Semaphore => client.with(peer::Behind::default()),
    };
    let retries = match retries {
        Retries::Three => 3,
        Retries::AsOthers => ATTEMPTS - 1,
    };
    peer::reqwest_retry(client, retries, rng)
}
