//! The rest of the API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{BALANCE, CUSTOMERS, EDIT, INGEST, Setup, acme, event, id, message};

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
    assert_eq!(found, json!([event("t3")]));
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
    let entry = json!({ "customer_id": customer, "id": "b", "segment_id": "s", "amount": -5.5, "reason": "r" });
    for _ in 0..2 {
        let response = setup.post(BALANCE, entry.clone()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.bytes().await.unwrap().len()), (200, 0));
    }
    let balances = "/v1/contracts/customerBalances/list";
    let list = setup.ok(balances, json!({ "customer_id": customer, "id": "b", "include_ledgers": true })).await;
    assert_eq!(list["data"][0]["balance"], -11.0);
    assert_eq!(list["data"][0]["ledger"][1]["reason"], "r");
    let other = setup.ok(balances, json!({ "customer_id": customer, "id": "other" })).await;
    assert_eq!(other["data"], json!([]));
}

#[tokio::test]
async fn custom_field_is_removed_once() {
    let setup = Setup::new().await;
    let field = json!({ "entity": "customer", "key": "tier" });
    let remove = || setup.post("/v1/customFields/removeKey", field.clone()).send();
    assert_eq!(remove().await.unwrap().text().await.unwrap(), "null");
    assert_eq!(message(remove().await.unwrap()).await.0, 404);
    setup.ok("/v1/customFields/addKey", field.clone()).await;
    assert_eq!(remove().await.unwrap().status(), 200);
}

#[tokio::test]
async fn other_documented_write_is_recorded() {
    let setup = Setup::new().await;
    for path in ["/v1/payments/attempt", "/v1/customers/c1/setName", "/v2/contracts/commits/edit"] {
        let created = setup.keyed(path, path, json!({ "n": 1 })).send().await.unwrap();
        let created: Value = created.json().await.unwrap();
        let ledger = setup.metronome.ledger();
        let entry = ledger.on(path).next().unwrap();
        assert_eq!((&entry.id, entry.idempotency_key.as_deref()), (&id(&created), Some(path)));
        assert_eq!(entry.body, json!({ "n": 1 }));
    }
    let credit = json!({ "uniqueness_key": "u" });
    setup.ok("/v1/contracts/customerCredits/create", credit.clone()).await;
    let again = setup.post("/v1/contracts/customerCredits/create", credit).send().await.unwrap();
    assert_eq!(again.status(), 409);
}
