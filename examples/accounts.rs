//! Customers with contracts and balances, created before the faults start.

use serde_json::{Value, json};

use crate::endpoint::{BoxError, Endpoint};

pub(crate) const CUSTOMERS: &str = "/v1/customers";
const CREATE_CONTRACT: &str = "/v1/contracts/create";
pub(crate) const ADD_ENTRY: &str = "/v1/contracts/addManualBalanceLedgerEntry";

/// A customer with a contract and a balance.
pub(crate) struct Account {
    pub(crate) customer: String,
    pub(crate) contract: String,
}

pub(crate) async fn create_accounts(endpoint: &Endpoint, count: usize) -> Result<Vec<Account>, BoxError> {
    let mut accounts = Vec::with_capacity(count);
    for number in 0..count {
        let customer = create(endpoint, CUSTOMERS, json!({ "name": format!("account-{number}") })).await?;
        let contract = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z" });
        let contract = create(endpoint, CREATE_CONTRACT, contract).await?;
        // A balance exists from its first entry on.
        let opening = json!({
            "customer_id": customer, "id": "prepaid", "segment_id": "2026", "amount": 0, "reason": "opening",
        });
        post(endpoint, ADD_ENTRY, opening).await?;
        accounts.push(Account { customer, contract });
    }
    Ok(accounts)
}

async fn create(endpoint: &Endpoint, path: &str, body: Value) -> Result<String, BoxError> {
    let answer: Value = post(endpoint, path, body).await?.json().await?;
    answer["data"]["id"].as_str().map(str::to_owned).ok_or_else(|| format!("{path} answered without an id").into())
}

async fn post(endpoint: &Endpoint, path: &str, body: Value) -> reqwest::Result<reqwest::Response> {
    endpoint.http.post(endpoint.url(path)).json(&body).send().await?.error_for_status()
}
