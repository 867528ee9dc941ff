//! The library's scripted transport, with what the tests here ask of it over and over.

use std::sync::LazyLock;

use async_trait::async_trait;
use http::{Extensions, HeaderMap};
use reqwest::{Body, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
pub use reqwest_safe_retry::testing::Reply;
use reqwest_safe_retry::{
    SafeRetry, Service,
    testing::{ScriptedTransport, SentRequest},
};
use tokio::time::Instant;

use super::clock::FixedClock;

/// The client at the end of a chain, which is never reached. Built once, since it reads certificates.
pub fn unused() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.clone()
}

/// A request that arrived at the transport.
#[derive(Clone, Debug)]
pub struct Sent {
    pub url: reqwest::Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub at: Instant,
}

#[derive(Clone)]
pub struct Transport {
    scripted: ScriptedTransport,
    began: Instant,
}

impl Transport {
    pub fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        Self { scripted: ScriptedTransport::new(script), began: Instant::now() }
    }

    /// A client with a layer for this service; every wait takes its upper bound.
    pub fn client(&self, service: Service) -> ClientWithMiddleware {
        self.layered(SafeRetry::new([service]).clock(FixedClock::at(1.0)))
    }

    pub fn layered(&self, layer: SafeRetry) -> ClientWithMiddleware {
        ClientBuilder::new(unused()).with(layer).with(self.clone()).build()
    }

    pub fn sent(&self) -> Vec<Sent> {
        let sent = |sent: SentRequest| Sent {
            url: sent.url().clone(),
            headers: sent.headers().clone(),
            body: sent.body().to_vec(),
            at: self.began + sent.at(),
        };
        self.scripted.sent().into_iter().map(sent).collect()
    }

    /// The value of this header in each request sent.
    pub fn header(&self, name: &str) -> Vec<Option<String>> {
        let value = |sent: &Sent| {
            let mut values = sent.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
            let first = values.next();
            assert_eq!(values.next(), None, "{name} was sent twice");
            first
        };
        self.sent().iter().map(value).collect()
    }

    pub fn keys(&self) -> Vec<Option<String>> {
        self.header("idempotency-key")
    }

    pub fn left(&self) -> usize {
        self.scripted.replies_left()
    }
}

#[async_trait]
impl Middleware for Transport {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        // The layer could take the transport's error for one that a test expects.
        assert_ne!(self.left(), 0, "the script has no reply left");
        self.scripted.handle(request, extensions, next).await
    }
}

/// A response with this status and body, and headers as `name: value`.
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    Reply::response(status, headers.iter().copied(), body)
}

/// A response with this status, without headers and body.
pub fn status(status: u16) -> Reply {
    Reply::status(status)
}
