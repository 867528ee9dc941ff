//! Transport faults by name, provoked over loopback as real `reqwest::Error`s.

use std::{str::FromStr, sync::Arc, time::Duration};

use reqwest::{
    ClientBuilder,
    dns::{Name, Resolve, Resolving},
};

use super::{
    http2::{Http2, code},
    servers::{Identity, Peer, Server, client_builder, closed_port},
};

/// A fault of the transport or of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    ConnectRefused,
    ConnectTimeout,
    DnsError,
    H2RefusedStream,
    H2GoawayUnprocessed,
    ResetBeforeResponse,
    ReadTimeout,
    H2GoawayProcessed,
    TlsCertInvalid,
    BuilderError,
    TooManyRedirects,
}

impl Fault {
    const NAMED: [(&'static str, Self); 11] = [
        ("connect_refused", Self::ConnectRefused),
        ("connect_timeout", Self::ConnectTimeout),
        ("dns_error", Self::DnsError),
        ("h2_refused_stream", Self::H2RefusedStream),
        ("h2_goaway_unprocessed", Self::H2GoawayUnprocessed),
        ("reset_before_response", Self::ResetBeforeResponse),
        ("read_timeout", Self::ReadTimeout),
        ("h2_goaway_processed", Self::H2GoawayProcessed),
        ("tls_cert_invalid", Self::TlsCertInvalid),
        ("builder_error", Self::BuilderError),
        ("too_many_redirects", Self::TooManyRedirects),
    ];
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = Self::NAMED.iter().find(|(known, _)| *known == name);
        named.map(|(_, fault)| *fault).ok_or_else(|| format!("no such fault: {name}"))
    }
}

/// Provokes the fault and returns its error. Needs a runtime with a running clock.
pub(crate) async fn provoke(fault: Fault) -> reqwest::Error {
    let plain = client_builder().retry(reqwest::retry::never());
    match fault {
        Fault::ConnectRefused => failure_of(plain, &format!("http://{}/", closed_port())).await,
        Fault::ConnectTimeout => {
            // The connection is accepted at once, but the TLS handshake never happens.
            let silent = Server::tcp(Peer::keep_open).with_scheme("https");
            failure_of(plain.connect_timeout(Duration::from_millis(10)), &silent.url("/")).await
        }
        Fault::DnsError => failure_of(plain.dns_resolver(Arc::new(NoNames)), "http://service.test/").await,
        Fault::H2RefusedStream => {
            let server = Server::tcp(|peer| async {
                let Some(mut peer) = Http2::of(peer).await else { return };
                while let Some(stream) = peer.request().await {
                    peer.reset_stream(stream, code::REFUSED_STREAM).await;
                }
            });
            failure_of(plain.http2_prior_knowledge(), &server.url("/")).await
        }
        Fault::H2GoawayUnprocessed => {
            let server = Server::tcp(|peer| async {
                let Some(mut peer) = Http2::of(peer).await else { return };
                let Some(_) = peer.request().await else { return };
                peer.go_away(0, code::NO_ERROR).await;
                peer.keep_open().await;
            });
            failure_of(plain.http2_prior_knowledge(), &server.url("/")).await
        }
        Fault::H2GoawayProcessed => {
            let server = Server::tcp(|peer| async {
                let Some(mut peer) = Http2::of(peer).await else { return };
                let Some(stream) = peer.request().await else { return };
                peer.go_away(stream, code::NO_ERROR).await;
            });
            failure_of(plain.http2_prior_knowledge(), &server.url("/")).await
        }
        Fault::ResetBeforeResponse => {
            let server = Server::tcp(|mut peer| async {
                peer.request().await;
                peer.reset();
            });
            failure_of(plain, &server.url("/")).await
        }
        Fault::ReadTimeout => {
            let server = Server::tcp(|mut peer| async {
                peer.request().await;
                peer.keep_open().await;
            });
            failure_of(plain.read_timeout(Duration::from_millis(10)), &server.url("/")).await
        }
        Fault::TlsCertInvalid => {
            let server = Server::tls(&Identity::of("127.0.0.1"), Peer::keep_open);
            failure_of(plain, &server.url("/")).await
        }
        Fault::BuilderError => failure_of(plain.https_only(true), "http://service.test/").await,
        Fault::TooManyRedirects => {
            let server = Server::tcp(|mut peer| async move {
                while peer.request().await.is_some() {
                    peer.answer(307, "Location: /\r\n", "").await;
                }
            });
            failure_of(plain, &server.url("/")).await
        }
    }
}

async fn failure_of(client: ClientBuilder, url: &str) -> reqwest::Error {
    client.build().unwrap().post(url).body("{}").send().await.expect_err("the fault did not happen")
}

/// A resolver that fails for every name.
pub(crate) struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move { Err(format!("no such name: {name}").into()) })
    }
}
