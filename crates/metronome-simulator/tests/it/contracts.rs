//! Contracts and customers: uniqueness keys and aliases.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{CONTRACTS, CUSTOMERS, EDIT, Setup, id, message};

const HISTORY: &str = "/v2/contracts/getEditHistory";

#[tokio::test]
async fn used_uniqueness_key_rejects_contract() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let body = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z", "uniqueness_key": "u", "net_payment_terms_days": 30 });
    setup.ok(CONTRACTS, body.clone()).await;
    for _ in 0..2 {
        let again = setup.keyed(CONTRACTS, "k", body.clone()).send().await.unwrap();
        assert_eq!(message(again).await, (StatusCode::CONFLICT, "This uniqueness key has already been used.".into()));
    }
    let ledger = setup.metronome.ledger();
    assert_eq!(ledger.count(|entry| entry.uniqueness_key.as_deref() == Some("u")), 1);
    assert!(ledger.applied(|entry| entry.body == body));
}

#[tokio::test]
async fn edits_add_up_and_reject_used_uniqueness_key() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let contract = setup.contract(&customer).await;
    let seats = json!([{ "subscription_id": "s", "quantity_updates": [{ "quantity_delta": 137 }] }]);
    let edit = |key: Value| json!({ "customer_id": customer, "contract_id": contract, "update_subscriptions": seats, "uniqueness_key": key });
    let which = json!({ "customer_id": customer, "contract_id": contract });
    setup.ok(EDIT, edit("e1".into())).await;
    let again = setup.post(EDIT, edit("e1".into())).send().await.unwrap();
    assert_eq!(again.status(), 422);
    let body: Value = again.json().await.unwrap();
    assert_eq!(body["message"], "Uniqueness key already exists: e1");
    assert!(body["code"].is_string());
    let document = setup.ok("/v2/contracts/get", which.clone()).await;
    assert_eq!(document["data"]["id"], json!(contract));
    setup.ok(EDIT, edit("e2".into())).await;
    let history = setup.ok(HISTORY, which).await;
    let keys: Vec<_> = history["data"].as_array().unwrap().iter().map(|edit| &edit["uniqueness_key"]).collect();
    assert_eq!(keys, ["e1", "e2"]);
}

#[tokio::test]
async fn edit_history_names_subscriptions_by_id() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let contract = setup.contract(&customer).await;
    let which = json!({ "customer_id": customer, "contract_id": contract });
    let edit = |more: Value| {
        let mut edit = which.clone();
        edit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        edit
    };
    let quantities = json!([{ "starting_at": "2026-07-01T00:00:00Z", "quantity_delta": 137 }]);
    let update = json!({ "subscription_id": "s", "quantity_updates": quantities, "proration_rounding": null });
    let first = setup.ok(EDIT, edit(json!({ "update_subscriptions": [update], "uniqueness_key": "e1" }))).await;
    let second = setup.ok(EDIT, edit(json!({ "update_contract_name": "New" }))).await;
    assert_eq!([id(&first), id(&second)], [contract.as_str(), &contract], "an edit answers with the contract");
    let mut history = setup.ok(HISTORY, which).await;
    for edit in history["data"].as_array_mut().unwrap() {
        edit.as_object_mut().unwrap().remove("id").unwrap();
        let timestamp = edit.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert_eq!(timestamp.as_str().unwrap().len(), "2026-07-01T00:00:00.000Z".len(), "{timestamp}");
    }
    let expected = json!({ "data": [
        {
            "uniqueness_key": "e1",
            "update_subscriptions": [{ "id": "s", "quantity_updates": quantities }],
        },
        { "update_contract_name": "New" },
    ] });
    assert_eq!(history, expected, "one page, without the fields of the request");
}

#[tokio::test]
async fn edit_names_subscriptions_by_subscription_id() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let contract = setup.contract(&customer).await;
    let edit = json!({ "customer_id": customer, "contract_id": contract, "update_subscriptions": [{ "id": "s" }] });
    let response = setup.post(EDIT, edit).send().await.unwrap();
    let expected = "update_subscriptions: subscription_id is required";
    assert_eq!(message(response).await, (StatusCode::BAD_REQUEST, expected.into()));
}

#[tokio::test]
async fn edits_without_uniqueness_key_stack() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let contract = setup.contract(&customer).await;
    for _ in 0..2 {
        setup.ok(EDIT, json!({ "customer_id": customer, "contract_id": contract })).await;
    }
    assert_eq!(setup.effects(EDIT), 2);
    let unknown = setup.post(EDIT, json!({ "customer_id": customer, "contract_id": "none" })).send().await.unwrap();
    assert_eq!(message(unknown).await, (StatusCode::BAD_REQUEST, "Contract not found".into()));
}

#[tokio::test]
async fn ingest_alias_belongs_to_one_customer() {
    let setup = Setup::new().await;
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a&b", "c"] });
    let created = setup.ok(CUSTOMERS, with_alias).await;
    let again = setup.post(CUSTOMERS, json!({ "name": "Other", "ingest_aliases": ["c"] })).send().await.unwrap();
    assert_eq!(message(again).await.0, 409);
    setup.customer().await;
    for (query, found) in [("", 2), ("?ingest_alias=a%26b", 1), ("?ingest_alias=z", 0)] {
        let list = setup.request(Method::GET, &format!("{CUSTOMERS}{query}")).send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{query}");
        assert!(list["next_page"].is_null());
    }
    let one = setup.request(Method::GET, &format!("{CUSTOMERS}/{}", id(&created))).send().await.unwrap();
    let one: Value = one.json().await.unwrap();
    for field in ["id", "name", "ingest_aliases", "external_id"] {
        assert_eq!(one["data"][field], created["data"][field], "{field}");
    }
    let none = setup.request(Method::GET, "/v1/customers/none").send().await.unwrap();
    assert_eq!(message(none).await, (StatusCode::NOT_FOUND, "Customer not found".into()));
}

#[tokio::test]
async fn edit_changes_the_contract() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let rate = json!({ "billing_frequency": "MONTHLY", "product_id": "p" });
    let subscription = json!({ "collection_schedule": "ADVANCE", "subscription_rate": rate, "initial_quantity": 3 });
    let body =
        json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z", "subscriptions": [subscription] });
    let contract = id(&setup.ok(CONTRACTS, body).await);
    let which = json!({ "customer_id": customer, "contract_id": contract });
    let before = setup.ok("/v2/contracts/get", which.clone()).await;
    let subscription = &before["data"]["subscriptions"][0]["id"];
    let delta = json!({ "starting_at": "2026-07-01T00:00:00Z", "quantity_delta": 137 });
    let seats = json!([{ "subscription_id": subscription, "quantity_updates": [delta] }]);
    let mut edit = which.clone();
    edit["update_subscriptions"] = seats;
    edit["update_contract_name"] = "New".into();
    edit["add_commits"] = json!([{ "product_id": "p", "type": "PREPAID" }]);
    setup.ok(EDIT, edit).await;
    let after = &setup.ok("/v2/contracts/get", which.clone()).await["data"];
    assert_eq!(after["subscriptions"][0]["quantity_schedule"][1]["quantity"], 140.0);
    assert_eq!((&after["name"], after["commits"].as_array().unwrap().len()), (&json!("New"), 1));
    let v1 = &setup.ok("/v1/contracts/get", which).await["data"];
    assert_eq!(v1["initial"]["commits"], json!([]));
    assert_eq!(v1["current"]["commits"].as_array().unwrap().len(), 1);
}
