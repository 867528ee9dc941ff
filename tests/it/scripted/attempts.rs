//! The attempts of a call, as responses and errors list them.

use std::time::Duration;

use http::StatusCode;
use reqwest_safe_retry::{AttemptOutcome, Attempts, Service, Verdict};

use super::{LEDGER, LIST, failure};
use crate::support::transport::{Transport, reply, status};

#[tokio::test(start_paused = true)]
async fn response_lists_every_attempt_and_wait() {
    let transport = Transport::new([status(503), reply(429, &[("retry-after", "3")], ""), status(200)]);
    let response = transport.client(Service::metronome()).post(LIST).send().await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let list: Vec<_> = attempts.iter().map(|attempt| (attempt.status().unwrap().as_u16(), attempt.wait())).collect();
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(list, [(503, ms(500)), (429, ms(3300)), (200, None)]);
    assert_eq!(
        (attempts.count(), attempts.elapsed(), attempts.is_verified_applied()),
        (3, Duration::from_millis(3800), false)
    );
    assert_eq!(attempts.to_string(), "503 > waited 500ms > 429 > waited 3300ms > 200, in 3800ms");
    assert!(attempts.iter().all(|attempt| attempt.key_generation() == 0), "a read has no key");
}

#[tokio::test(start_paused = true)]
async fn immediate_response_lists_its_attempt() {
    let transport = Transport::new([status(201)]);
    let response = transport.client(Service::metronome()).post(LEDGER).send().await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.to_string(), "201, in 0ms");
    let only = attempts.iter().next().unwrap();
    assert_eq!((only.outcome(), only.key_generation()), (&AttemptOutcome::Status(StatusCode::CREATED), 1));
}

#[tokio::test(start_paused = true)]
async fn attempts_show_verdict_and_new_key() {
    let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
    let transport = Transport::new([status(500), status(500), status(404)]);
    failure!(transport.client(service).post(LEDGER), |error| {
        assert_eq!(
            error.attempts().to_string(),
            "500 > waited 500ms > 500 > waited 1000ms > verified: not applied > new key > 404, in 1500ms"
        );
    });
}
