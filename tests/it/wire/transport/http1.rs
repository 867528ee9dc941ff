//! HTTP/1 connections that break.

use reqwest_safe_retry::Failure;

use super::{Setup, case, check, closes, resets};

#[tokio::test]
async fn broken_http1_connections_are_ambiguous() {
    check([
        case("reset after the request", Failure::Ambiguous, || Setup::tcp(resets)),
        case("closed after the request", Failure::Ambiguous, || Setup::tcp(closes)),
        case("reset within the request's body", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.head().await;
                peer.reset();
            })
            .large()
        }),
        case("closed within the request's body", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.head().await;
            })
            .large()
        }),
    ])
    .await;
}

#[tokio::test]
async fn broken_http1_responses_are_ambiguous() {
    check([
        case("closed within the status line", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("HTTP/1.1 20").await;
            })
        }),
        case("closed within the head", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("HTTP/1.1 200 OK\r\nContent-Ty").await;
            })
        }),
        case("closed after an interim answer", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("HTTP/1.1 102 Processing\r\n\r\n").await;
            })
        }),
        case("garbage instead of an answer", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.request().await;
                peer.send("Welcome to the jungle\r\n\r\n").await;
            })
        }),
        case("a head that never ends", Failure::Ambiguous, || {
            Setup::tcp(|mut peer| async move {
                peer.request().await;
                peer.send(format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(200))).await;
                peer.keep_open().await;
            })
        }),
    ])
    .await;
}
