//! The client, and how its calls end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::{Extensions, Method};
use reqwest::{Request, Response, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Error, ErrorKind, Idempotency, KeyKind, RetryPolicy, SafeRetry, Service, async_trait,
};
use tokio::task::JoinSet;

use crate::{clock, error::BoxError, scenario::Scenario, server::WARM_UP};

const BODY: &str = r#"{"quantity":1}"#;

/// Clones are the same client.
#[derive(Clone)]
pub(crate) struct Client {
    http: ClientWithMiddleware,
    bare: reqwest::Client,
    pub(crate) service: Service,
    url: Url,
    sent: Arc<AtomicU64>,
}

/// A call that has ended. Times are since the load began.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) ended: Duration,
    pub(crate) ending: Ending,
    /// For the first failure that is not for want of time.
    pub(crate) error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    /// The queue was too long: nothing was sent.
    TurnedAway,
    Failed,
    /// It may have taken effect.
    InDoubt,
}

impl Client {
    pub(crate) fn new(scenario: Scenario, base_url: &str) -> Result<Self, BoxError> {
        let policy = RetryPolicy::new().deadline(scenario.deadline());
        let service = Service::builder("overloaded", base_url.to_owned())
            .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess))
            .retry_policy(policy)
            .concurrency_limit(scenario.limit())
            .build()?;
        let bare = reqwest::Client::builder().pool_max_idle_per_host(usize::MAX).build()?;
        let sent = Arc::<AtomicU64>::default();
        let layer = SafeRetry::try_new([service.clone()])?;
        let http = ClientBuilder::new(bare.clone()).with(layer).with(Counting(sent.clone())).build();
        Ok(Self { http, bare, service, url: Url::parse(base_url)?.join("/writes")?, sent })
    }

    /// How many requests were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    fn request(&self) -> Request {
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.body_mut() = Some(BODY.into());
        request
    }

    /// Opens so many connections.
    pub(crate) async fn open(&self, connections: usize) -> Result<(), BoxError> {
        let url = self.url.join(WARM_UP)?;
        let mut requests: JoinSet<_> = (0..connections).map(|_| self.bare.post(url.clone()).send()).collect();
        while let Some(response) = requests.join_next().await {
            response??.bytes().await?;
        }
        Ok(())
    }

    /// How many requests a second end, where so many are always in flight, without the layer.
    pub(crate) async fn possible(&self, in_flight: u32, time: Duration) -> Result<f64, BoxError> {
        let (began, mut callers) = (clock::now(), JoinSet::new());
        for _ in 0..in_flight {
            let client = self.clone();
            callers.spawn(async move {
                let mut requests = 0_u64;
                while began.elapsed() < time {
                    client.bare.execute(client.request()).await?.bytes().await?;
                    requests += 1;
                }
                // Each over its own time: the last request ends late.
                Ok::<_, reqwest::Error>(requests as f64 / began.elapsed().as_secs_f64())
            });
        }
        let mut per_second = 0.0;
        while let Some(rate) = callers.join_next().await {
            per_second += rate??;
        }
        Ok(per_second)
    }

    /// Carries a call to its end, its answer's body included.
    pub(crate) async fn call(self, began: Instant) -> Call {
        let (ending, error) = match self.http.execute(self.request()).await {
            Ok(response) => match response.bytes().await {
                Ok(_) => (Ending::Success, None),
                Err(error) => (Ending::Failed, Some(error.to_string())),
            },
            Err(error) => Ending::of(&error),
        };
        Call { ended: began.elapsed(), ending, error }
    }
}

impl Ending {
    fn of(error: &reqwest_middleware::Error) -> (Self, Option<String>) {
        match Error::find(error) {
            Some(error) if error.kind() == ErrorKind::QueueRefused => (Self::TurnedAway, None),
            Some(found) if found.applied() == Applied::Unknown => (Self::InDoubt, Some(found.to_string())),
            Some(found) if found.kind() == ErrorKind::RateLimited => (Self::Failed, None),
            _ => (Self::Failed, Some(error.to_string())),
        }
    }
}

/// Innermost: counts requests.
struct Counting(Arc<AtomicU64>);

#[async_trait]
impl Middleware for Counting {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        self.0.fetch_add(1, Relaxed);
        next.run(request, extensions).await
    }
}
