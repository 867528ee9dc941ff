//! Connections that cannot be made, and timeouts.

use std::{io, net::SocketAddr, sync::Arc};

use http::Method;
use reqwest::{
    Proxy,
    dns::{Name, Resolve, Resolving},
};
use reqwest_safe_retry::{Applied, Failure};

use super::{SOON, Setup, case, check, failure, silent};
use crate::support::{
    faults::NoNames,
    servers::{Peer, Server, client_builder, closed_port},
};

#[tokio::test]
async fn failed_connection_sends_nothing() {
    check([
        case("refused", Failure::NotSent, || Setup::at(format!("http://{}", closed_port()))).connecting(),
        case("refused behind https", Failure::NotSent, || Setup::at(format!("https://{}", closed_port()))).connecting(),
        case("no route: TCP has no broadcast", Failure::NotSent, || Setup::at("http://255.255.255.255:9")).connecting(),
        case("no such address of our own", Failure::NotSent, || {
            Setup::tcp(Peer::keep_open)
                .client(client_builder().local_address(SocketAddr::from(([192, 0, 2, 1], 0)).ip()))
        })
        .connecting(),
        case("name not resolved", Failure::NotSent, || {
            Setup::at("http://service.test").client(client_builder().dns_resolver(Arc::new(NoNames)))
        })
        .connecting(),
        // As a TLS error is an `io::Error`, of the same kind.
        case("answer of the resolver not understood", Failure::NotSent, || {
            Setup::at("https://service.test").client(client_builder().dns_resolver(Arc::new(BrokenResolver)))
        })
        .connecting(),
        case("name without an address", Failure::NotSent, || {
            Setup::at("http://service.test").client(client_builder().resolve_to_addrs("service.test", &[]))
        })
        .connecting(),
        case("proxy refuses the tunnel", Failure::NotSent, || {
            let proxy = Server::tcp(|mut peer| async move {
                peer.request().await;
                peer.answer(502, "", "").await;
            });
            let client = client_builder().proxy(Proxy::https(proxy.base_url()).unwrap());
            Setup { server: Some(proxy), ..Setup::at("https://service.test").client(client) }
        })
        .connecting()
        .requests(1),
    ])
    .await;
}

/// A resolver that reads invalid data.
struct BrokenResolver;

impl Resolve for BrokenResolver {
    fn resolve(&self, _: Name) -> Resolving {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "truncated");
        Box::pin(async move { Err(io::Error::other(invalid()).into()) })
    }
}

#[tokio::test]
async fn name_that_is_not_resolved_is_shown() {
    let resolver: [Arc<dyn Resolve>; 2] = [Arc::new(NoNames), Arc::new(BrokenResolver)];
    for resolver in resolver {
        let setup = Setup::at("http://service.test").client(client_builder().dns_resolver(resolver));
        let error = setup.call(Method::POST, 1).await.to_string();
        assert!(error.contains(": host name not resolved (1 attempt, "), "{error}");
    }
}

#[tokio::test]
async fn timeouts_are_classified() {
    check([
        case("connect timeout, handshake silent", Failure::NotSent, || {
            Setup::of(Server::tcp(Peer::keep_open).with_scheme("https"))
                .client(client_builder().connect_timeout(SOON / 5))
        })
        .timed_out()
        .connecting(),
        case("total timeout", Failure::Ambiguous, || Setup::tcp(silent).client(client_builder().timeout(SOON)))
            .timed_out(),
        case("read timeout", Failure::Ambiguous, || Setup::tcp(silent).client(client_builder().read_timeout(SOON)))
            .timed_out(),
    ])
    .await;
}

/// A full backlog drops further connections.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connect_timeout_sends_nothing() {
    use std::net::TcpStream;

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let queued: Vec<_> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, SOON / 4).ok()).take(16).collect();
    assert!(queued.len() < 16, "the backlog did not fill");

    let setup = Setup::at(format!("http://{address}")).client(client_builder().connect_timeout(SOON / 5));
    let error = setup.call(Method::POST, 2).await;
    assert_eq!(failure(&error), Failure::NotSent);
    assert!(error.is_timeout() && error.is_connect());
    assert_eq!((error.attempts().count(), error.applied()), (2, Applied::No));
}
