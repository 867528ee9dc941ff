//! Connections: reused where possible, closed early where not.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest_safe_retry::{Attempts, Backoff, Jitter};

use super::{KIB, MAX_BODY, answer, compression::gzip_of, head, layered, policy};
use crate::support::servers::{Server, client};

/// Answers with this failure and with 200 in turn.
fn alternating(failure: impl Into<Vec<u8>>) -> Server {
    let failure = Arc::new(failure.into());
    let count = Arc::new(AtomicUsize::new(0));
    Server::on_own_thread(move |mut peer| {
        let (failure, count) = (Arc::clone(&failure), Arc::clone(&count));
        async move {
            while peer.request().await.is_some() {
                match count.fetch_add(1, Ordering::SeqCst) % 2 {
                    0 => peer.send(&*failure).await,
                    _ => peer.answer(200, "", "{}").await,
                }
            }
        }
    })
}

#[tokio::test]
async fn retries_reuse_the_connection() {
    let chunks = |length: usize| {
        let chunk = format!("{:x}\r\n{}\r\n", KIB, ".".repeat(KIB));
        head(503, "Transfer-Encoding: chunked\r\n") + &chunk.repeat(length / KIB) + "0\r\n\r\n"
    };
    let gzip = answer(503, "Content-Encoding: gzip\r\n", &gzip_of(&[b'.'; 60 * KIB]));
    for (name, failure, calls, connections) in [
        ("100 B", answer(503, "", &[b'.'; 100]), 50, 1),
        ("10 KiB in chunks", chunks(10 * KIB).into_bytes(), 50, 1),
        ("64 KiB", answer(503, "", &[b'.'; MAX_BODY]), 50, 1),
        ("60 KiB by gzip", gzip, 50, 1),
        // Each failure closes its connection; the success leaves one for the next call.
        ("256 KiB", answer(503, "", &[b'.'; 4 * MAX_BODY]), 10, 11),
        ("256 KiB in chunks", chunks(4 * MAX_BODY).into_bytes(), 10, 11),
    ] {
        let server = alternating(failure);
        let client = layered(&server, client(), policy());
        for _ in 0..calls {
            let response = client.post(server.url("/")).body("{}").send().await.unwrap();
            assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 2, "{name}");
            response.bytes().await.unwrap();
            // The client's tasks, which are on this thread, put the connection back.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!((server.requests(), server.connections()), (2 * calls, connections), "{name}");
    }
}

/// The connection of a body that is too long is closed before the wait.
#[tokio::test]
async fn failed_response_is_released_before_the_wait() {
    const WAIT: Duration = Duration::from_millis(400);
    let closed = Arc::new(Mutex::new(None));
    let repeated = Arc::new(Mutex::new(None));
    let (seen_closed, seen_repeated) = (Arc::clone(&closed), Arc::clone(&repeated));
    let server = Server::on_own_thread(move |mut peer| {
        let (closed, repeated) = (Arc::clone(&seen_closed), Arc::clone(&seen_repeated));
        async move {
            peer.request().await;
            if peer.number() > 0 {
                *repeated.lock().unwrap() = Some(Instant::now());
                return peer.answer(200, "", "{}").await;
            }
            peer.send(answer(503, "", &[b'.'; 4 * MAX_BODY])).await;
            assert_eq!(peer.read(1).await, None);
            *closed.lock().unwrap() = Some(Instant::now());
        }
    });
    let policy = policy().transient(Backoff::new(WAIT, WAIT).jitter(Jitter::None));
    layered(&server, client(), policy).post(server.url("/")).body("{}").send().await.unwrap();
    let (closed, repeated) = (closed.lock().unwrap().unwrap(), repeated.lock().unwrap().unwrap());
    assert!(repeated.saturating_duration_since(closed) > WAIT / 4, "closed {:?} before", repeated - closed);
}
