//! The rest of the API.

use std::io::Write;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{BALANCE, CUSTOMERS, EDIT, INGEST, Setup, acme, days_ago, entry, event, id, message};

#[tokio::test]
async fn ingest_ignores_duplicates() {
    let setup = Setup::new().await;
    for batch in [json!([event("t1"), event("t2"), event("t1")]), json!([event("t2"), event("t3")])] {
        let response = setup.post(INGEST, batch).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.unwrap().is_empty());
    }
    let ids: Vec<_> = setup.metronome.ledger().on(INGEST).map(|entry| entry.id.clone()).collect();
    assert_eq!(ids, ["t1", "t2", "t3"]);
    let found = setup.ok("/v1/events/search", json!({ "transactionIds": ["t3", "t9"] })).await;
    let found = found.as_array().unwrap();
    assert_eq!((found.len(), &found[0]["transaction_id"], &found[0]["id"]), (1, &json!("t3"), &json!("t3")));
}

#[tokio::test]
async fn event_older_than_34_days_fails_whole_batch() {
    let setup = Setup::new().await;
    let mut old = event("old");
    for (timestamp, status) in
        [(days_ago(35), 400), (days_ago(33), 200), ("yesterday".into(), 400), (days_ago(1).replace('Z', "+05:00"), 200)]
    {
        old["timestamp"] = timestamp.as_str().into();
        let response = setup.post(INGEST, json!([event("new"), old])).send().await.unwrap();
        assert_eq!(response.status(), status, "{timestamp}");
    }
    assert_eq!(setup.effects(INGEST), 2);
}

#[tokio::test]
async fn compressed_batch_is_accepted() {
    let setup = Setup::new().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(json!([event("t1")]).to_string().as_bytes()).unwrap();
    let request = || setup.request(Method::POST, INGEST).header("Content-Encoding", "gzip");
    assert_eq!(request().body(encoder.finish().unwrap()).send().await.unwrap().status(), 200);
    assert_eq!(request().body("plain").send().await.unwrap().status(), 400);
    assert_eq!(setup.effects(INGEST), 1);
}

