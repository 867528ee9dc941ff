//! Request bodies: which are sent again, and what buffering changes.

use std::time::Duration;

use reqwest::Body;
use reqwest_safe_retry::{Applied, ErrorKind, RetryPolicy, StopReason};

use super::{LEDGER, facts, failure, metronome};
use crate::support::transport::{Transport, status};

fn stream(parts: impl IntoIterator<Item = Result<&'static str, std::io::Error>, IntoIter: Send + 'static>) -> Body {
    Body::wrap_stream(futures_util::stream::iter(parts))
}

fn buffering(max_bytes: usize) -> reqwest_safe_retry::Service {
    metronome(RetryPolicy::new().buffer_bodies(max_bytes))
}

#[tokio::test(start_paused = true)]
async fn bodies_in_memory_are_sent_again() {
    let transport = Transport::new((0..8).map(|n| status(if n % 2 == 0 { 503 } else { 200 })));
    let client = transport.client(metronome(RetryPolicy::new()));
    client.post(LEDGER).body(vec![0, 159, 146, 150]).send().await.unwrap();
    client.post(LEDGER).json(&["json"]).send().await.unwrap();
    client.post(LEDGER).header("content-type", "application/x-www-form-urlencoded").body("a=b").send().await.unwrap();
    client.post(LEDGER).send().await.unwrap();
    let bodies: Vec<_> = transport.sent().into_iter().map(|sent| sent.body).collect();
    let expected: [&[u8]; 4] = [&[0, 159, 146, 150], b"[\"json\"]", b"a=b", b""];
    for (index, expected) in expected.iter().enumerate() {
        assert!(bodies[2 * index..2 * index + 2].iter().all(|body| body == expected), "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn buffered_stream_is_sent_again() {
    for (max_bytes, length, attempts, stop) in [
        (0, Some("6"), 1, StopReason::BodyNotReplayable),
        (5, Some("6"), 1, StopReason::BodyNotReplayable),
        (6, Some("6"), 3, StopReason::AttemptsExhausted),
        (1 << 20, Some("6"), 3, StopReason::AttemptsExhausted),
        (1 << 20, None, 1, StopReason::BodyNotReplayable),
        (1 << 20, Some("six"), 1, StopReason::BodyNotReplayable),
    ] {
        let transport = Transport::new((0..attempts).map(|_| status(503)));
        let mut request = transport.client(buffering(max_bytes)).post(LEDGER).body(stream([Ok("str"), Ok("eam")]));
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        failure!(request, |error| assert_eq!(error.stop(), stop, "{max_bytes} {length:?}"));
        assert_eq!(transport.sent().len(), attempts, "{max_bytes} {length:?}");
        if attempts > 1 {
            assert!(transport.sent().iter().all(|sent| sent.body == b"stream"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn broken_stream_is_never_sent() {
    let failing = stream([Ok("str"), Err(std::io::Error::other("gone"))]);
    let growing = stream([Ok("stream"), Ok("!")]);
    for body in [failing, growing] {
        let transport = Transport::new([]);
        let request = transport.client(buffering(6)).post(LEDGER).header("content-length", "6").body(body);
        failure!(request, |error| {
            assert_eq!(facts(error), (ErrorKind::Transport, StopReason::Permanent, Applied::No));
            assert_eq!(error.attempts().count(), 0);
            assert!(std::error::Error::source(error).is_some());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn buffering_respects_the_deadline() {
    let transport = Transport::new([]);
    let silent = Body::wrap_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let request = transport.client(buffering(6)).post(LEDGER).header("content-length", "6").body(silent);
    let started = tokio::time::Instant::now();
    failure!(request, |error| assert_eq!(
        facts(error),
        (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::No)
    ));
    assert_eq!(started.elapsed(), Duration::from_secs(120));
}
