//! Customers with contracts and balances, created before the faults start.

use serde_json::{Value, json};

use crate::endpoint::{BoxError, Endpoint};

pub(crate) const CUSTOMERS: &str = "/v1/customers";
const CREATE_CONTRACT: &str = "/v1/contracts/create";
const CREATE_CREDIT: &str = "/v1/contracts/customerCredits/create";
const LIST_CREDITS: &str = "/v1/contracts/customerCredits/list";
pub(crate) const ADD_ENTRY: &str = "/v1/contracts/addManualBalanceLedgerEntry";

/// A customer with a contract and a balance.
pub(crate) struct Account {
    pub(crate) customer: String,
    pub(crate) contract: String,
    /// A credit, and its only segment.
    pub(crate) credit: String,
    pub(crate) segment: String,
}

impl Account {
    /// A manual entry in the ledger of the credit.
    pub(crate) fn entry(&self, amount: usize, reason: &str) -> Value {
        json!({
            "customer_id": self.customer, "id": self.credit, "segment_id": self.segment,
            "amount": amount, "reason": reason,
        })
    }
}

pub(crate) async fn create_accounts(endpoint: &Endpoint, count: usize) -> Result<Vec<Account>, BoxError> {
    let mut accounts = Vec::with_capacity(count);
    for number in 0..count {
        let customer = create(endpoint, CUSTOMERS, json!({ "name": format!("account-{number}") })).await?;
        let contract = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z" });
        let contract = create(endpoint, CREATE_CONTRACT, contract).await?;
        let credit = create(endpoint, CREATE_CREDIT, credit(&customer)).await?;
        let segment = segment(endpoint, &customer, &credit).await?;
        accounts.push(Account { customer, contract, credit, segment });
    }
    Ok(accounts)
}

fn credit(customer: &str) -> Value {
    let all = json!({ "amount": 0, "starting_at": "2026-01-01T00:00:00Z", "ending_before": "2036-01-01T00:00:00Z" });
    json!({
        "customer_id": customer, "product_id": "prepaid", "priority": 1,
        "access_schedule": { "schedule_items": [all] },
    })
}

/// The id of the first segment of a credit. Only reads show it.
async fn segment(endpoint: &Endpoint, customer: &str, credit: &str) -> Result<String, BoxError> {
    let body = json!({ "customer_id": customer, "credit_id": credit });
    let answer: Value = post(endpoint, LIST_CREDITS, body).await?.json().await?;
    let segment = answer.pointer("/data/0/access_schedule/schedule_items/0/id").and_then(Value::as_str);
    segment.map(str::to_owned).ok_or_else(|| "a credit without a segment".into())
}

async fn create(endpoint: &Endpoint, path: &str, body: Value) -> Result<String, BoxError> {
    let answer: Value = post(endpoint, path, body).await?.json().await?;
    answer["data"]["id"].as_str().map(str::to_owned).ok_or_else(|| format!("{path} answered without an id").into())
}

async fn post(endpoint: &Endpoint, path: &str, body: Value) -> reqwest::Result<reqwest::Response> {
    endpoint.http.post(endpoint.url(path)).json(&body).send().await?.error_for_status()
}
