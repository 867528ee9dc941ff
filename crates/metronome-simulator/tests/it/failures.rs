//! Failed executions and restarts.

use std::time::Duration;

use metronome_simulator::{Fault, Ledger, Moment};
use serde_json::json;

use crate::support::{BALANCE, CUSTOMERS, INGEST, MEANWHILE, Setup, acme, entry, event};

#[tokio::test]
async fn partial_500_creates_customer_without_alias() {
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a"] });
    let setup = Setup::with(Fault::partial_500()).await;
    for _ in 0..2 {
        let answer = setup.keyed(CUSTOMERS, "k", with_alias.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 500);
    }
    let parts: Vec<_> =
        setup.metronome.ledger().on(CUSTOMERS).map(|entry| (entry.partial, entry.body.clone())).collect();
    assert_eq!(parts, [(true, acme())], "the customer without its alias");
    let fresh = setup.keyed(CUSTOMERS, "k2", with_alias.clone()).send().await.unwrap();
    assert_eq!((fresh.status().as_u16(), setup.effects(CUSTOMERS)), (200, 2), "the alias was still free");
    setup.metronome.script([Some(Fault::partial_500())]);
    assert_eq!(setup.post(CUSTOMERS, with_alias).send().await.unwrap().status(), 500);
    assert_eq!(setup.effects(CUSTOMERS), 2, "a taken alias creates nothing");
    setup.metronome.script([Some(Fault::partial_500())]);
    assert_eq!(setup.post(CUSTOMERS, acme()).send().await.unwrap().status(), 500);
    let ledger = setup.metronome.ledger();
    assert_eq!(
        (ledger.entries().len(), ledger.entries()[2].partial),
        (3, false),
        "a customer without an alias has no parts"
    );
}

#[tokio::test]
async fn partial_500_accepts_first_half_of_batch() {
    let setup = Setup::with(Fault::partial_500()).await;
    let batch = json!([event("t1"), event("t2"), event("t3"), event("t4"), event("t5")]);
    assert_eq!(setup.post(INGEST, batch.clone()).send().await.unwrap().status(), 500);
    let ids = |ledger: Ledger| -> Vec<(String, bool)> {
        ledger.on(INGEST).map(|entry| (entry.id.clone(), entry.partial)).collect()
    };
    assert_eq!(ids(setup.metronome.ledger()), [("t1".into(), true), ("t2".into(), true), ("t3".into(), true)]);
    setup.post(INGEST, batch).send().await.unwrap();
    let all: Vec<_> = ids(setup.metronome.ledger());
    assert_eq!((all.len(), all.iter().filter(|(_, partial)| *partial).count()), (5, 3));
    let customer = setup.customer().await;
    let entry = entry(&setup.credit(&customer).await, 1.0, "r");
    setup.metronome.script([Some(Fault::partial_500())]);
    assert_eq!(setup.post(BALANCE, entry).send().await.unwrap().status(), 500);
    let whole: Vec<_> = setup.metronome.ledger().on(BALANCE).map(|entry| entry.partial).collect();
    assert_eq!(whole, [false]);
}

#[tokio::test]
async fn restart_fault_releases_key_without_effect() {
    let setup = Setup::with(Fault::restarted().taking(MEANWHILE)).await;
    let first = tokio::spawn(setup.keyed(CUSTOMERS, "k", acme()).send());
    setup.received(1).await;
    let meanwhile = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(meanwhile.status(), 409, "the key is claimed until the restart");
    let error = first.await.unwrap().unwrap_err();
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    assert_eq!(setup.effects(CUSTOMERS), 0);
    let again = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), setup.effects(CUSTOMERS)), (200, 1), "the same key executes again");
}

#[tokio::test]
async fn restart_keeps_stored_results() {
    let setup = Setup::new().await;
    setup.keyed(CUSTOMERS, "stored", acme()).send().await.unwrap();
    let long = Duration::from_secs(60);
    setup.metronome.script([Fault::late(long, Moment::Before), Fault::queued(long)].map(Some));
    let executing = tokio::spawn(setup.keyed(CUSTOMERS, "executing", acme()).send());
    setup.received(2).await;
    let queued = tokio::spawn(setup.keyed(CUSTOMERS, "queued", acme()).send());
    setup.received(3).await;
    setup.metronome.restart();
    for waiting in [executing, queued] {
        let error = waiting.await.unwrap().unwrap_err();
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    }
    setup.metronome.settle().await;
    assert_eq!(setup.effects(CUSTOMERS), 1);
    for (key, effects) in [("stored", 1), ("executing", 2), ("queued", 3)] {
        assert_eq!(setup.keyed(CUSTOMERS, key, acme()).send().await.unwrap().status(), 200, "{key}");
        assert_eq!(setup.effects(CUSTOMERS), effects, "{key}");
    }
}
