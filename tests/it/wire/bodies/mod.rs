//! Bodies over real connections. Error bodies are read within bounds and leave the connection usable, success bodies
//! are not touched, and request bodies arrive unchanged on a retry.

mod compression;
mod connections;
mod errors;
mod memory;
mod requests;
mod whole;
mod without_content;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use reqwest::Client;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Backoff, Error, Jitter, RetryPolicy, SafeRetry, services};

use super::typed;
use crate::support::servers::{Peer, Server};

const MS: Duration = Duration::from_millis(1);
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// The largest error body that is read.
const MAX_BODY: usize = 64 * KIB;
/// Limits a call that would otherwise hang.
const TOO_LONG: Duration = Duration::from_secs(20);

/// A short timeout for error bodies, and waits that are long enough for a connection to return to the pool.
fn policy() -> RetryPolicy {
    let short = Backoff::new(3 * MS, 3 * MS).jitter(Jitter::None);
    RetryPolicy::new().max_attempts(2).transient(short).error_body_timeout(100 * MS)
}

/// A client of a service whose keys can be sent again.
fn layered(server: &Server, client: Client, policy: RetryPolicy) -> ClientWithMiddleware {
    let service = services::idempotency_key_draft("wire", server.base_url()).retry_policy(policy);
    ClientBuilder::new(client).with(SafeRetry::new([service.build().unwrap()])).build()
}

async fn error(request: RequestBuilder) -> Error {
    let sent = tokio::time::timeout(TOO_LONG, request.send()).await.expect("the call hangs");
    typed(sent.expect_err("the call should fail"))
}

/// The head of a response, up to the headers that frame its body.
fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Scripted\r\n{headers}\r\n")
}

fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    [head(status, &format!("{headers}Content-Length: {}\r\n", body.len())).as_bytes(), body].concat()
}

/// What a server does with a connection.
type Behaviour = Arc<dyn Fn(Peer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn custom<F: Future<Output = ()> + Send + 'static>(behaviour: fn(Peer) -> F) -> Behaviour {
    Arc::new(move |peer| Box::pin(behaviour(peer)))
}

/// Answers every request with these bytes.
fn answering(bytes: impl Into<Vec<u8>>) -> Behaviour {
    let bytes = Arc::new(bytes.into());
    Arc::new(move |mut peer| {
        let bytes = Arc::clone(&bytes);
        Box::pin(async move {
            while peer.request().await.is_some() {
                peer.send(&*bytes).await;
            }
        })
    })
}

/// Answers the first request with these bytes and closes.
fn closing(bytes: impl Into<Vec<u8>>) -> Behaviour {
    let bytes = Arc::new(bytes.into());
    Arc::new(move |mut peer| {
        let bytes = Arc::clone(&bytes);
        Box::pin(async move {
            peer.request().await;
            peer.send(&*bytes).await;
        })
    })
}
