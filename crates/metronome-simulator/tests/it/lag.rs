//! Lists that are behind.

use std::time::Duration;

use metronome_simulator::{Fault, Moment};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{BALANCE, CUSTOMERS, EDIT, INGEST, MEANWHILE, Setup, acme, entry, event};

const LONG: Duration = Duration::from_secs(600);

async fn names(setup: &Setup) -> Vec<String> {
    let list: Value = setup.request(Method::GET, CUSTOMERS).send().await.unwrap().json().await.unwrap();
    list["data"].as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn list_shows_write_after_its_lag() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    setup.metronome.set_list_lag(MEANWHILE);
    setup.ok(CUSTOMERS, json!({ "name": "Late" })).await;
    setup.ok(&format!("{CUSTOMERS}/{customer}/setName"), json!({ "name": "Renamed" })).await;
    assert_eq!(names(&setup).await, ["Acme"], "neither the new customer nor the new name");
    let one: Value =
        setup.request(Method::GET, &format!("{CUSTOMERS}/{customer}")).send().await.unwrap().json().await.unwrap();
    assert_eq!(one["data"]["name"], "Renamed", "what is read by its id is current");
    tokio::time::sleep(MEANWHILE).await;
    assert_eq!(names(&setup).await, ["Renamed", "Late"]);
}

#[tokio::test]
async fn every_list_can_be_behind() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let contract = setup.contract(&customer).await;
    let credit = setup.credit(&customer).await;
    setup.metronome.set_list_lag(LONG);
    let which = json!({ "customer_id": customer, "contract_id": contract });
    setup.ok(EDIT, which.clone()).await;
    setup.contract(&customer).await;
    setup.post(BALANCE, entry(&credit, 1.0, "r")).send().await.unwrap();
    setup.post(INGEST, json!([event("t")])).send().await.unwrap();
    let ledger = json!({ "customer_id": customer, "include_ledgers": true });
    let count = async || {
        let history = setup.ok("/v2/contracts/getEditHistory", which.clone()).await;
        let contracts = setup.ok("/v2/contracts/list", json!({ "customer_id": customer })).await;
        let balances = setup.ok("/v1/contracts/customerBalances/list", ledger.clone()).await;
        let events = setup.ok("/v1/events/search", json!({ "transactionIds": ["t"] })).await;
        let lists = [&history["data"], &contracts["data"], &balances["data"][0]["ledger"], &events];
        lists.map(|list| list.as_array().unwrap().len())
    };
    assert_eq!(count().await, [0, 1, 1, 0]);
    setup.metronome.set_list_lag(Duration::ZERO);
    assert_eq!(count().await, [1, 2, 2, 1]);
}

#[tokio::test]
async fn part_of_a_write_is_behind_too() {
    let setup = Setup::new().await;
    setup.metronome.set_list_lag(MEANWHILE);
    setup.metronome.script([Some(Fault::partial_500()), Some(Fault::stored_500(Moment::Before))]);
    let with_alias = json!({ "name": "Acme", "ingest_aliases": ["a"] });
    for body in [with_alias, acme()] {
        assert_eq!(setup.post(CUSTOMERS, body).send().await.unwrap().status(), 500);
    }
    assert!(names(&setup).await.is_empty());
    tokio::time::sleep(MEANWHILE).await;
    assert_eq!(names(&setup).await, ["Acme"], "the part, and not what had no effect");
}
