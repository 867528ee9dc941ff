//! What the callers do: the policies that are compared, each as a client's chain of middleware.

use std::{sync::Mutex, time::Duration};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{ConcurrencyLimit, ConfigError, RetryPolicy, SafeRetry, async_trait};

use crate::{
    aws::Adaptive,
    clock::{Clock, SeededRng, locked},
    limits::{ATTEMPTS, Budget},
    peer,
    service::{LIMIT, Service},
};

/// Long enough that time is not what fails a call.
const DEADLINE: Duration = Duration::from_secs(600);

/// A policy that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// This crate's layer.
    SafeRetry(Limit, Budget),
    /// `reqwest-retry`, with so many retries.
    ReqwestRetry { retries: u32 },
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
}

impl Policy {
    pub(crate) const SAFE_RETRY: Self = Self::SafeRetry(Limit::Default, Budget::Default);
    pub(crate) const REQWEST_RETRY_UNLIMITED: Self = Self::ReqwestRetry { retries: ATTEMPTS - 1 };

    pub(crate) const ALL: [Self; 9] = [
        Self::SAFE_RETRY,
        Self::SafeRetry(Limit::Default, Budget::Off),
        Self::SafeRetry(Limit::Off, Budget::Default),
        Self::SafeRetry(Limit::Off, Budget::Off),
        Self::ReqwestRetry { retries: 3 },
        Self::REQWEST_RETRY_UNLIMITED,
        Self::AwsAdaptive(Budget::Default),
        Self::AwsAdaptive(Budget::Off),
        Self::Oracle,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SafeRetry(Limit::Default, Budget::Default) => "safe-retry",
            Self::SafeRetry(Limit::Default, Budget::Off) => "safe-retry-no-budget",
            Self::SafeRetry(Limit::Off, Budget::Default) => "safe-retry-no-limit",
            Self::SafeRetry(Limit::Off, Budget::Off) => "safe-retry-no-limit-no-budget",
            Self::ReqwestRetry { retries: 3 } => "reqwest-retry",
            Self::ReqwestRetry { .. } => "reqwest-retry-unlimited",
            Self::AwsAdaptive(Budget::Default) => "aws-adaptive",
            Self::AwsAdaptive(Budget::Off) => "aws-adaptive-no-quota",
            Self::Oracle => "oracle",
        }
    }

    /// A client with this policy in front of the service.
    pub(crate) fn client(
        self,
        service: Service,
        clock: Clock,
        rng: SeededRng,
    ) -> Result<ClientWithMiddleware, ConfigError> {
        let client = ClientBuilder::new(reqwest::Client::new());
        let client = match self {
            Self::SafeRetry(limit, budget) => client.with(layer(limit, budget, rng)?),
            Self::ReqwestRetry { retries } => peer::reqwest_retry(client, retries, rng),
            Self::AwsAdaptive(quota) => client.with(Adaptive::new(quota, clock, rng)),
            Self::Oracle => client.with(Oracle { clock, next: Mutex::default() }),
        };
        Ok(client.with(service).build())
    }
}

/// This crate's layer with its defaults, except for attempts and deadline.
fn layer(limit: Limit, budget: Budget, rng: SeededRng) -> Result<SafeRetry, ConfigError> {
    let policy = RetryPolicy::new().max_attempts(ATTEMPTS).deadline(DEADLINE);
    let limit = match limit {
        Limit::Default => ConcurrencyLimit::Adaptive,
        Limit::Off => ConcurrencyLimit::Off,
    };
    let builder = reqwest_safe_retry::Service::builder("service", Service::URL);
    let builder = match budget {
        Budget::Default => builder,
        Budget::Off => builder.retry_costs(0, 0),
    };
    let service = builder.retry_policy(policy).concurrency_limit(limit).build()?;
    Ok(SafeRetry::try_new([service])?.clock(rng))
}

/// Sends in the order of asking, one request per millisecond; a refused call asks again at once.
#[derive(Debug)]
struct Oracle {
    clock: Clock,
    next: Mutex<Duration>,
}

impl Oracle {
    fn turn(&self) -> Duration {
        let mut next = locked(&self.next);
        let turn = self.clock.now().max(*next);
        *next = turn + Duration::from_secs(1) / LIMIT as u32;
        turn
    }
}

#[async_trait]
impl Middleware for Oracle {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        for _ in 1..ATTEMPTS {
            self.clock.sleep_until(self.turn()).await;
            let Some(again) = request.try_clone() else { break };
            let answer = next.clone().run(again, extensions).await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
        }
        self.clock.sleep_until(self.turn()).await;
        next.run(request, extensions).await
    }
}
