//! A scripted transport: the last middleware of a chain, which answers without a socket.

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{Extensions, HeaderMap};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{SafeRetry, Service};
use tokio::time::Instant;

use super::clock::FixedClock;

/// The client at the end of a chain, which is never reached. Built once, since it reads certificates.
pub fn unused() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.clone()
}

/// The scripted result of one request.
pub enum Reply {
    Response(http::Response<Body>),
    Failure(reqwest_middleware::Error),
    /// Never answers.
    Silence,
    /// Answers after a while.
    Late(Duration, Box<Reply>),
}

/// A request that arrived at the transport.
#[derive(Clone, Debug)]
pub struct Sent {
    pub url: reqwest::Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub at: Instant,
}

#[derive(Clone, Default)]
pub struct Transport {
    script: Arc<Mutex<VecDeque<Reply>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Transport {
    pub fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Self::default() }
    }

    /// A client with a layer for this service; every wait takes its upper bound.
    pub fn client(&self, service: Service) -> ClientWithMiddleware {
        self.layered(SafeRetry::new([service]).clock(FixedClock::at(1.0)))
    }

    pub fn layered(&self, layer: SafeRetry) -> ClientWithMiddleware {
        ClientBuilder::new(unused()).with(layer).with(self.clone()).build()
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
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
        self.script.lock().unwrap().len()
    }
}

#[async_trait]
impl Middleware for Transport {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let url = request.url().clone();
        self.sent.lock().unwrap().push(Sent {
            url: url.clone(),
            headers: request.headers().clone(),
            body: request.body().and_then(Body::as_bytes).unwrap_or_default().to_vec(),
            at: Instant::now(),
        });
        let mut reply = self.script.lock().unwrap().pop_front().expect("the script has no reply left");
        loop {
            match reply {
                Reply::Late(wait, then) => {
                    tokio::time::sleep(wait).await;
                    reply = *then;
                }
                Reply::Silence => std::future::pending().await,
                // As reqwest does, name the requested URL.
                Reply::Failure(reqwest_middleware::Error::Reqwest(error)) => return Err(error.with_url(url).into()),
                Reply::Failure(error) => return Err(error),
                Reply::Response(response) => {
                    let (parts, body) = response.into_parts();
                    let mut response = http::Response::builder().url(url).body(body).unwrap();
                    *response.status_mut() = parts.status;
                    *response.headers_mut() = parts.headers;
                    return Ok(Response::from(response));
                }
            }
        }
    }
}

/// A response with this status and body, and headers as `name: value`.
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Reply::Response(response.body(body.into()).unwrap())
}

/// A response with this status, without headers and body.
pub fn status(status: u16) -> Reply {
    reply(status, &[], "")
}
