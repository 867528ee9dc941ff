//! How the layer classifies each transport failure: real sockets, real time, a real reqwest client.
//!
//! Every case is one failure. A call with a single attempt shows its class. A write without a key shows the
//! consequence: it is sent again only where it was provably not processed.

mod body;
mod connect;
mod http1;
mod http2;
mod middleware;
mod races;
mod request;
mod tls;

use std::{error::Error as StdError, future::Future, time::Duration};

use http::Method;
use reqwest::Client;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{
    Applied, AttemptOutcome, Backoff, Error, ErrorKind, Failure, Idempotency, RetryPolicy, SafeRetry, Service,
    StopReason,
};

use super::typed;
use crate::support::{
    http2::Http2,
    servers::{Identity, Peer, Server, client, client_builder},
};

const SOON: Duration = Duration::from_millis(100);
/// Larger than what the sockets' buffers and an HTTP/2 window take.
const LARGE: usize = 8 << 20;

/// The class of a request that HTTP/2 returned unprocessed, which only the feature `http2` recognizes.
const RETURNED_BY_HTTP2: Failure = if cfg!(feature = "http2") { Failure::NotProcessed } else { Failure::Ambiguous };

/// A failure and its expected class.
struct Case {
    name: &'static str,
    setup: fn() -> Setup,
    failure: Failure,
    timed_out: bool,
    connecting: bool,
    /// Requests that reach the server for one attempt of the layer.
    requests: usize,
}

/// The server, the client and the request of a case.
struct Setup {
    server: Option<Server>,
    base_url: String,
    path: &'static str,
    client: Client,
    body: Vec<u8>,
}

/// A case whose request reaches the server once and whose error is neither a timeout nor a connection's.
fn case(name: &'static str, failure: Failure, setup: fn() -> Setup) -> Case {
    Case { name, setup, failure, timed_out: false, connecting: false, requests: 1 }
}

impl Case {
    fn timed_out(self) -> Self {
        Self { timed_out: true, ..self }
    }

    /// Fails while connecting, so that no request arrives.
    fn connecting(self) -> Self {
        Self { connecting: true, requests: 0, ..self }
    }

    fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }
}

impl Setup {
    fn at(base_url: impl Into<String>) -> Self {
        Self { server: None, base_url: base_url.into(), path: "/", client: client(), body: b"{}".to_vec() }
    }

    fn of(server: Server) -> Self {
        Self { base_url: server.base_url(), server: Some(server), ..Self::at("") }
    }

    fn tcp<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Peer) -> F) -> Self {
        Self::of(Server::tcp(behaviour))
    }

    fn tls<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Peer) -> F) -> Self {
        Self::of(Server::tls(Identity::trusted(), behaviour))
    }

    /// A server and a client that speak HTTP/2 from the start.
    fn http2<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Http2) -> F) -> Self {
        Self::of(http2_server(behaviour)).client(client_builder().http2_prior_knowledge())
    }

    fn client(self, client: reqwest::ClientBuilder) -> Self {
        Self { client: client.build().unwrap(), ..self }
    }

    fn large(self) -> Self {
        Self { body: vec![b' '; LARGE], ..self }
    }

    fn requests(&self) -> usize {
        self.server.as_ref().map_or(0, Server::requests)
    }

    async fn call(&self, method: Method, attempts: u32) -> Error {
        let client = layered(&self.base_url, self.client.clone(), attempts);
        let url = format!("{}{}", self.base_url, self.path);
        let sent = client.request(method, url).body(self.body.clone()).send().await;
        typed(sent.expect_err("the transport did not fail"))
    }
}

/// A server that speaks HTTP/2 from the start.
fn http2_server<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Http2) -> F) -> Server {
    Server::tcp(move |peer| async move {
        if let Some(peer) = Http2::of(peer).await {
            behaviour(peer).await;
        }
    })
}

/// A client with a service without keys at this address.
fn layered(base_url: &str, client: Client, attempts: u32) -> ClientWithMiddleware {
    let at_once = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let policy = RetryPolicy::new().max_attempts(attempts).transient(at_once).deadline(Duration::from_secs(10));
    let service = Service::builder("wire", base_url.to_owned()).idempotency(Idempotency::none());
    ClientBuilder::new(client).with(SafeRetry::new([service.retry_policy(policy).build().unwrap()])).build()
}

fn failure(error: &Error) -> Failure {
    match error.attempts().iter().last().unwrap().outcome() {
        AttemptOutcome::Failure(failure) => *failure,
        other => panic!("not a failure: {other}"),
    }
}

/// Runs every case and reports all that differ.
async fn check(cases: impl IntoIterator<Item = Case>) {
    let mut wrong = Vec::new();
    for case in cases {
        let setup = (case.setup)();
        let error = setup.call(Method::GET, 1).await;
        let found = (failure(&error), error.is_timeout(), error.is_connect(), setup.requests());
        let expected = (case.failure, case.timed_out, case.connecting, case.requests);
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}: {:?}", case.name, error.source()));
        }

        let setup = (case.setup)();
        let error = setup.call(Method::POST, 2).await;
        let found = (error.attempts().count(), error.stop(), error.applied(), setup.requests());
        let (attempts, stop, applied) = unkeyed_write(case.failure);
        let expected = (attempts, stop, applied, attempts * case.requests);
        if found != expected {
            wrong.push(format!("{}, a write: {found:?}, not {expected:?}", case.name));
        }
        assert_eq!(error.kind(), ErrorKind::Transport, "{}", case.name);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Attempts, stop reason and effect of a write without a key, of two attempts at most.
fn unkeyed_write(failure: Failure) -> (usize, StopReason, Applied) {
    match failure {
        Failure::NotSent | Failure::NotProcessed => (2, StopReason::AttemptsExhausted, Applied::No),
        Failure::Ambiguous => (1, StopReason::NotIdempotent, Applied::Unknown),
        Failure::RedirectLoop => (1, StopReason::Permanent, Applied::Unknown),
        _ => (1, StopReason::Permanent, Applied::No),
    }
}

async fn silent(mut peer: Peer) {
    peer.request().await;
    peer.keep_open().await;
}

async fn resets(mut peer: Peer) {
    peer.request().await;
    peer.reset();
}

async fn closes(mut peer: Peer) {
    peer.request().await;
}
