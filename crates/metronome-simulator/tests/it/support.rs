//! A running simulator with a client, and the requests that the tests send.

use std::time::{Duration, SystemTime};

use metronome_simulator::{Fault, Metronome};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) const CUSTOMERS: &str = "/v1/customers";
pub(crate) const CONTRACTS: &str = "/v1/contracts/create";
pub(crate) const EDIT: &str = "/v2/contracts/edit";
pub(crate) const BALANCE: &str = "/v1/contracts/addManualBalanceLedgerEntry";
pub(crate) const INGEST: &str = "/v1/ingest";
pub(crate) const SHORT: Duration = Duration::from_millis(100);
/// Long enough that a busy machine does what a test does meanwhile.
pub(crate) const MEANWHILE: Duration = Duration::from_millis(600);

pub(crate) struct Setup {
    pub(crate) metronome: Metronome,
    pub(crate) client: Client,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self { metronome: Metronome::start().await.unwrap(), client: Client::new() }
    }

    pub(crate) async fn with(fault: Fault) -> Self {
        let setup = Self::new().await;
        setup.metronome.script([Some(fault)]);
        setup
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.metronome.base_url());
        self.client.request(method, url).bearer_auth(self.metronome.token())
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.request(Method::POST, path).json(&body)
    }

    pub(crate) fn keyed(&self, path: &str, key: &str, body: Value) -> RequestBuilder {
        self.post(path, body).header("Idempotency-Key", key)
    }

    pub(crate) async fn ok(&self, path: &str, body: Value) -> Value {
        let response = self.post(path, body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn customer(&self) -> String {
        id(&self.ok(CUSTOMERS, json!({ "name": "Acme" })).await)
    }

    pub(crate) async fn contract(&self, customer: &str) -> String {
        id(&self.ok(CONTRACTS, json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z" })).await)
    }

    /// A credit of the customer with one segment. The body of an entry for it, without amount and reason.
    pub(crate) async fn credit(&self, customer: &str) -> Value {
        let item =
            json!({ "amount": 0, "starting_at": "2026-01-01T00:00:00Z", "ending_before": "2027-01-01T00:00:00Z" });
        let schedule = json!({ "schedule_items": [item] });
        let body = json!({ "customer_id": customer, "product_id": "p", "priority": 1, "access_schedule": schedule });
        let id = id(&self.ok("/v1/contracts/customerCredits/create", body).await);
        let list =
            self.ok("/v1/contracts/customerCredits/list", json!({ "customer_id": customer, "credit_id": id })).await;
        let segment = &list["data"][0]["access_schedule"]["schedule_items"][0]["id"];
        json!({ "customer_id": customer, "id": id, "segment_id": segment })
    }

    /// Waits until so many requests have arrived in all.
    pub(crate) async fn received(&self, requests: usize) {
        while self.metronome.requests().len() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn effects(&self, path: &str) -> usize {
        self.metronome.ledger().on(path).count()
    }
}

pub(crate) fn id(answer: &Value) -> String {
    answer["data"]["id"].as_str().unwrap().to_owned()
}

pub(crate) fn acme() -> Value {
    json!({ "name": "Acme" })
}

/// An entry for a credit.
pub(crate) fn entry(credit: &Value, amount: f64, reason: &str) -> Value {
    let mut entry = credit.clone();
    entry["amount"] = amount.into();
    entry["reason"] = reason.into();
    entry
}

/// An event of today.
pub(crate) fn event(transaction_id: &str) -> Value {
    json!({ "transaction_id": transaction_id, "customer_id": "c", "event_type": "e", "timestamp": days_ago(0) })
}

pub(crate) fn days_ago(days: u64) -> String {
    let time = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    humantime::format_rfc3339_seconds(time).to_string()
}

pub(crate) async fn message(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["message"].as_str().unwrap().to_owned())
}
