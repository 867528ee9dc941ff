//! What writes do to the objects that reads show.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{CONTRACTS, CUSTOMERS, Setup, acme, id, message};

async fn customers(setup: &Setup, query: &str) -> Vec<Value> {
    let list = setup.request(Method::GET, &format!("{CUSTOMERS}{query}")).send().await.unwrap();
    list.json::<Value>().await.unwrap()["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn name_and_aliases_are_replaced() {
    let setup = Setup::new().await;
    let customer = id(&setup.ok(CUSTOMERS, json!({ "name": "Acme", "ingest_aliases": ["old"] })).await);
    let renamed = setup.ok(&format!("{CUSTOMERS}/{customer}/setName"), json!({ "name": "New" })).await;
    assert_eq!((&renamed["data"]["id"], &renamed["data"]["name"]), (&json!(customer), &json!("New")));
    let set = |aliases: Value| {
        setup.post(&format!("{CUSTOMERS}/{customer}/setIngestAliases"), json!({ "ingest_aliases": aliases })).send()
    };
    assert!(set(json!(["new"])).await.unwrap().bytes().await.unwrap().is_empty());
    assert_eq!(customers(&setup, "?ingest_alias=old").await.len(), 0, "the old alias is free");
    assert_eq!(customers(&setup, "?ingest_alias=new").await[0]["name"], "New");
    setup.ok(CUSTOMERS, json!({ "name": "Other", "ingest_aliases": ["old"] })).await;
    assert_eq!(set(json!(["old"])).await.unwrap().status(), 409, "another customer has it now");
    assert_eq!(set(json!(["new"])).await.unwrap().status(), 200, "its own alias");
}

#[tokio::test]
async fn archived_customer_is_not_listed() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let archive = || setup.post("/v1/customers/archive", json!({ "id": customer })).send();
    assert_eq!(id(&archive().await.unwrap().json().await.unwrap()), customer);
    let again = message(archive().await.unwrap()).await;
    assert_eq!(again, (StatusCode::BAD_REQUEST, "Customer already archived".into()));
    assert!(customers(&setup, "").await.is_empty());
    let archived = customers(&setup, "?only_archived=true").await;
    assert!(archived[0]["archived_at"].is_string());
    let unknown = setup.post("/v1/customers/archive", json!({ "id": "unknown" })).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn package_is_archived_once_with_422() {
    let setup = Setup::new().await;
    let package = id(&setup.ok("/v1/packages/create", json!({ "name": "p", "uniqueness_key": "u" })).await);
    let found = setup.ok("/v1/packages/get", json!({ "package_id": package })).await;
    assert_eq!(found["data"]["uniqueness_key"], "package:u");
    for status in [200, 422] {
        let archived = setup.post("/v1/packages/archive", json!({ "package_id": package })).send().await.unwrap();
        assert_eq!(archived.status(), status);
    }
}

#[tokio::test]
async fn unknown_customer_is_rejected() {
    let setup = Setup::new().await;
    let nobody = json!({
        "customer_id": "nobody", "starting_at": "2026-01-01T00:00:00Z", "name": "n", "priority": 1, "product_id": "p",
        "access_schedule": { "schedule_items": [] }, "type": "PREPAID", "contract_id": "c",
    });
    for (path, status) in [
        (CONTRACTS, 404),
        ("/v1/contracts/customerCommits/create", 404),
        ("/v1/contracts/customerCredits/list", 404),
        ("/v1/customers/nobody/setName", 404),
        ("/v2/contracts/list", 400),
        ("/v2/contracts/edit", 400),
    ] {
        let refused = message(setup.post(path, nobody.clone()).send().await.unwrap()).await;
        assert_eq!((refused.0.as_u16(), refused.1.as_str()), (status, "Customer not found"), "{path}");
    }
    let configurations = json!({ "data": [{ "customer_id": "nobody", "billing_provider": "stripe" }] });
    let broken = setup.post("/v1/setCustomerBillingProviderConfigurations", configurations).send().await.unwrap();
    assert_eq!(broken.status(), 500, "as an account was seen to do");
    assert!(setup.metronome.ledger().entries().is_empty());
}

#[tokio::test]
async fn commits_and_credits_share_their_keys() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let body = json!({
        "customer_id": customer, "product_id": "p", "priority": 1, "type": "PREPAID", "uniqueness_key": "u",
        "access_schedule": { "schedule_items": [] },
    });
    let commit = setup.ok("/v1/contracts/customerCommits/create", body.clone()).await;
    for path in ["customerCommits", "customerCredits"] {
        let again = setup.post(&format!("/v1/contracts/{path}/create"), body.clone()).send().await.unwrap();
        assert_eq!(again.status(), 409, "{path}");
    }
    let balances = setup.ok("/v1/contracts/customerBalances/list", json!({ "customer_id": customer })).await;
    assert_eq!(balances["data"][0]["id"], commit["data"]["id"]);
    let contract = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": "u" });
    setup.ok(CONTRACTS, contract).await;
}

#[tokio::test]
async fn released_key_can_be_used_again() {
    let setup = Setup::new().await;
    for (key, release, status) in [("u", false, 409), ("v", true, 200)] {
        let body =
            json!({ "alert_type": "spend_threshold_reached", "name": "a", "threshold": 1, "uniqueness_key": key });
        let create = || setup.post("/v1/alerts/create", body.clone()).send();
        let alert = id(&create().await.unwrap().json().await.unwrap());
        let again: Value = create().await.unwrap().json().await.unwrap();
        assert_eq!((&again["conflicting_id"], &again["conflicting_value"]), (&json!(alert), &json!(key)));
        setup.ok("/v1/alerts/archive", json!({ "id": alert, "release_uniqueness_key": release })).await;
        assert_eq!(create().await.unwrap().status(), status, "{key}");
    }
}

#[tokio::test]
async fn pricing_unit_has_no_uniqueness_key() {
    let setup = Setup::new().await;
    let first = id(&setup.ok("/v1/credit-types/create", acme()).await);
    assert_ne!(first, id(&setup.ok("/v1/credit-types/create", acme()).await), "a repeat creates another one");
    for status in [200, 400] {
        let archived = setup.post("/v1/credit-types/archive", json!({ "id": first })).send().await.unwrap();
        assert_eq!(archived.status(), status);
    }
    let list: Value = setup.request(Method::GET, "/v1/credit-types/list").send().await.unwrap().json().await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 2, "the currency, and the one that is left");
}

#[tokio::test]
async fn rate_of_the_same_start_is_replaced() {
    let setup = Setup::new().await;
    let card = id(&setup.ok("/v1/contract-pricing/rate-cards/create", acme()).await);
    let rate = |price: i64| {
        json!({
            "rate_card_id": card, "product_id": "p", "rate_type": "FLAT", "price": price, "entitled": true,
            "starting_at": "2026-01-01T00:00:00Z",
        })
    };
    for price in [1, 2] {
        let added = setup.ok("/v1/contract-pricing/rate-cards/addRate", rate(price)).await;
        assert_eq!(added["data"], json!({ "rate_type": "FLAT", "price": price }));
    }
    let which = json!({ "rate_card_id": card, "at": "2026-01-01T00:00:00Z" });
    let rates = setup.ok("/v1/contract-pricing/rate-cards/getRates", which).await;
    assert_eq!((rates["data"].as_array().unwrap().len(), &rates["data"][0]["rate"]["price"]), (1, &json!(2)));
}
