//! Building a client with `SafeRetry::client` and `client_builder`.

use http::{Extensions, Method};
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_safe_retry::{Applied, Effect, RequestBuilderExt, SafeRetry, Service, Verdict, Verifier, async_trait};

use super::{LEDGER, failure};
use crate::support::transport::{Transport, status, unused};

/// Answers 404 from another URL, like a middleware that rewrites the request's URL.
struct RewritesUrl;

#[async_trait]
impl Middleware for RewritesUrl {
    async fn handle(&self, _: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let url = "https://api.metronome.com/v1/signed?signature=1".parse().unwrap();
        Ok(http::Response::builder().url(url).status(404).body("").unwrap().into())
    }
}

#[tokio::test(start_paused = true)]
async fn rewritten_url_is_no_redirect_in_the_safe_client() {
    let layer = || SafeRetry::new([Service::metronome()]);
    let safe = layer().client_builder(reqwest::Client::builder()).unwrap().with(RewritesUrl).build();
    failure!(safe.post(LEDGER), |error| assert_eq!(error.applied(), Applied::No));
    let existing = ClientBuilder::new(unused()).with(layer()).with(RewritesUrl).build();
    failure!(existing.post(LEDGER), |error| assert_eq!(error.applied(), Applied::Unknown));
}

#[test]
fn services_keep_their_order() {
    let other = || Service::builder("a", "https://a.example/long/path").build().unwrap();
    let layer = SafeRetry::new([Service::metronome(), other()]);
    assert_eq!(layer.services().iter().map(Service::name).collect::<Vec<_>>(), ["metronome", "a"]);
}

#[test]
fn service_moves_to_another_address() {
    let local = Service::metronome().at("http://127.0.0.1:8080/metronome").unwrap();
    assert_eq!(local.base_url(), "http://127.0.0.1:8080/metronome");
    assert_eq!(local.routes().len(), 150);
    let error = Service::metronome().at("127.0.0.1").unwrap_err();
    assert_eq!(error.errors()[0].path(), "services.metronome.base_url");
}

struct AlwaysApplied;

#[async_trait]
impl Verifier for AlwaysApplied {
    async fn verify(&self, _: &reqwest_safe_retry::InDoubtWrite<'_>) -> Verdict {
        Verdict::Applied(None)
    }
}

#[tokio::test(start_paused = true)]
async fn verifier_can_be_shared() {
    let shared = std::sync::Arc::new(AlwaysApplied);
    let erased: std::sync::Arc<dyn Verifier> = shared.clone();
    for service in [Service::metronome().verifier(shared), Service::metronome().verifier(erased)] {
        let transport = Transport::new([500, 500].map(status));
        failure!(transport.client(service).post(LEDGER), |error| assert_eq!(error.applied(), Applied::Yes));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_method_marked_as_read_is_retried() {
    let transport = Transport::new([503, 200].map(status));
    let client = transport.client(Service::metronome());
    let purge = Method::from_bytes(b"PURGE").unwrap();
    client.request(purge, LEDGER).effect(Effect::Read).send().await.unwrap();
}
