//! The client with the layer, and what it has in common with the one without.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{Applied, Attempts, Backoff, Error, Jitter, RetryPolicy, SafeRetry, Service};
use serde_json::Value;

use crate::{story::Message, timeline::Timeline, verifier::LookUp};

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The first wait; the next is twice as long.
pub(crate) const WAIT: Duration = Duration::from_millis(250);

/// An account: its URL, and a plain client that bears its token.
#[derive(Clone)]
pub(crate) struct Endpoint {
    base_url: String,
    http: reqwest::Client,
}

/// Something that carries a message to an end.
pub(crate) trait Client {
    async fn carry(&self, message: &Message) -> Result<Ending, Failed>;
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

impl Endpoint {
    pub(crate) fn new(base_url: &str, token: &str, timeout: Duration) -> Result<Self, Failed> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token has characters that no header can hold")?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        let http = reqwest::Client::builder().default_headers(headers).timeout(timeout).build()?;
        Ok(Self { base_url: base_url.trim_end_matches('/').to_owned(), http })
    }

    pub(crate) fn request(&self, message: &Message) -> reqwest::RequestBuilder {
        let request = self.http.request(message.method.clone(), format!("{}{}", self.base_url, message.path));
        match &message.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

/// The defaults but for the waits, which are short and without jitter: a run is quick, and two runs read alike.
pub(crate) fn quick_policy() -> RetryPolicy {
    let waits = Backoff::new(WAIT, Duration::from_secs(2)).jitter(Jitter::None);
    RetryPolicy::new().transient(waits).throttled(waits)
}

impl Layered {
    pub(crate) fn new(endpoint: Endpoint, policy: RetryPolicy) -> Result<Self, Failed> {
        let metronome = Service::metronome()
            .into_builder()
            .base_url(endpoint.base_url.clone())
            .retry(policy)
            .verifier(LookUp { endpoint: endpoint.clone() })
            .build()?;
        let client = ClientBuilder::new(endpoint.http.clone()).with(SafeRetry::try_new([metronome])?).build();
        Ok(Self { endpoint, client })
    }
}

impl Client for Layered {
    async fn carry(&self, message: &Message) -> Result<Ending, Failed> {
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