#[tokio::test]
async fn invalid_event_fails_whole_batch() {
    let setup = Setup::new().await;
    let long = event(&"x".repeat(129));
    let (none, many) = (json!([]), Value::from(vec![event("t"); 101]));
    let incomplete = json!([event("t"), { "transaction_id": "u", "customer_id": "c", "event_type": "e" }]);
    for batch in [json!([event("t"), long]), json!([event("t"), event("")]), incomplete, none, many, event("t")] {
        let response = setup.post(INGEST, batch.clone()).send().await.unwrap();
        assert_eq!(message(response).await.0, 400, "{batch}");
    }
    assert_eq!(setup.effects(INGEST), 0);
    let full: Vec<_> = (0..100).map(|n| event(&format!("{n:0128}"))).collect();
    assert_eq!(setup.post(INGEST, full.into()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn wrong_token_is_rejected() {
    let setup = Setup::new().await;
    let url = format!("{}{CUSTOMERS}", setup.metronome.base_url());
    let without = setup.client.post(&url).json(&acme());
    let wrong = setup.client.post(&url).json(&acme()).bearer_auth("wrong");
    for request in [without, wrong] {
        assert_eq!(message(request.send().await.unwrap()).await, (StatusCode::UNAUTHORIZED, "Unauthorized".into()));
    }
    assert_eq!(setup.effects(CUSTOMERS), 0);
}

#[tokio::test]
async fn unknown_path_and_malformed_json_are_rejected() {
    let setup = Setup::new().await;
    for (method, path) in
        [(Method::POST, "/v1/nothing"), (Method::GET, "/v1/customers/a/b/c"), (Method::PUT, CUSTOMERS)]
    {
        let response = setup.request(method, path).send().await.unwrap();
        assert_eq!(message(response).await, (StatusCode::NOT_FOUND, "Not Found".into()), "{path}");
    }
    for path in [CUSTOMERS, EDIT] {
        let malformed = setup.request(Method::POST, path).body("{\"name\":").send().await.unwrap();
        assert_eq!(malformed.status(), 400);
        let body: Value = malformed.json().await.unwrap();
        assert_eq!((body["message"].is_string(), body["code"].is_string()), (true, path == EDIT));
    }
}

#[tokio::test]
async fn balance_entry_adds_to_balance() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let credit = setup.credit(&customer).await;
    for _ in 0..2 {
        let response = setup.post(BALANCE, entry(&credit, -5.5, "r")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.bytes().await.unwrap().len()), (200, 0));
    }
    let balances = "/v1/contracts/customerBalances/list";
    let which = json!({ "customer_id": customer, "id": credit["id"] });
    let plain = setup.ok(balances, which.clone()).await;
    assert_eq!((plain["data"][0].get("balance"), plain["data"][0].get("ledger")), (None, None), "only on request");
    let mut with_all = which;
    with_all["include_balance"] = true.into();
    with_all["include_ledgers"] = true.into();
    let list = setup.ok(balances, with_all).await;
    assert_eq!(list["data"][0]["balance"], -11.0);
    let types: Vec<_> = list["data"][0]["ledger"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(types, ["CREDIT_SEGMENT_START", "CREDIT_MANUAL", "CREDIT_MANUAL"]);
    assert_eq!(list["data"][0]["ledger"][2]["reason"], "r");
    let other = setup.ok(balances, json!({ "customer_id": customer, "id": "other" })).await;
    assert_eq!(other["data"], json!([]));
    let net = setup.ok("/v1/contracts/customerBalances/getNetBalance", json!({ "customer_id": customer })).await;
    assert_eq!(net["data"]["balance"], -11.0);
}

#[tokio::test]
async fn balance_entry_needs_its_balance_and_segment() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let credit = setup.credit(&customer).await;
    for (field, expected) in [("id", "Credit not found"), ("segment_id", "Segment not found")] {
        let mut unknown = entry(&credit, 1.0, "r");
        unknown[field] = "unknown".into();
        let refused = message(setup.post(BALANCE, unknown).send().await.unwrap()).await;
        assert_eq!(refused, (StatusCode::NOT_FOUND, expected.into()));
    }
    let other = setup.customer().await;
    let mut theirs = entry(&credit, 1.0, "r");
    theirs["customer_id"] = other.into();
    assert_eq!(setup.post(BALANCE, theirs).send().await.unwrap().status(), 404);
    assert_eq!(setup.effects(BALANCE), 0);
    let mut once = entry(&credit, 1.0, "r");
    once["uniqueness_key"] = "u".into();
    for status in [200, 409] {
        assert_eq!(setup.post(BALANCE, once.clone()).send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn custom_field_key_is_added_and_removed_once() {
    let setup = Setup::new().await;
    let field = json!({ "entity": "customer", "key": "tier", "enforce_uniqueness": false });
    let change = |what: &str| setup.post(&format!("/v1/customFields/{what}Key"), field.clone()).send();
    assert_eq!(message(change("remove").await.unwrap()).await.0, 404);
    assert_eq!(change("add").await.unwrap().text().await.unwrap(), "");
    let duplicate = message(change("add").await.unwrap()).await;
    assert_eq!(duplicate, (StatusCode::BAD_REQUEST, "Duplicate custom field key".into()));
    assert_eq!(change("remove").await.unwrap().text().await.unwrap(), "null");
    assert_eq!(message(change("remove").await.unwrap()).await.0, 404);
}

#[tokio::test]
async fn other_documented_write_is_recorded() {
    let setup = Setup::new().await;
    let path = "/v1/integrations/log";
    let created: Value = setup.keyed(path, path, json!({ "n": 1 })).send().await.unwrap().json().await.unwrap();
    let ledger = setup.metronome.ledger();
    let entry = ledger.on(path).next().unwrap();
    assert_eq!((&entry.id, entry.idempotency_key.as_deref()), (&id(&created), Some(path)));
    assert_eq!(entry.body, json!({ "n": 1 }));
    let gone = setup.post("/v1/payments/attempt", json!({})).send().await.unwrap();
    assert_eq!(gone.status(), 404);
}
