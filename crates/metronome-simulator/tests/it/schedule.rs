//! Scripted and random faults.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use metronome_simulator::{Close, Fault, Faults, Moment, Stage};
use reqwest::Method;

use crate::support::{CUSTOMERS, Setup, acme};

#[tokio::test]
async fn script_applies_in_order() {
    let setup = Setup::new().await;
    let fault = Fault::gateway(503, Moment::Before);
    setup.metronome.script([None, Some(fault)]);
    setup.metronome.script([None]);
    let mut statuses = Vec::new();
    for key in ["a", "b", "c"] {
        statuses.push(setup.keyed(CUSTOMERS, key, acme()).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 503, 200]);
    let received = setup.metronome.requests();
    let faults: Vec<_> = received.iter().map(|request| request.fault).collect();
    assert_eq!(faults, [None, Some(fault), None]);
    let keys: Vec<_> = received.iter().map(|request| request.idempotency_key.as_deref()).collect();
    assert_eq!(keys, [Some("a"), Some("b"), Some("c")]);
    assert!(received.iter().all(|request| request.method == Method::POST && request.path == CUSTOMERS));
}

#[tokio::test]
async fn observer_sees_requests_and_their_ends() {
    let setup = Setup::new().await;
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let observed = seen.clone();
    setup.metronome.observe(move |stage, head| {
        observed.lock().unwrap().push((stage, head.headers["idempotency-key"].to_str().unwrap().to_owned()));
    });
    setup.metronome.script([None, Some(Fault::dropped(Close::Reset, Moment::Before))]);
    for key in ["a", "b"] {
        let _ = setup.keyed(CUSTOMERS, key, acme()).send().await;
    }
    let seen = seen.lock().unwrap();
    let seen: Vec<_> = seen.iter().map(|(stage, key)| (*stage, key.as_str())).collect();
    assert_eq!(seen, [(Stage::Received, "a"), (Stage::Answered, "a"), (Stage::Received, "b"), (Stage::Answered, "b")]);
}

#[tokio::test]
async fn script_can_be_cleared() {
    let setup = Setup::new().await;
    let fault = Fault::gateway(503, Moment::Before);
    setup.metronome.script([Some(fault), None, Some(fault)]);
    setup.post(CUSTOMERS, acme()).send().await.unwrap();
    assert_eq!(setup.metronome.script_left(), 2);
    setup.metronome.inject(Faults::seeded(1).rate(1.0));
    setup.metronome.clear_faults();
    assert_eq!(setup.metronome.script_left(), 0);
    for _ in 0..2 {
        assert_eq!(setup.post(CUSTOMERS, acme()).send().await.unwrap().status(), 200);
    }
}

async fn drawn(faults: Faults) -> Vec<Option<Fault>> {
    let setup = Setup::new().await;
    setup.metronome.inject(faults);
    for _ in 0..40 {
        // The fault may be a dropped connection.
        let _ = setup.post(CUSTOMERS, acme()).send().await;
        let _ = setup.request(Method::GET, CUSTOMERS).send().await;
    }
    setup.metronome.requests().into_iter().map(|request| request.fault).collect()
}

#[tokio::test]
async fn same_seed_gives_same_faults() {
    let first = drawn(Faults::seeded(42).rate(0.5)).await;
    assert_eq!(first, drawn(Faults::seeded(42).rate(0.5)).await);
    assert_ne!(first, drawn(Faults::seeded(43).rate(0.5)).await);
    let struck = first.iter().flatten().count();
    assert!((20..=60).contains(&struck), "{struck} of 80");
}

#[tokio::test]
async fn random_faults_respect_rate_and_kinds() {
    let only = Fault::gateway(502, Moment::Before);
    let all = drawn(Faults::seeded(1).rate(1.0).kinds([only])).await;
    assert!(all.iter().all(|fault| *fault == Some(only)));
    let writes = drawn(Faults::seeded(1).rate(1.0).kinds([only]).only_writes()).await;
    assert!(writes.chunks(2).all(|pair| pair == [Some(only), None]));
    assert!(drawn(Faults::seeded(1).rate(0.0)).await.iter().all(Option::is_none));
    assert!(drawn(Faults::seeded(1).rate(1.0).kinds([])).await.iter().all(Option::is_none));
}

#[tokio::test]
async fn spared_requests_have_no_faults() {
    let setup = Setup::new().await;
    let faults = Faults::seeded(1).rate(1.0).kinds([Fault::gateway(502, Moment::Before)]);
    setup.metronome.inject(faults.sparing_header("X-Spare").sparing_path("/v1/packages"));
    for (request, status) in [
        (setup.post(CUSTOMERS, acme()), 502),
        (setup.post(CUSTOMERS, acme()).header("x-spare", ""), 200),
        (setup.post("/v1/packages/create", acme()), 200),
        (setup.request(Method::GET, CUSTOMERS), 502),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

/// The faults of the requests of four identities, by identity.
async fn drawn_by_identity(seed: u64, order: impl IntoIterator<Item = usize>) -> Vec<Vec<Option<Fault>>> {
    let setup = Setup::new().await;
    setup.metronome.inject(Faults::seeded(seed).rate(0.5).drawn_by_header("x-call"));
    let mut faults = vec![Vec::new(); 4];
    for call in order {
        let _ = setup.request(Method::GET, CUSTOMERS).send().await;
        let _ = setup.post(CUSTOMERS, acme()).header("x-call", format!("call {call}")).send().await;
        faults[call].push(setup.metronome.requests().last().unwrap().fault);
    }
    faults
}

#[tokio::test]
async fn faults_drawn_by_header_ignore_arrival_order() {
    let one_by_one = drawn_by_identity(7, (0..24).map(|n| n / 6)).await;
    assert_eq!(one_by_one, drawn_by_identity(7, (0..24).map(|n| 3 - n % 4)).await);
    assert_ne!(one_by_one, drawn_by_identity(8, (0..24).map(|n| n / 6)).await);
    let distinct: HashSet<String> = one_by_one.iter().map(|faults| format!("{faults:?}")).collect();
    assert_eq!(distinct.len(), 4, "every identity gets its own faults");
    assert!(
        one_by_one.iter().any(|faults| faults.windows(2).any(|pair| pair[0] != pair[1])),
        "the faults of an identity vary"
    );
}
