//! TLS handshakes and connections that fail.

use std::net::SocketAddr;

use reqwest_safe_retry::Failure;

use super::{Setup, case, check, closes, resets};
use crate::support::servers::{Identity, Peer, Server, client_builder};

#[tokio::test]
async fn tls_errors_are_classified() {
    check([
        case("certificate not trusted", Failure::Tls, || {
            Setup::of(Server::tls(&Identity::of("127.0.0.1"), Peer::keep_open))
        })
        .connecting(),
        case("certificate for another name", Failure::Tls, || {
            let client = client_builder().resolve("service.test", SocketAddr::from(([127, 0, 0, 1], 0)));
            let server = Server::tls(Identity::trusted(), Peer::keep_open);
            let port = server.base_url().rsplit(':').next().unwrap().to_owned();
            let setup = Setup::at(format!("https://service.test:{port}")).client(client);
            Setup { server: Some(server), ..setup }
        })
        .connecting(),
        case("no TLS behind https", Failure::Tls, || {
            let plain = Server::tcp(|mut peer| async move {
                peer.read(1).await;
                peer.answer(400, "", "").await;
            });
            Setup::of(plain.with_scheme("https"))
        })
        .connecting(),
        case("handshake refused by an alert", Failure::Tls, || {
            const FATAL_HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
            let refusing = Server::tcp(|mut peer| async move {
                peer.read(1).await;
                peer.send(FATAL_HANDSHAKE_FAILURE).await;
            });
            Setup::of(refusing.with_scheme("https"))
        })
        .connecting(),
    ])
    .await;
}

#[tokio::test]
async fn broken_handshake_sends_nothing() {
    check([
        case("handshake closed", Failure::NotSent, || {
            Setup::of(
                Server::tcp(|mut peer| async move {
                    peer.read(1).await;
                })
                .with_scheme("https"),
            )
        })
        .connecting(),
        case("handshake reset", Failure::NotSent, || {
            let resetting = Server::tcp(|mut peer| async move {
                peer.read(1).await;
                peer.reset();
            });
            Setup::of(resetting.with_scheme("https"))
        })
        .connecting(),
    ])
    .await;
}

#[tokio::test]
async fn broken_tls_connections_are_classified() {
    check([
        case("reset after the request", Failure::Ambiguous, || Setup::tls(resets)),
        case("closed after the request", Failure::Ambiguous, || Setup::tls(closes)),
        case("closed before the request", Failure::NotProcessed, || {
            Setup::of(Server::tls12(Identity::trusted(), |_| async {}))
        })
        .requests(0),
        case("plain text after the handshake", Failure::Ambiguous, || {
            Setup::tls(|mut peer| async move {
                peer.request().await;
                peer.send_unencrypted("HTTP/1.1 200 OK\r\n\r\n").await;
                peer.keep_open().await;
            })
        }),
    ])
    .await;
}
