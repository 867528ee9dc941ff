//! Bodies of successful reads that break off once.

use std::time::Instant;

use reqwest_safe_retry::{Attempts, StopReason};

use super::{
    Behaviour, KIB, MS, TOO_LONG, answer,
    compression::{brotli_of, gzip_of, zstd_of},
    error, head, layered, policy,
};
use crate::support::servers::{Peer, Server, client, client_builder};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const BODY: &[u8] = br#"{"data":["one","two","three"]}"#;

/// Answers the first request with these bytes, and closes its connection or keeps it open; the next one gets the whole body.
fn once(first: impl Into<Vec<u8>>, closes: bool) -> Behaviour {
    let first = std::sync::Arc::new(first.into());
    std::sync::Arc::new(move |mut peer: Peer| {
        let first = std::sync::Arc::clone(&first);
        Box::pin(async move {
            let is_first = peer.number() == 0;
            if is_first {
                peer.request().await;
                peer.send(&*first).await;
            }
            while !(is_first && closes) && peer.request().await.is_some() {
                peer.send(answer(200, "X-Page: 7\r\n", BODY)).await;
            }
        })
    })
}

#[tokio::test]
async fn broken_body_is_asked_for_again() {
    let encoded =
        |name: &str, body: Vec<u8>| answer(200, &format!("Content-Encoding: {name}\r\n"), &body[..body.len() / 2]);
    let chunked = |chunks: &str| head(200, CHUNKED) + chunks;
    let rows = [
        ("shorter than announced", once(head(200, "Content-Length: 99\r\n") + "{", true)),
        ("nothing of it", once(head(200, "Content-Length: 99\r\n"), true)),
        ("just short enough", once(head(200, "Content-Length: 1024\r\n") + "{", true)),
        ("a chunk cut off", once(chunked("9\r\nhello"), true)),
        ("no last chunk", once(chunked("5\r\nhello\r\n"), true)),
        ("chunks, then garbage", once(chunked("5\r\nhello\r\n<html>\r\n"), false)),
        ("gzip cut off", once(encoded("gzip", gzip_of(BODY)), false)),
        ("br cut off", once(encoded("br", brotli_of(BODY, 22)), false)),
        ("zstd cut off", once(encoded("zstd", zstd_of(BODY)), false)),
        ("not gzip", once(answer(200, "Content-Encoding: gzip\r\n", b"<html>"), false)),
    ];
    for (name, behaviour) in rows {
        let server = Server::on_own_thread(move |peer| behaviour(peer));
        let client = layered(&server, client(), policy().buffer_responses(KIB));
        let sent = tokio::time::timeout(TOO_LONG, client.get(server.url("/")).send()).await.expect(name);
        let response = sent.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.url().as_str(), server.url("/"), "{name}");
        assert_eq!(response.headers()["x-page"], "7", "{name}");
        assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 2, "{name}");
        assert_eq!(response.bytes().await.unwrap(), BODY, "{name}");
        assert_eq!(server.requests(), 2, "{name}");
    }
}

/// reqwest's own timeouts hold for each attempt; the deadline for all of them.
#[tokio::test]
async fn stalled_body_is_asked_for_again() {
    let stalled = || head(200, "Content-Length: 99\r\n") + "{";
    for http in [client_builder().timeout(200 * MS), client_builder().read_timeout(200 * MS)] {
        let behaviour = once(stalled(), false);
        let server = Server::on_own_thread(move |peer| behaviour(peer));
        let client = layered(&server, http.build().unwrap(), policy().buffer_responses(KIB));
        assert_eq!(client.get(server.url("/")).send().await.unwrap().bytes().await.unwrap(), BODY);
    }
    let behaviour = once(stalled(), false);
    let server = Server::on_own_thread(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy().buffer_responses(KIB).deadline(300 * MS));
    let began = Instant::now();
    let error = error(client.get(server.url("/"))).await;
    assert_eq!((error.stop(), error.is_timeout(), server.requests()), (StopReason::DeadlineExceeded, true, 1));
    assert!(began.elapsed() < TOO_LONG / 2);
}

#[tokio::test]
async fn long_body_arrives_whole() {
    let long: Vec<u8> = (0..300 * KIB).map(|at| (at / KIB) as u8).collect();
    let chunks: Vec<u8> = long
        .chunks(5_000)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let rows = [
        answer(200, "", &long),
        [head(200, CHUNKED).as_bytes(), &chunks, b"0\r\n\r\n"].concat(),
        answer(200, "Content-Encoding: gzip\r\n", &gzip_of(&long)),
    ];
    for bytes in rows {
        let behaviour = super::answering(bytes);
        let server = Server::on_own_thread(move |peer| behaviour(peer));
        for most in [KIB, 100 * KIB, 300 * KIB - 1, 300 * KIB] {
            let client = layered(&server, client(), policy().buffer_responses(most));
            let response = client.get(server.url("/")).send().await.unwrap();
            assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 1);
            assert!(response.bytes().await.unwrap() == long, "{most}");
        }
    }
}

/// It is known to be too long, so nothing of it is read.
#[tokio::test]
async fn long_body_is_not_waited_for() {
    let behaviour = super::answering(head(200, "Content-Length: 2000\r\n") + "x");
    let server = Server::on_own_thread(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy().buffer_responses(KIB).deadline(TOO_LONG / 10));
    let response = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.content_length(), Some(2000));
}

#[tokio::test]
async fn head_has_no_body_to_read() {
    let behaviour = super::answering(head(200, "Content-Length: 99\r\n"));
    let server = Server::on_own_thread(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy().buffer_responses(KIB));
    let response = client.head(server.url("/")).send().await.unwrap();
    assert_eq!(response.headers()["content-length"], "99");
    assert_eq!(response.bytes().await.unwrap().len(), 0);
}
