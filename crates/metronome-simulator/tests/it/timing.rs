//! Late, queued and duplicated requests.

use metronome_simulator::{Fault, Moment};
use serde_json::json;

use crate::support::{CUSTOMERS, MEANWHILE, SHORT, Setup, acme, message};

#[tokio::test]
async fn late_execution_completes_after_client_timeout() {
    let setup = Setup::with(Fault::late(MEANWHILE, Moment::Before)).await;
    let create = setup.keyed(CUSTOMERS, "k", acme()).timeout(SHORT).send();
    assert!(create.await.unwrap_err().is_timeout());
    assert_eq!(setup.effects(CUSTOMERS), 0);
    setup.metronome.settle().await;
    assert_eq!(setup.effects(CUSTOMERS), 1);
    let again = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), setup.effects(CUSTOMERS)), (200, 1));
}

#[tokio::test]
async fn late_response_follows_immediate_effect() {
    let setup = Setup::with(Fault::late(MEANWHILE, Moment::After)).await;
    let create = setup.post(CUSTOMERS, acme()).timeout(SHORT).send();
    assert!(create.await.unwrap_err().is_timeout());
    assert_eq!(setup.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn queued_request_claims_key_late() {
    let setup = Setup::with(Fault::queued(MEANWHILE)).await;
    let first = tokio::spawn(setup.keyed(CUSTOMERS, "k", acme()).send());
    setup.received(1).await;
    assert_eq!(setup.effects(CUSTOMERS), 0, "still queued");
    let second = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!(second.status(), 200, "the retry executes");
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.bytes().await.unwrap(), second.bytes().await.unwrap(), "the queued one replays");
    assert_eq!(setup.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn duplicate_applies_twice_unless_deduplicated() {
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a"] });
    for (key, body, status, effects) in [
        (None, acme(), 200, 2),
        (Some("k"), acme(), 200, 1),
        (None, with_alias.clone(), 409, 1),
        (Some("k"), with_alias, 200, 1),
    ] {
        let setup = Setup::with(Fault::duplicated()).await;
        let request = setup.post(CUSTOMERS, body.clone());
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        assert_eq!(request.send().await.unwrap().status(), status, "{key:?} {body}");
        assert_eq!(setup.effects(CUSTOMERS), effects, "{key:?} {body}");
        assert_eq!(setup.metronome.requests().len(), 1, "the client sent it once");
    }
}

#[tokio::test]
async fn slow_duplicate_conflicts_with_itself() {
    let setup = Setup::with(Fault::duplicated().taking(MEANWHILE)).await;
    let answer = setup.keyed(CUSTOMERS, "k", acme()).send().await.unwrap();
    assert_eq!((message(answer).await.0.as_u16(), setup.effects(CUSTOMERS)), (409, 0));
    setup.metronome.settle().await;
    assert_eq!(setup.effects(CUSTOMERS), 1);
}

#[tokio::test]
async fn settle_waits_for_running_requests() {
    let setup = Setup::with(Fault::late(MEANWHILE, Moment::Before)).await;
    setup.post(CUSTOMERS, acme()).timeout(SHORT).send().await.unwrap_err();
    assert_eq!(setup.effects(CUSTOMERS), 0);
    setup.metronome.settle().await;
    assert_eq!(setup.effects(CUSTOMERS), 1);
}
