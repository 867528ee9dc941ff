//! The client with the layer, and what both clients share.

use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{Applied, Attempts, Backoff, Error, Jitter, RetryPolicy, SafeRetry, Service};
use serde_json::Value;

use crate::{
    endpoint::{BoxError, Endpoint},
    story::Message,
    timeline::Timeline,
    verifier::LookUp,
};

/// The first wait; the next is twice as long.
pub(crate) const WAIT: Duration = Duration::from_millis(250);

/// Sends a message until the call ends.
pub(crate) trait Client {
    async fn carry(&self, message: &Message) -> Result<Ending, BoxError>;
}

/// How a call ended, as its caller sees it.
pub(crate) struct Ending {
    pub(crate) applied: Applied,
    /// The answer of a success.
    pub(crate) answer: Option<Value>,
    pub(crate) timeline: Timeline,
}

/// The client with the layer.
pub(crate) struct Layered {
    endpoint: Endpoint,
    client: ClientWithMiddleware,
}

/// The defaults but for the waits, which are short and without jitter: a run is quick, and two runs read alike.
pub(crate) fn quick_policy() -> RetryPolicy {
    let waits = Backoff::new(WAIT, Duration::from_secs(2)).jitter(Jitter::None);
    RetryPolicy::new().transient(waits.clone()).throttled(waits)
}

impl Layered {
    /// `lag` is how long lists may be behind, if something says so.
    pub(crate) fn new(endpoint: Endpoint, policy: RetryPolicy, lag: Option<Duration>) -> Result<Self, BoxError> {
        let metronome = Service::metronome()
            .into_builder()
            .base_url(endpoint.base_url.clone())
            .retry_policy(policy)
            .verifier(LookUp { endpoint: endpoint.clone(), lag })
            .build()?;
        let client = ClientBuilder::new(endpoint.http.clone()).with(SafeRetry::try_new([metronome])?).build();
        Ok(Self { endpoint, client })
    }
}

impl Client for Layered {
    async fn carry(&self, message: &Message) -> Result<Ending, BoxError> {
        match self.client.execute(self.endpoint.request(message).build()?).await {
            Ok(response) => {
                let timeline = response.extensions().get::<Attempts>().map(Timeline::from).unwrap_or_default();
                Ok(Ending { applied: Applied::Yes, answer: Some(json(response).await), timeline })
            }
            Err(error) => {
                let Some(error) = Error::find(&error) else { return Err(error.into()) };
                let mut timeline = Timeline::from(error.attempts());
                let more = match (error.applied(), error.message()) {
                    (Applied::No, "") => String::new(),
                    (Applied::No, message) => format!(" \"{message}\""),
                    (applied, _) => format!(", {applied}"),
                };
                timeline.end(&format!("{:?}{more}", error.kind()));
                Ok(Ending { applied: error.applied(), answer: None, timeline })
            }
        }
    }
}

/// A success may have no body, or one that is not read to its end: it is a success all the same.
pub(crate) async fn json(response: reqwest::Response) -> Value {
    response.json().await.unwrap_or_default()
}
