//! Responses to reads whose bodies are read before the call returns.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use reqwest::{Body, Response};
use reqwest_safe_retry::{
    Applied, AttemptOutcome, Attempts, Effect, ErrorKind, Failure, RequestBuilderExt, RetryPolicy, Service, StopReason,
};

use super::{LEDGER, LIST, facts, failure, metronome};
use crate::support::transport::{Reply, Transport, reply, status};

const SECOND: Duration = Duration::from_secs(1);

fn buffering(bytes: usize) -> RetryPolicy {
    RetryPolicy::new().buffer_responses(bytes)
}

fn stream(parts: impl IntoIterator<Item = io::Result<&'static str>, IntoIter: Send + 'static>) -> Body {
    Body::wrap_stream(futures_util::stream::iter(parts))
}

fn broken(status: u16) -> Reply {
    reply(status, &[], stream([Ok("{\"data\":["), Err(io::ErrorKind::ConnectionReset.into())]))
}

fn outcomes(response: &Response) -> Vec<AttemptOutcome> {
    response.extensions().get::<Attempts>().unwrap().iter().map(|attempt| attempt.outcome().clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn read_that_breaks_off_is_repeated() {
    let whole = reply(200, &[("x-page", "7")], stream([Ok("{\"da"), Ok(""), Ok("ta\":1}")]));
    let transport = Transport::new([broken(200), broken(200), whole]);
    let client = transport.client(metronome(buffering(10)));
    let response = client.get(LIST).send().await.unwrap();
    let failed = || AttemptOutcome::Failure(Failure::Ambiguous);
    assert_eq!(outcomes(&response)[..2], [failed(), failed()]);
    assert_eq!((response.status().as_u16(), response.url().as_str()), (200, LIST));
    assert_eq!((&response.headers()["x-page"], response.content_length()), (&HeaderValue::from_static("7"), Some(10)));
    assert_eq!(response.text().await.unwrap(), "{\"data\":1}");
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn body_that_always_breaks_off_is_an_error() {
    let transport = Transport::new([broken(200), broken(200), broken(200)]);
    failure!(transport.client(metronome(buffering(100))).post(LIST), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::AttemptsExhausted, Applied::No));
        assert!(error.to_string().contains("connection reset (3 attempts"), "{error}");
    });
    assert_eq!(transport.left(), 0);
}

/// Without the setting, for a write, and for an error the body is left alone.
#[tokio::test(start_paused = true)]
async fn only_successful_reads_are_buffered() {
    let idempotent = Service::builder("other", "https://other.example").retry_policy(buffering(100)).build().unwrap();
    for (service, request) in [
        (metronome(RetryPolicy::new()), reqwest::Client::new().get(LIST)),
        (metronome(buffering(100)), reqwest::Client::new().post(LEDGER)),
        (idempotent, reqwest::Client::new().put("https://other.example/x")),
    ] {
        let transport = Transport::new([broken(200)]);
        let response = transport.client(service).execute(request.build().unwrap()).await.unwrap();
        assert!(response.bytes().await.is_err(), "the caller sees it");
    }
    let transport = Transport::new([broken(404)]);
    failure!(transport.client(metronome(buffering(100))).get(LIST), |error| {
        assert_eq!((error.kind(), error.is_truncated()), (ErrorKind::NotFound, true));
    });
    // A request says what it is, and changes what the service says.
    let transport = Transport::new([broken(200), status(204)]);
    let client = transport.client(metronome(RetryPolicy::new()));
    let read = client.post(LEDGER).effect(Effect::Read).retry_policy(buffering(100));
    assert_eq!(read.send().await.unwrap().status(), 204);
}

#[tokio::test(start_paused = true)]
async fn long_body_is_returned_as_it_comes() {
    let long = || stream([Ok("abc"), Ok("defg"), Ok("hi"), Err(io::ErrorKind::ConnectionReset.into())]);
    for most in [1, 3, 6, 7, 8] {
        let transport = Transport::new([reply(200, &[], long())]);
        let response = transport.client(metronome(buffering(most))).get(LIST).send().await.unwrap();
        let mut body = Body::from(response);
        let mut read = Vec::new();
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => read.extend_from_slice(&frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!((&*read, error.is_body()), (&b"abcdefghi"[..], true), "{most}");
    }
    // One that fits breaks off within the call.
    let transport = Transport::new([reply(200, &[], long()), status(200)]);
    transport.client(metronome(buffering(9))).get(LIST).send().await.unwrap();
    assert_eq!(transport.left(), 0);
    // Of one that is known to be too long nothing is read.
    let transport = Transport::new([reply(200, &[], "0123456789")]);
    let response = transport.client(metronome(buffering(9))).get(LIST).send().await.unwrap();
    assert_eq!((response.content_length(), response.text().await.unwrap().as_str()), (Some(10), "0123456789"));
}

#[tokio::test(start_paused = true)]
async fn stalled_body_ends_at_the_deadline() {
    let stalls = || {
        futures_util::stream::unfold(0, async |sent| {
            if sent == 1 {
                tokio::time::sleep(7 * SECOND).await;
            }
            (sent < 2).then(|| (Ok::<_, io::Error>("x"), sent + 1))
        })
    };
    for (deadline, ends) in [(8 * SECOND, true), (6 * SECOND, false)] {
        let transport = Transport::new([reply(200, &[], Body::wrap_stream(stalls()))]);
        let client = transport.client(metronome(buffering(100).deadline(deadline)));
        let began = tokio::time::Instant::now();
        match client.get(LIST).send().await {
            Ok(response) => assert_eq!((response.text().await.unwrap().as_str(), ends), ("xx", true)),
            Err(error) => {
                let error = reqwest_safe_retry::Error::find(&error).unwrap();
                assert_eq!((error.stop(), error.is_timeout(), ends), (StopReason::DeadlineExceeded, true, false));
            }
        }
        assert!((6 * SECOND..8 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn empty_bodies_and_trailers_stay() {
    let transport = Transport::new([status(200), status(204), status(304)]);
    let client = transport.client(metronome(buffering(100)));
    for expected in [200, 204, 304] {
        let response = client.head(LIST).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.bytes().await.unwrap()), (expected, Bytes::new()));
    }
    let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("1"))]);
    let end = trailers.clone();
    let body = http_body_util::Full::new(Bytes::from("x")).with_trailers(async { Some(Ok(end)) });
    let transport = Transport::new([reply(200, &[], Body::wrap(body))]);
    let response = transport.client(metronome(buffering(100))).get(LIST).send().await.unwrap();
    assert_eq!(response.content_length(), Some(1));
    let collected = Body::from(response).collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    assert_eq!(collected.to_bytes(), "x");
}
