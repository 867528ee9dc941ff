//! Requests that cannot be sent, and redirects that fail.

use reqwest_safe_retry::Failure;

use super::{Setup, case, check, silent};
use crate::support::servers::{Peer, client_builder};

#[tokio::test]
async fn invalid_requests_are_not_sent() {
    check([
        case("http where only https is allowed", Failure::InvalidRequest, || {
            Setup::tcp(silent).client(client_builder().https_only(true))
        })
        .requests(0),
        case("a URL that is too long", Failure::InvalidRequest, || {
            static PATH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!("/{}", "a".repeat(1 << 16)));
            Setup { path: &PATH, ..Setup::tcp(silent) }
        })
        .requests(0),
    ])
    .await;
}

async fn redirects(mut peer: Peer, to: &str) {
    while peer.request().await.is_some() {
        peer.answer(307, &format!("Location: {to}\r\n"), "").await;
    }
}

#[tokio::test]
async fn failed_redirects_are_permanent() {
    check([
        case("in a circle", Failure::RedirectLoop, || Setup::tcp(|peer| redirects(peer, "/"))).requests(11),
        case("to another scheme", Failure::RedirectLoop, || Setup::tcp(|peer| redirects(peer, "ftp://service.test/"))),
        case("to http where only https is allowed", Failure::RedirectLoop, || {
            Setup::tls(|peer| redirects(peer, "http://service.test/")).client(client_builder().https_only(true))
        }),
    ])
    .await;
}
