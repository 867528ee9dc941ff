//! A final 4xx or 5xx returned as a response, and errors returned with `?`.

use http::StatusCode;
use reqwest_safe_retry::{Applied, Attempts, CallError, ErrorStatusHandling, Service, Verdict};

use super::{LEDGER, LIST, failure, outer_error};
use crate::support::transport::{Reply, Transport, reply, status};

fn status_as_response() -> Service {
    Service::metronome().into_builder().error_statuses(ErrorStatusHandling::Response).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn final_status_can_be_a_response() {
    let body = r#"{"message":"m"}"#;
    let last = reply(404, &[("x-request-id", "r-1"), ("content-length", "15")], body);
    let transport = Transport::new([status(503), last]);
    let response = transport.client(status_as_response()).post(LIST).send().await.unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::NOT_FOUND, LIST));
    assert_eq!(response.headers()["x-request-id"], "r-1");
    assert_eq!(response.extensions().get::<Attempts>().unwrap().to_string(), "503 > waited 500ms > 404, in 500ms");
    assert_eq!(response.extensions().get(), Some(&Applied::No));
    assert_eq!(response.text().await.unwrap(), body);
}

#[tokio::test(start_paused = true)]
async fn error_response_keeps_retries_and_doubt() {
    let transport = Transport::new((0..3).map(|_| status(504)));
    let response = transport.client(status_as_response()).post(LEDGER).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.extensions().get()), (504, Some(&Applied::Unknown)));
    let keys = transport.keys();
    assert!(keys.len() == 3 && keys[0] == keys[2]);
    let transport = Transport::new([status(500), status(500)]);
    let service = status_as_response().verifier_fn(|_| async { Verdict::Applied(None) });
    failure!(transport.client(service).post(LEDGER), |error| assert_eq!(error.applied(), Applied::Yes));
}

#[tokio::test(start_paused = true)]
async fn missing_response_is_still_an_error() {
    let transport = Transport::new([Reply::never()]);
    failure!(transport.client(status_as_response()).post(LEDGER), |error| assert!(
        error.is_timeout() && error.is_in_doubt()
    ));
}

#[tokio::test(start_paused = true)]
async fn question_mark_returns_the_layers_error() {
    async fn call(transport: &Transport, url: &str) -> reqwest_safe_retry::Result<u16> {
        Ok(transport.client(Service::metronome()).post(url).send().await?.status().as_u16())
    }
    assert_eq!(call(&Transport::new([status(200)]), LIST).await.unwrap(), 200);
    match call(&Transport::new([status(404)]), LIST).await.unwrap_err() {
        CallError::Service(error) => {
            assert!(
                error.is_not_found() && !error.is_rate_limited() && !error.is_already_exists() && !error.is_in_doubt()
            );
        }
        other => panic!("{other}"),
    }
    let secret = "http://example.invalid/?c4n4ry";
    let failed = reqwest::Client::builder().https_only(true).build().unwrap().get(secret).send().await.unwrap_err();
    let other = CallError::from(reqwest_middleware::Error::from(failed));
    assert!(matches!(other, CallError::Other(_)) && !other.to_string().contains("c4n4ry"), "{other}");
    let outer =
        outer_error(Transport::new([status(429), status(429), status(429)]).client(Service::metronome()).post(LIST))
            .await;
    assert!(matches!(CallError::from(outer), CallError::Service(error) if error.is_rate_limited()));
}
