//! Bodies of error responses.

use std::time::{Duration, Instant};

use http::Method;
use reqwest_safe_retry::{Attempts, ErrorKind, StopReason};

use super::{
    Behaviour, KIB, MAX_BODY, MS, TOO_LONG, answer, answering, closing,
    compression::{bombs, brotli_of, gzip_of, zstd_of},
    custom, error, head, layered, policy,
};
use crate::support::servers::{Peer, Server, client};

const JSON: &[u8] = br#"{"message":"m"}"#;
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// What is read of a body.
enum ReadBody {
    Whole(&'static [u8]),
    /// These bytes, marked as truncated.
    Truncated(&'static [u8]),
    /// As many zeros as are read at most.
    Zeros,
    /// The beginning of these bytes, marked as truncated.
    PartOf(&'static [u8]),
}

use ReadBody::{PartOf, Truncated, Whole, Zeros};

type Row = (&'static str, Behaviour, ReadBody);

fn compressed_bodies() -> Vec<Row> {
    let encoded = |name: &str, body: &[u8]| answer(404, &format!("Content-Encoding: {name}\r\n"), body);
    let [(_, gzip_bomb), (_, br_bomb), (_, zstd_bomb)] = bombs();
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    vec![
        ("a gzip bomb", answering(gzip_bomb), Zeros),
        ("a br bomb", answering(br_bomb), Zeros),
        ("a zstd bomb", answering(zstd_bomb), Zeros),
        ("gzip", answering(encoded("gzip", &gzip_of(JSON))), Whole(JSON)),
        ("br", answering(encoded("br", &brotli_of(JSON, 22))), Whole(JSON)),
        ("zstd", answering(encoded("zstd", &zstd_of(JSON))), Whole(JSON)),
        ("gzip cut off", closing(encoded("gzip", &half(gzip_of(JSON)))), PartOf(JSON)),
        ("invalid gzip", answering(encoded("gzip", b"<html>")), Truncated(b"")),
        ("empty gzip", answering(encoded("gzip", b"")), Whole(b"")),
        ("an unknown compression", answering(encoded("x-own", JSON)), Whole(JSON)),
    ]
}

fn endless_bodies() -> Vec<Row> {
    vec![
        ("endless chunks", custom(sends_endless_chunks), Zeros),
        ("endless until closed", custom(sends_without_length), Zeros),
        ("slow", custom(sends_slowly), PartOf(&[b'.'; 5_000])),
        ("endless trailers", custom(sends_endless_trailers), Truncated(b"{}")),
        ("silent after its head", answering(head(404, "Content-Length: 5\r\n")), Truncated(b"")),
        ("silent after its first bytes", answering(head(404, "Content-Length: 9\r\n") + "hello"), Truncated(b"hello")),
    ]
}

async fn sends_endless_chunks(mut peer: Peer) {
    peer.request().await;
    peer.send(head(404, CHUNKED)).await;
    peer.send_forever([format!("{:x}\r\n", 16 * KIB).as_bytes(), &[0; 16 * KIB], b"\r\n"].concat()).await;
}

async fn sends_without_length(mut peer: Peer) {
    peer.request().await;
    peer.send(head(404, "")).await;
    peer.send_forever([0; 16 * KIB]).await;
}

async fn sends_slowly(mut peer: Peer) {
    peer.request().await;
    peer.send(head(404, "Content-Length: 10000\r\n")).await;
    peer.send_slowly(&[b'.'; 10_000], 5 * MS).await;
}

async fn sends_endless_trailers(mut peer: Peer) {
    peer.request().await;
    peer.send([head(404, CHUNKED).as_bytes(), b"2\r\n{}\r\n0\r\n"].concat()).await;
    peer.send_forever(b"Trailer: trailer\r\n").await;
}

fn bodies_with_length() -> Vec<Row> {
    vec![
        ("shorter than announced", closing(head(404, "Content-Length: 9\r\n") + "hello"), Truncated(b"hello")),
        ("longer than announced", answering(head(404, "Content-Length: 5\r\n") + "hello, world"), Whole(b"hello")),
        ("until closed", closing(head(404, "") + "hello"), Whole(b"hello")),
        ("exactly the maximum", answering(answer(404, "", &[b'.'; MAX_BODY])), Whole(&[b'.'; MAX_BODY])),
        ("a byte longer", answering(answer(404, "", &[b'.'; MAX_BODY + 1])), Truncated(&[b'.'; MAX_BODY])),
        ("none", answering(answer(404, "", b"")), Whole(b"")),
    ]
}

fn chunked_bodies() -> Vec<Row> {
    let chunked = |chunks: &str| [head(404, CHUNKED).as_bytes(), chunks.as_bytes()].concat();
    vec![
        ("chunks", answering(chunked("5\r\nhello\r\n0\r\n\r\n")), Whole(b"hello")),
        ("chunks, then garbage", answering(chunked("5\r\nhello\r\n<html>\r\n")), Truncated(b"hello")),
        ("a chunk of garbage size", answering(chunked("ffffffffffffffffff\r\nhello")), Truncated(b"")),
        ("a chunk cut off", closing(chunked("9\r\nhello")), Truncated(b"hello")),
        ("no last chunk", closing(chunked("5\r\nhello\r\n")), Truncated(b"hello")),
        ("trailers", answering(chunked("5\r\nhello\r\n0\r\nChecksum: 1\r\n\r\n")), Whole(b"hello")),
    ]
}

/// The body may do anything: the error has the right status in time.
#[tokio::test]
async fn error_status_survives_any_body() {
    let finite = [compressed_bodies(), bodies_with_length(), chunked_bodies()].into_iter().flatten();
    // These are read to their end, however busy the machine is.
    let finite = finite.map(|row| (row, policy().error_body_timeout(TOO_LONG)));
    let endless = endless_bodies().into_iter().map(|row| (row, policy()));
    for ((name, behaviour, read), policy) in finite.chain(endless) {
        let server = Server::on_own_thread(move |peer| behaviour(peer));
        let client = layered(&server, client(), policy);
        // The second call may reuse what the first has left.
        for _ in 0..2 {
            let started = Instant::now();
            let error = error(client.post(server.url("/")).body("{}")).await;
            assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
            let status = error.status().unwrap().as_u16();
            assert_eq!(
                (status, error.kind(), error.stop()),
                (404, ErrorKind::NotFound, StopReason::Permanent),
                "{name}"
            );
            let (body, truncated) = match read {
                Whole(body) => (body, false),
                Truncated(body) => (body, true),
                Zeros => ([0; MAX_BODY].as_slice(), true),
                PartOf(whole) => {
                    let length = error.body().len();
                    assert!((1..whole.len()).contains(&length), "{name}: {length} bytes");
                    (&whole[..length], true)
                }
            };
            assert!(error.body() == body, "{name}: {} bytes, not {}", error.body().len(), body.len());
            assert_eq!(error.is_truncated(), truncated, "{name}");
            assert_eq!(error.message(), if body == JSON { "m" } else { "" }, "{name}");
        }
    }
}

/// Each byte has to wake the reader again.
#[tokio::test]
async fn slow_body_is_read_whole() {
    async fn sends_slowly(mut peer: Peer, encoding: &'static str, body: Vec<u8>) {
        peer.request().await;
        peer.send(head(404, &format!("{encoding}{CHUNKED}"))).await;
        for byte in body {
            peer.send_slowly(&[b"1\r\n", &[byte][..], b"\r\n"].concat(), MS / 10).await;
        }
        peer.send("0\r\n\r\n").await;
    }
    for (encoding, body) in [("", JSON.to_vec()), ("Content-Encoding: gzip\r\n", gzip_of(JSON))] {
        let server = Server::on_own_thread(move |peer| sends_slowly(peer, encoding, body.clone()));
        let client = layered(&server, client(), policy().error_body_timeout(TOO_LONG));
        let error = error(client.post(server.url("/")).body("{}")).await;
        assert_eq!((error.body(), error.is_truncated()), (JSON, false), "{encoding}");
    }
}

/// A response to HEAD announces a body that never follows.
#[tokio::test]
async fn body_announced_for_head_is_not_awaited() {
    let behaviour = answering(head(404, "Content-Length: 1000\r\n"));
    let server = Server::on_own_thread(move |peer| behaviour(peer));
    let client = layered(&server, client(), policy().error_body_timeout(TOO_LONG));
    for _ in 0..2 {
        let error = error(client.request(Method::HEAD, server.url("/"))).await;
        assert_eq!((error.kind(), error.is_truncated()), (ErrorKind::NotFound, false));
    }
    assert_eq!(server.connections(), 1);
}

/// The status counts, not the transport error of the body.
#[tokio::test]
async fn broken_error_body_is_retried_by_status() {
    let server = Server::on_own_thread(|mut peer| async move {
        peer.request().await;
        if peer.number() == 0 {
            peer.send(head(503, "Content-Length: 9\r\n") + "hello").await;
        } else {
            peer.answer(200, "", "{}").await;
        }
    });
    let response = layered(&server, client(), policy()).post(server.url("/")).body("{}").send().await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status().unwrap().as_u16()).collect();
    assert_eq!(statuses, [503, 200]);
}
