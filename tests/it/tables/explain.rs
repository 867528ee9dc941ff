//! A dry run says what the loop would do.

use std::time::Duration;

use http::{Method, StatusCode};
use reqwest_safe_retry::{
    Attempts, ConcurrencyLimit, Error, KeyAction, RetryPolicy, Service, StopReason, Verdict, decide::Decision, services,
};

use super::services::shipped;
use crate::support::transport::{Transport, status};

const LEDGER: &str = "/v1/contracts/addManualBalanceLedgerEntry";
const ATTEMPTS: u32 = 5;

fn explained(service: &Service, path: &str, status: u16, attempt: u32) -> String {
    service.explain(&Method::POST, path, StatusCode::from_u16(status).unwrap(), attempt).to_string()
}

#[track_caller]
fn assert_explained(service: &Service, table: &[(&str, u16, u32, &[&str])]) {
    for (path, status, attempt, parts) in table {
        let text = explained(service, path, *status, *attempt);
        for part in *parts {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
        assert!(text.contains("https://docs.metronome.com/") && text.contains("(read 2026-07-13)"), "{text}");
    }
}

#[test]
fn explanation_has_effect_rule_decision_and_page() {
    let (keyed, same_key) =
        ("is a write, sent with a key (replay_all)", "sent again with the same key after up to 500ms");
    let (end, stored) = ("It is not sent again", "the error may be stored");
    assert_explained(
        &Service::metronome(),
        &[
            (LEDGER, 504, 1, &[keyed, "a gateway could not tell", same_key]),
            (LEDGER, 500, 1, &["500 Internal Server Error at attempt 1 of 3", stored, same_key]),
            (LEDGER, 500, 2, &["at attempt 2 of 3", end, "nothing proves that it was not applied"]),
            (LEDGER, 504, 3, &["at attempt 3 of 3", end, "all attempts are used up"]),
            (LEDGER, 404, 1, &["it was not executed", end, "another attempt would not help"]),
            (LEDGER, 501, 1, &["it may have been executed, and a repeat would not help", end]),
            (
                "/v1/contracts/list",
                429,
                1,
                &[
                    "is a read, sent without a key.",
                    "it was refused before it was executed",
                    "sent again after up to 1s",
                ],
            ),
            (
                "/v1/contracts/create",
                504,
                1,
                &["a write", "with /uniqueness_key in its body it is deduplicated", same_key],
            ),
            (
                "/v1/ingest",
                500,
                1,
                &["is deduplicated by the service, sent without a key.", "sent again after up to 500ms"],
            ),
        ],
    );
}

#[test]
fn explanation_names_the_verdict() {
    let new_key = "sent again with a new key, once the verifier says that it was not applied, after up to 1s";
    let metronome = Service::metronome().verifier_fn(|_| async { Verdict::Unknown });
    assert_explained(&metronome, &[(LEDGER, 500, 2, &["at attempt 2 of 3", new_key])]);
}

#[test]
fn call_that_ended_earlier_is_explained_there() {
    let explanation = Service::metronome().explain(&Method::POST, LEDGER, StatusCode::NOT_FOUND, 3);
    assert_eq!(explanation.attempt(), 1);
    let text = explanation.to_string();
    assert!(text.contains("The call ends before attempt 3. 404 Not Found at attempt 1 of 3"), "{text}");
}

/// There is one rotation a call: what comes after it is explained by what came before.
#[test]
fn second_rotation_is_not_promised() {
    let with_verifier = |service: Service| {
        let service = service.into_builder().retry_policy(RetryPolicy::new().max_attempts(ATTEMPTS));
        service.verifier_fn(|_| async { Verdict::NotApplied }).build().unwrap()
    };
    let decided = |service: &Service, attempt| {
        let explanation = service.explain(&Method::POST, LEDGER, StatusCode::INTERNAL_SERVER_ERROR, attempt);
        let key = match explanation.decision().unwrap() {
            Decision::Retry { key, .. } => Ok(*key),
            Decision::Fail(stop) => Err(*stop),
            other => panic!("{other:?}"),
        };
        (explanation.attempt(), key)
    };
    let fireblocks = with_verifier(services::fireblocks());
    assert_eq!(decided(&fireblocks, 1), (1, Ok(KeyAction::VerifyThenRotate)));
    assert_eq!(decided(&fireblocks, 2), (2, Err(StopReason::Unverified)));

    let metronome = with_verifier(services::metronome());
    assert_eq!(decided(&metronome, 1), (1, Ok(KeyAction::Preserve)));
    assert_eq!(decided(&metronome, 2), (2, Ok(KeyAction::VerifyThenRotate)));
    assert_eq!(decided(&metronome, 3), (3, Err(StopReason::Unverified)));
    assert_eq!(decided(&metronome, 4), (3, Err(StopReason::Unverified)));
}

#[test]
fn every_path_and_attempt_is_explained() {
    for path in ["", "no slash", "//", "/\u{0}", "https://elsewhere.example"] {
        for attempt in [0, 1, u32::MAX] {
            let explanation =
                services::openai().explain(&Method::POST, path, StatusCode::INTERNAL_SERVER_ERROR, attempt);
            assert_eq!(explanation.decision(), Some(&Decision::Fail(StopReason::NotIdempotent)), "{path:?}");
        }
    }
}

#[test]
fn key_of_the_caller_is_taken_to_be_given() {
    let payment = services::square().explain(&Method::POST, "/v2/payments", StatusCode::BAD_GATEWAY, 1).to_string();
    assert!(payment.contains("sent with the key that the caller gives (replay_success)"), "{payment}");
    let search = services::square().explain(&Method::POST, "/v2/orders/search?x=1", StatusCode::BAD_GATEWAY, 1);
    assert!(search.to_string().contains("is a read"), "{search}");
}

/// A budget and a limit that no call notices, so that the decision alone counts.
fn compared(service: Service, has_verifier: bool) -> Service {
    let policy = RetryPolicy::new().max_attempts(ATTEMPTS);
    let service = service.into_builder().retry_policy(policy).retry_budget(u32::MAX);
    let service = service.concurrency_limit(ConcurrencyLimit::Off).build().unwrap();
    if has_verifier { service.verifier_fn(|_| async { Verdict::NotApplied }) } else { service }
}

/// Operations that no route names, and one for each way in which the routes of the service differ.
fn operations(service: &Service) -> Vec<(Method, String)> {
    let unnamed = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut operations: Vec<_> = unnamed.map(|method| (method, "/no/such/route".to_owned())).into();
    let mut seen = Vec::new();
    for route in service.routes() {
        let keys = (route.keyed, &route.idempotency);
        let differs = (&route.method, route.effect, keys, &route.deduplicated_by, &route.retry_policy);
        if !seen.contains(&differs) {
            seen.push(differs);
            operations.push((route.method.clone(), route.path.replace(['{', '}', '*'], "")));
        }
    }
    operations
}

/// With a key in each place where a service takes it.
const BODY: &str = r#"{"idempotency_key":"k","authorization_id":"k","event":{"transaction_id":"k"}}"#;

/// The attempts of a real call, all of which get this status, and why it stops.
async fn called(service: &Service, method: &Method, path: &str, number: u16) -> (Attempts, StopReason) {
    let transport = Transport::new((0..ATTEMPTS).map(|_| status(number)));
    let url = format!("{}{path}", service.base_url().trim_end_matches('/'));
    let sent = transport.client(service.clone()).request(method.clone(), url).body(BODY).send().await;
    let outer = sent.expect_err("every attempt gets an error");
    let error = Error::find(&outer).expect("the layer's error");
    (error.attempts().clone(), error.stop())
}

/// What the loop does that the explanation does not say.
async fn differences(service: &Service, method: &Method, path: &str, number: u16) -> Vec<String> {
    let (attempts, stop) = called(service, method, path, number).await;
    let mut differences = Vec::new();
    for asked in 1..=ATTEMPTS {
        let explanation = service.explain(method, path, StatusCode::from_u16(number).unwrap(), asked);
        let reached = asked.min(attempts.count() as u32);
        let attempt = attempts.iter().nth(reached as usize - 1).unwrap();
        let done = (reached, attempt.wait().map_or(Err(stop), |wait| Ok((wait, attempt.key_action()))));
        let explained = match explanation.decision().unwrap() {
            Decision::Retry { delay, key, .. } => (explanation.attempt(), Ok((*delay, *key))),
            Decision::Fail(stop) => (explanation.attempt(), Err(*stop)),
            other => panic!("{other:?}"),
        };
        if explained != done {
            let name = service.name();
            differences
                .push(format!("{name}: {method} {path} {number} at {asked}: explained {explained:?}, done {done:?}"));
        }
    }
    differences
}

#[tokio::test(start_paused = true)]
async fn explanation_follows_the_loop() {
    let mut different = Vec::new();
    for service in shipped() {
        for has_verifier in [false, true] {
            let service = compared(service.clone(), has_verifier);
            for (method, path) in operations(&service) {
                for number in 400..=599 {
                    different.extend(differences(&service, &method, &path, number).await);
                }
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} differences, such as\n{}",
        different.len(),
        different[..different.len().min(30)].join("\n")
    );
}

#[test]
fn status_that_is_not_an_error_is_returned() {
    let explanation = Service::metronome().explain(&Method::POST, LEDGER, StatusCode::OK, 2);
    assert_eq!(explanation.decision(), None);
    assert!(explanation.to_string().ends_with("200 OK is not an error: it is returned as it is."), "{explanation}");
}

#[tokio::test(start_paused = true)]
async fn explanation_counts_earlier_waits() {
    // After a wait of 500 ms the next one, of 1 s, does not fit.
    let policy = RetryPolicy::new().max_attempts(ATTEMPTS).deadline(Duration::from_millis(1200));
    let service = Service::metronome().into_builder().retry_policy(policy).build().unwrap();
    assert_eq!(differences(&service, &Method::POST, LEDGER, 503).await, Vec::<String>::new());
}
