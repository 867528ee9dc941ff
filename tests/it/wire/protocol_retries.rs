//! Protocol retries: reqwest itself sends again what an HTTP/2 server has refused.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use reqwest_middleware::ClientBuilder;
use reqwest_safe_retry::{Attempts, Backoff, RetryPolicy, SafeRetry, Service};

use crate::support::{
    http2::serve,
    servers::{Server, client_builder},
};

/// Refuses two requests, answers the third, and records their keys.
pub(super) fn refusing_twice() -> (Server, Arc<Mutex<Vec<String>>>) {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let (recorded, count) = (Arc::clone(&keys), Arc::new(AtomicUsize::new(0)));
    let server = Server::tcp(move |peer| {
        let (keys, count) = (Arc::clone(&recorded), Arc::clone(&count));
        async move {
            serve(peer, |request| {
                let mut values = request.headers().get_all("idempotency-key").iter();
                keys.lock().unwrap().push(values.next().unwrap().to_str().unwrap().to_owned());
                assert_eq!(values.next(), None);
                (count.fetch_add(1, Ordering::SeqCst) >= 2).then_some(StatusCode::OK)
            })
            .await;
        }
    });
    (server, keys)
}

/// The number of attempts of a write that is answered at its third request, and the keys of the requests.
async fn attempts_and_keys(client: reqwest::ClientBuilder) -> (usize, Vec<String>) {
    let (server, keys) = refusing_twice();
    let at_once = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let service = Service::metronome().into_builder().base_url(server.base_url());
    let service = service.retry_policy(RetryPolicy::new().transient(at_once)).build().unwrap();
    let client = client.http2_prior_knowledge().build().unwrap();
    let client = ClientBuilder::new(client).with(SafeRetry::new([service])).build();
    let response = client.post(server.url("/v1/contracts/create")).body("{}").send().await.unwrap();
    let keys = keys.lock().unwrap().clone();
    (response.extensions().get::<Attempts>().unwrap().count(), keys)
}

#[tokio::test]
async fn protocol_retries_keep_the_key() {
    let (attempts, keys) = attempts_and_keys(client_builder()).await;
    assert_eq!(attempts, 1, "the layer sees one attempt");
    assert_eq!(keys.len(), 3);
    assert!(!keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn disabled_protocol_retries_leave_one_request_per_attempt() {
    let (attempts, keys) = attempts_and_keys(client_builder().retry(reqwest::retry::never())).await;
    assert_eq!((attempts, keys.len()), (3, 3));
    assert!(!keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}
