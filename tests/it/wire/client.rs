//! The client of `SafeRetry::client`: it follows no redirect, and reqwest repeats nothing on its own.

use std::time::Duration;

use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{Attempts, Backoff, Error, RetryPolicy, SafeRetry, Service, StopReason};

use super::protocol_retries::refusing_twice;
use crate::support::servers::{Server, client_builder};

const CREATE: &str = "/v1/contracts/create";

fn safe_client(server: &Server, policy: RetryPolicy, builder: reqwest::ClientBuilder) -> ClientWithMiddleware {
    let short = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let service = Service::metronome().into_builder().base_url(server.base_url());
    let service = service.retry_policy(policy.transient(short)).build().unwrap();
    SafeRetry::new([service]).client(builder).unwrap()
}

#[tokio::test]
async fn redirect_is_returned_as_a_response() {
    let target = Server::tcp(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer(200, "", "").await;
        }
    });
    for location in [target.url("/there"), "/there".to_owned()] {
        let header = format!("Location: {location}\r\n");
        let server = Server::tcp(move |mut peer| {
            let header = header.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.answer(303, &header, "").await;
                }
            }
        });
        let client = safe_client(&server, RetryPolicy::new(), client_builder());
        let response = client.post(server.url(CREATE)).body("{}").send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().as_str()), (303, &*server.url(CREATE)));
        assert_eq!(response.headers()["location"], *location);
        assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 1);
        assert_eq!((server.requests(), target.requests()), (1, 0), "{location}");
    }
}

#[tokio::test]
async fn each_attempt_is_one_request() {
    let (server, keys) = refusing_twice();
    let client = safe_client(&server, RetryPolicy::new(), client_builder().http2_prior_knowledge());
    let response = client.post(server.url(CREATE)).body("{}").send().await.unwrap();
    assert_eq!(response.extensions().get::<Attempts>().unwrap().count(), 3);
    let keys = keys.lock().unwrap().clone();
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn single_attempt_is_not_repeated_by_reqwest() {
    let (server, keys) = refusing_twice();
    let client = safe_client(&server, RetryPolicy::never(), client_builder().http2_prior_knowledge());
    let outer = client.post(server.url(CREATE)).body("{}").send().await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.stop(), error.attempts().count()), (StopReason::AttemptsExhausted, 1));
    assert_eq!(keys.lock().unwrap().len(), 1);
}
