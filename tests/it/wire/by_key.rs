//! A write with its key in the query, and its lookup by that key, over a real connection.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{
    Applied, Attempts, Backoff, ConcurrencyLimit, FetchByKey, Idempotency, KeyKind, RequestBuilderExt, RetryPolicy,
    SafeRetry, Service, StopReason,
};

use super::typed;
use crate::support::servers::{Server, client, closed_port};

/// The layer around a client that may follow redirects, and would tell by the URL that it did.
fn layered(base_url: &str) -> ClientWithMiddleware {
    let at_once = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let service = Service::builder("wire", base_url.to_owned())
        .idempotency(Idempotency::query("requestid", KeyKind::ReplayAll))
        .concurrency_limit(ConcurrencyLimit::Fixed(1))
        .retry_policy(RetryPolicy::new().transient(at_once))
        .build()
        .unwrap();
    ClientBuilder::new(client()).with(SafeRetry::new([service])).build()
}

/// The method and the path of each request.
type Requests = Arc<Mutex<Vec<String>>>;

/// Crashes at every write. The second lookup finds it.
fn crashing() -> (Server, Requests) {
    let requests = Requests::default();
    let recorded = Arc::clone(&requests);
    let server = Server::tcp(move |mut peer| {
        let requests = Arc::clone(&recorded);
        async move {
            while let Some((head, _)) = peer.head_and_body().await {
                let request = head.split(" HTTP").next().unwrap().to_owned();
                let lookups = {
                    let mut requests = requests.lock().unwrap();
                    requests.push(request.clone());
                    requests.iter().filter(|request| request.starts_with("GET")).count()
                };
                match (request.starts_with("POST"), lookups) {
                    (true, _) => peer.answer(500, "", "").await,
                    (false, 1) => peer.answer(503, "", "").await,
                    (false, _) => peer.answer(200, "", r#"{"data":[{"id":"p1"}]}"#).await,
                }
            }
        }
    });
    (server, requests)
}

#[tokio::test]
async fn lookup_through_the_same_layer_is_a_call_of_its_own() {
    let (server, requests) = crashing();
    let client = layered(&server.base_url());
    let template = server.url("/payments?by={key}");
    let verifier = FetchByKey::new(client.clone(), template).unwrap().found_at("/data/0");
    let request = client.post(server.url("/payments?a=1")).body("{}").idempotency_key("k/1").verifier(verifier);
    let response = request.send().await.unwrap();

    let attempts = response.extensions().get::<Attempts>().unwrap().clone();
    assert!(attempts.is_verified_applied() && attempts.count() == 2, "{attempts}");
    assert_eq!(response.json::<serde_json::Value>().await.unwrap(), serde_json::json!({"id": "p1"}));
    let (write, lookup) = ("POST /payments?a=1&requestid=k%2F1", "GET /payments?by=k%2F1");
    assert_eq!(*requests.lock().unwrap(), [write, write, lookup, lookup]);
}

/// What another place answers says nothing.
#[tokio::test]
async fn redirected_lookup_proves_nothing() {
    for status in [200, 404] {
        let server = Server::tcp(move |mut peer| async move {
            while let Some((head, _)) = peer.head_and_body().await {
                match head.split(' ').nth(1).unwrap() {
                    "/elsewhere" => peer.answer(status, "", r#"{"data":[{"id":"p1"}]}"#).await,
                    path if path.contains("by=") => peer.answer(302, "Location: /elsewhere\r\n", "").await,
                    _ => peer.answer(500, "", "").await,
                }
            }
        });
        let layered = layered(&server.base_url());
        let plain = ClientBuilder::new(client()).build();
        for lookups in [layered.clone(), plain] {
            let verifier = FetchByKey::new(lookups, server.url("/payments?by={key}")).unwrap();
            let verifier = verifier.found_at("/data/0").absent_means_not_applied();
            let error = typed(layered.post(server.url("/payments")).verifier(verifier).send().await.unwrap_err());
            assert_eq!((error.stop(), error.applied()), (StopReason::Unverified, Applied::Unknown), "{status}");
            assert_eq!(error.attempts().count(), 2, "{status}");
        }
    }
}

#[tokio::test]
async fn refused_connection_is_known_beside_a_key_in_the_query() {
    let base_url = format!("http://{}", closed_port());
    let error = typed(layered(&base_url).post(format!("{base_url}/payments")).send().await.unwrap_err());
    assert_eq!((error.stop(), error.applied()), (StopReason::AttemptsExhausted, Applied::No), "{error}");
}
