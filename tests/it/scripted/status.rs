//! For code that looks at statuses itself: a final 4xx or 5xx as a response, and errors at the fingertips.

use http::StatusCode;
use reqwest_safe_retry::{Applied, Attempts, CallError, Doubt, FinalStatus, Service, Verdict};

use super::{LEDGER, LIST, failure, outer_error};
use crate::support::transport::{Reply, Transport, reply, status};

fn porting() -> Service {
    Service::metronome().into_builder().final_status(FinalStatus::Response).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_final_status_can_be_handed_on_as_a_response() {
    let body = r#"{"message":"m"}"#;
    let last = reply(404, &[("x-request-id", "r-1"), ("content-length", "15")], body);
    let transport = Transport::new([status(503), last]);
    let response = transport.client(porting()).post(LIST).send().await.unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::NOT_FOUND, LIST));
    assert_eq!(response.headers()["x-request-id"], "r-1");
    assert_eq!(response.extensions().get::<Attempts>().unwrap().to_string(), "503 > waited 500ms > 404, in 500ms");
    assert_eq!(response.extensions().get(), Some(&Applied::No));
    assert_eq!(response.text().await.unwrap(), body);
}

#[tokio::test(start_paused = true)]
async fn retries_and_doubt_are_the_same_for_a_response() {
    let transport = Transport::new((0..3).map(|_| status(504)));
    let response = transport.client(porting()).post(LEDGER).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.extensions().get()), (504, Some(&Applied::Unknown)));
    let keys = transport.keys();
    assert!(keys.len() == 3 && keys[0] == keys[2]);
    let transport = Transport::new([status(500), status(500)]);
    let service = porting().verifier(|_: &Doubt<'_>| async { Verdict::Applied(None) });
    failure!(transport.client(service).post(LEDGER), |error| assert_eq!(error.applied(), Applied::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_an_error_all_the_same() {
    let transport = Transport::new([Reply::Silence]);
    failure!(transport.client(porting()).post(LEDGER), |error| assert!(error.is_timeout() && error.is_in_doubt()));
}

#[tokio::test(start_paused = true)]
async fn the_layers_error_is_taken_out_by_a_question_mark() {
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
