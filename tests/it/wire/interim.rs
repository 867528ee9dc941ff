//! Interim responses, which come before the response.

use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{Applied, ErrorKind, RetryPolicy, SafeRetry, StopReason, services};

use super::typed;
use crate::support::{
    http2::Http2,
    servers::{Peer, Server, client, client_builder},
};

const DEADLINE: Duration = Duration::from_millis(300);
/// How long a call may take, on a busy machine too.
const IN_TIME: Duration = Duration::from_secs(5);

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const EARLY_HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

fn layered(server: &Server, client: Client) -> ClientWithMiddleware {
    let service = services::idempotency_key_draft("wire", server.base_url());
    let service = service.retry_policy(RetryPolicy::new().deadline(DEADLINE)).build().unwrap();
    ClientBuilder::new(client).with(SafeRetry::new([service])).build()
}

async fn sends_forever(mut peer: Peer, interim: &'static str) {
    peer.request().await;
    peer.send_forever(interim).await;
}

async fn sends_hints_over_http2(peer: Peer) {
    let Some(mut peer) = Http2::of(peer).await else { return };
    if let Some(stream) = peer.request().await {
        peer.send_hints_forever(stream).await;
    }
}

/// The server shares the thread of the client, and so sends no faster than that reads.
#[tokio::test]
async fn endless_interim_responses_end_at_the_deadline() {
    let http2 = client_builder().http2_prior_knowledge().build().unwrap();
    for (name, server, client) in [
        ("100", Server::tcp(|peer| sends_forever(peer, CONTINUE)), client()),
        ("103", Server::tcp(|peer| sends_forever(peer, EARLY_HINTS)), client()),
        ("103 over HTTP/2", Server::tcp(sends_hints_over_http2), http2),
    ] {
        let started = Instant::now();
        let sent =
            tokio::time::timeout(IN_TIME, layered(&server, client).post(server.url("/")).body("{}").send()).await;
        let error = typed(sent.expect(name).unwrap_err());
        assert!(started.elapsed() < IN_TIME, "{name}: {:?}", started.elapsed());
        let ended = (error.kind(), error.stop(), error.applied());
        assert_eq!(ended, (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::Unknown), "{name}");
    }
}

#[tokio::test]
async fn response_after_interim_responses_is_the_result() {
    let server = Server::tcp(|mut peer| async move {
        peer.request().await;
        peer.send(CONTINUE.repeat(3) + &EARLY_HINTS.repeat(3)).await;
        peer.answer(200, "", "{}").await;
    });
    let response = layered(&server, client()).post(server.url("/")).body("{}").send().await.unwrap();
    assert_eq!((response.status().as_u16(), server.requests()), (200, 1));
}
