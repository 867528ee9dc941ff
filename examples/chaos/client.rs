//! The five clients, and what a caller is told by them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{Extensions, StatusCode};
use metronome_simulator::Metronome;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use reqwest_safe_retry::{
    Applied, Attempts, Backoff, Error, Jitter, RetryPolicy, SafeRetry, Service, StopReason, async_trait,
};

use crate::{
    accounts::CUSTOMERS,
    endpoint::{BoxError, Endpoint, sleep},
    fault_mix::{DEADLINE, IDENTITY, LIST_LAG, TIMEOUT, WAITS},
    load::{Message, Number},
    nested::Nested,
    verifier::LookUp,
};

/// Which client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SafeRetry,
    SafeRetryNoVerifier,
    ReqwestRetry,
    VendorSdkRules,
    NoRetry,
}

/// A client, and how often it has sent something.
pub(crate) struct Client {
    endpoint: Endpoint,
    http: ClientWithMiddleware,
    sent: Arc<AtomicU64>,
}

/// What a caller is left with.
pub(crate) struct Ending {
    pub(crate) succeeded: bool,
    pub(crate) told: Applied,
    /// Why there was no further attempt, where the layer says so.
    pub(crate) stop: Option<StopReason>,
    /// The attempts, where the layer says so.
    pub(crate) account: String,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::SafeRetry, Self::SafeRetryNoVerifier, Self::ReqwestRetry, Self::VendorSdkRules, Self::NoRetry];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SafeRetry => "safe-retry",
            Self::SafeRetryNoVerifier => "safe-retry-no-verifier",
            Self::ReqwestRetry => "reqwest-retry",
            Self::VendorSdkRules => "vendor-sdk-rules",
            Self::NoRetry => "no-retry",
        }
    }
}

impl Client {
    pub(crate) fn new(kind: Kind, simulator: &Metronome) -> Result<Self, BoxError> {
        let endpoint = Endpoint::new(simulator, TIMEOUT, None)?;
        let sent = Arc::<AtomicU64>::default();
        let layers = layers(kind, simulator, &endpoint)?;
        let layered = || layers(ClientBuilder::new(endpoint.http.clone()));
        let nested = Nested { client: layered().build(), url: endpoint.url(CUSTOMERS) };
        let http = layered().with(nested).with(Counting(Arc::clone(&sent))).build();
        Ok(Self { endpoint, http, sent })
    }

    /// How many attempts there were.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Carries a call to its end, its answer's body included.
    pub(crate) async fn carry(&self, message: &Message) -> Ending {
        let request = self.http.request(message.method.clone(), self.endpoint.url(&message.path));
        let request = request.header(IDENTITY, message.number.to_string());
        let request = match &message.body {
            Some(body) => request.json(body),
            None => request,
        };
        match request.send().await {
            Ok(response) => Ending::of_answer(response, message.number).await,
            Err(error) => Ending::of_error(&error),
        }
    }
}

impl Ending {
    /// A write has succeeded by its status, even where the answer then breaks off; a read needs the whole of it.
    async fn of_answer(response: Response, number: Number) -> Self {
        let account = response.extensions().get::<Attempts>().map(Attempts::to_string).unwrap_or_default();
        let told = match response.status() {
            status if status.is_success() => Applied::Yes,
            status if status.is_client_error() => Applied::No,
            _ => Applied::Unknown,
        };
        let is_whole = response.bytes().await.is_ok();
        let succeeded = told == Applied::Yes && (is_whole || matches!(number, Number::Write(_)));
        Self { succeeded, told, stop: None, account }
    }

    /// The layer's errors say it; of others nobody knows.
    fn of_error(error: &reqwest_middleware::Error) -> Self {
        match Error::find(error) {
            Some(error) => {
                let account = format!("{}: {:?}, {:?}", error.attempts(), error.kind(), error.stop());
                Self { succeeded: false, told: error.applied(), stop: Some(error.stop()), account }
            }
            None => Self { succeeded: false, told: Applied::Unknown, stop: None, account: String::new() },
        }
    }
}

/// What a kind of client puts around another one. Clients that are built with it share the layer's limit and budget.
fn layers(
    kind: Kind,
    simulator: &Metronome,
    endpoint: &Endpoint,
) -> Result<impl Fn(ClientBuilder) -> ClientBuilder + use<>, BoxError> {
    let service = match kind {
        Kind::SafeRetry => {
            let verifier = LookUp { endpoint: Endpoint::spared(simulator)?, lag: Some(LIST_LAG) };
            Some(metronome(endpoint).verifier(verifier).build()?)
        }
        Kind::SafeRetryNoVerifier => Some(metronome(endpoint).build()?),
        Kind::ReqwestRetry | Kind::VendorSdkRules | Kind::NoRetry => None,
    };
    let layer = service.map(|service| SafeRetry::try_new([service])).transpose()?;
    Ok(move |builder: ClientBuilder| match (kind, &layer) {
        (_, Some(layer)) => builder.with(layer.clone()),
        (Kind::ReqwestRetry, None) => {
            let waits = ExponentialBackoff::builder().retry_bounds(WAITS.0, WAITS.1).base(2);
            let policy = waits.jitter(reqwest_retry::Jitter::None).build_with_max_retries(3);
            builder.with(RetryTransientMiddleware::new_with_policy(policy))
        }
        (Kind::VendorSdkRules, None) => builder.with(VendorSdkRules),
        (_, None) => builder,
    })
}

/// The layer as it is documented but for times and numbers.
fn metronome(endpoint: &Endpoint) -> reqwest_safe_retry::ServiceBuilder {
    let waits = Backoff::new(WAITS.0, WAITS.1).jitter(Jitter::None);
    let policy = RetryPolicy::new().max_attempts(5).transient(waits.clone()).throttled(waits).deadline(DEADLINE);
    Service::metronome().into_builder().base_url(endpoint.base_url.clone()).retry_policy(policy).retry_budget(2_000)
}

/// Two retries after any failure of the transport, 408, 409, 429 and 5xx, without a key.
struct VendorSdkRules;

#[async_trait]
impl Middleware for VendorSdkRules {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let mut wait = WAITS.0;
        for _ in 0..2 {
            let Some(again) = request.try_clone() else { break };
            match next.clone().run(again, extensions).await {
                Ok(response) if !is_retried(response.status()) => return Ok(response),
                _ => sleep(wait).await,
            }
            wait = (wait * 2).min(WAITS.1);
        }
        next.run(request, extensions).await
    }
}

fn is_retried(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 429 | 500..)
}

/// Innermost: counts attempts.
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
