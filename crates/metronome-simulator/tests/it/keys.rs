//! Idempotency keys.

use std::collections::HashSet;
use std::time::Duration;

use metronome_simulator::{Fault, Moment};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CONTRACTS, CUSTOMERS, MEANWHILE, Setup, acme, id, message};

#[tokio::test]
async fn repeated_key_returns_stored_result() {
    let setup = Setup::new().await;
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
        ids.insert(id(&response.json().await.unwrap()));
    }
    assert_eq!((ids.len(), setup.effects(CUSTOMERS)), (1, 1));
    setup.post(CUSTOMERS, acme()).send().await.unwrap();
    assert_eq!(setup.effects(CUSTOMERS), 2, "a repeat without a key creates another customer");
}

#[tokio::test]
async fn repeated_key_returns_stored_500() {
    for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
        let setup = Setup::with(Fault::stored_500(moment)).await;
        for _ in 0..2 {
            let response = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            assert_eq!(
                message(response).await,
                (StatusCode::INTERNAL_SERVER_ERROR, "Unexpected internal error".into())
            );
        }
        assert_eq!(setup.effects(CUSTOMERS), effects, "{moment:?}");
        let fresh = setup.keyed(CUSTOMERS, "k2", acme()).send().await.unwrap();
        assert_eq!(fresh.status(), 200, "{moment:?}: another key executes");
    }
}

#[tokio::test]
async fn key_with_other_parameters_conflicts() {
    let setup = Setup::new().await;
    setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    let other_body = setup.keyed(CUSTOMERS, "k", json!({ "name": "Other" })).send().await.unwrap();
    assert_eq!(message(other_body).await.0, 409);
    let other_path = setup.keyed("/v1/packages/create", "k", acme()).send().await.unwrap();
    assert_eq!(message(other_path).await.0, 409);
    assert_eq!(setup.metronome.ledger().entries().len(), 1);
}

#[tokio::test]
async fn concurrent_key_conflicts_without_being_stored() {
    let setup = Setup::with(Fault::late(MEANWHILE, Moment::Before)).await;
    let first = tokio::spawn(setup.keyed(CUSTOMERS, "k", acme()).send());
    setup.received(1).await;
    let second = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(message(second).await.0, 409);
    assert_eq!(setup.effects(CUSTOMERS), 0, "no effect yet");
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.status(), 200);
    let third = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(first.bytes().await.unwrap(), third.bytes().await.unwrap());
    assert_eq!(setup.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn invalid_body_is_not_stored() {
    let setup = Setup::new().await;
    let invalid = setup.keyed(CUSTOMERS, "k", json!({})).send().await.unwrap();
    assert_eq!(message(invalid).await.0, 400);
    let valid = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(valid.status(), 200);
    let long = json!({ "name": "p", "uniqueness_key": "x".repeat(129) });
    assert_eq!(message(setup.post("/v1/packages/create", long).send().await.unwrap()).await.0, 400);
}

#[tokio::test]
async fn keyed_read_returns_stored_result() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let list = || setup.keyed("/v2/contracts/list", "k", json!({ "customer_id": customer })).send();
    let before: Value = list().await.unwrap().json().await.unwrap();
    setup.contract(&customer).await;
    let after: Value = list().await.unwrap().json().await.unwrap();
    assert_eq!((before["data"].as_array().unwrap().len(), after), (0, before));
}

#[tokio::test]
async fn conflict_during_execution_is_stored() {
    let setup = Setup::with(Fault::gateway(504, Moment::After)).await;
    let unknown = json!({ "customer_id": "nobody", "starting_at": "2026-01-01T00:00:00Z" });
    assert_eq!(setup.keyed(CONTRACTS, "k", unknown.clone()).send().await.unwrap().status(), 504);
    setup.metronome.script([Some(Fault::stored_500(Moment::Before))]);
    let replay = setup.keyed(CONTRACTS, "k", unknown).send().await.unwrap();
    assert_eq!(message(replay).await, (StatusCode::NOT_FOUND, "Customer not found".into()), "replayed, not executed");
}

/// A simulator in which the key "k" is stuck.
async fn stuck(moment: Moment) -> Setup {
    let setup = Setup::with(Fault::stuck_key(moment)).await;
    let first = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(message(first).await, (StatusCode::INTERNAL_SERVER_ERROR, "Unexpected internal error".into()));
    setup
}

#[tokio::test]
async fn stuck_key_stays_in_progress() {
    for (moment, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
        let setup = stuck(moment).await;
        for _ in 0..2 {
            let again = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
            let expected = "A request with this idempotency key is in progress";
            assert_eq!(message(again).await, (StatusCode::CONFLICT, expected.into()), "{moment:?}");
            setup.metronome.restart();
        }
        let other = setup.keyed(CUSTOMERS, "k", json!({ "name": "Other" })).send().await.unwrap();
        assert!(message(other).await.1.contains("different parameters"), "{moment:?}");
        assert_eq!(setup.effects(CUSTOMERS), effects, "{moment:?}");
        assert_eq!(setup.keyed(CUSTOMERS, "k2", acme()).send().await.unwrap().status(), 200, "{moment:?}");
    }
}

#[tokio::test]
async fn stuck_key_is_forgotten_like_a_result() {
    let setup = stuck(Moment::Before).await;
    setup.metronome.prune_keys();
    assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
    let setup = stuck(Moment::Before).await;
    setup.metronome.retain_keys_for(MEANWHILE);
    assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 409);
    tokio::time::sleep(MEANWHILE).await;
    assert_eq!(setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn pruned_key_executes_again() {
    let setup = Setup::new().await;
    setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    setup.metronome.script([Some(Fault::late(MEANWHILE, Moment::Before))]);
    let executing = tokio::spawn(setup.keyed(CUSTOMERS, "in use", acme()).send());
    setup.received(2).await;
    setup.metronome.prune_keys();
    assert_eq!(setup.keyed(CUSTOMERS, "in use", acme()).send().await.unwrap().status(), 409);
    assert_eq!(executing.await.unwrap().unwrap().status(), 200);
    assert_eq!(setup.effects(CUSTOMERS), 2);
    setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    setup.keyed(CUSTOMERS, "in use", acme()).send().await.unwrap();
    assert_eq!(setup.effects(CUSTOMERS), 3, "only the pruned key executes again");
}

#[tokio::test]
async fn key_expires_after_retention() {
    let setup = Setup::new().await;
    setup.metronome.retain_keys_for(MEANWHILE);
    let create = || setup.keyed(CUSTOMERS, "k", acme()).send();
    for (wait, effects) in [(Duration::ZERO, 1), (Duration::ZERO, 1), (MEANWHILE, 2), (Duration::ZERO, 2)] {
        tokio::time::sleep(wait).await;
        assert_eq!(create().await.unwrap().status(), 200);
        assert_eq!(setup.effects(CUSTOMERS), effects, "after another {wait:?}");
    }
}
