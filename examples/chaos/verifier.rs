//! The verifier: looks a write up by what it alone has, and says "unknown" where it is not sure.

use std::time::Duration;

use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::{
    endpoint::{BoxError, Endpoint, sleep},
    load::{ADD_ENTRY, CUSTOMERS, EDIT, INGEST, LIST_BALANCES, SUBSCRIPTION},
};

/// How often a question is asked until it is answered.
const QUESTIONS: usize = 5;

/// Asks through the API, with a client of its own whose questions meet no faults.
pub(crate) struct LookUp {
    pub(crate) endpoint: Endpoint,
}

#[async_trait]
impl Verifier for LookUp {
    async fn verify(&self, doubt: &InDoubtWrite<'_>) -> Verdict {
        self.look(doubt).await.unwrap_or(Verdict::Unknown)
    }
}

impl LookUp {
    async fn look(&self, doubt: &InDoubtWrite<'_>) -> Result<Verdict, BoxError> {
        let write: Value = serde_json::from_slice(doubt.body().unwrap_or_default())?;
        let customer = &write["customer_id"];
        match doubt.url().path() {
            CUSTOMERS => {
                let page = self.ask(CUSTOMERS, None).await?;
                Ok(one(&page["data"], |found| found["name"] == write["name"], |found| same_aliases(found, &write)))
            }
            EDIT => {
                let contract = json!({ "customer_id": customer, "contract_id": write["contract_id"] });
                let page = self.ask("/v2/contracts/getEditHistory", Some(contract)).await?;
                let subscription = write.pointer(SUBSCRIPTION);
                Ok(one(&page["data"], |found| found.pointer(SUBSCRIPTION) == subscription, |_| true))
            }
            ADD_ENTRY => {
                let balance = json!({ "customer_id": customer, "id": write["id"], "include_ledgers": true });
                let page = self.ask(LIST_BALANCES, Some(balance)).await?;
                // A balance is there from its first entry on.
                let ledger = page.pointer("/data/0/ledger").cloned().unwrap_or_else(|| json!([]));
                Ok(one(&ledger, |found| found["reason"] == write["reason"], |_| true))
            }
            INGEST => {
                let ids: Vec<&Value> = write.as_array().into_iter().flatten().map(|e| &e["transaction_id"]).collect();
                let found = self.ask("/v1/events/search", Some(json!({ "transactionIds": ids }))).await?;
                Ok(match found.as_array() {
                    Some(found) if found.is_empty() => Verdict::NotApplied,
                    Some(found) if found.len() == ids.len() => applied(&Value::Null),
                    _ => Verdict::Unknown,
                })
            }
            _ => Ok(Verdict::Unknown),
        }
    }

    async fn ask(&self, path: &str, body: Option<Value>) -> Result<Value, BoxError> {
        let mut asked = 1;
        loop {
            let request = match &body {
                Some(body) => self.endpoint.http.post(self.endpoint.url(path)).json(body),
                None => self.endpoint.http.get(self.endpoint.url(path)),
            };
            match request.send().await.and_then(reqwest::Response::error_for_status) {
                Ok(answer) => return Ok(answer.json().await?),
                Err(error) if asked == QUESTIONS => return Err(error.into()),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
            asked += 1;
        }
    }
}

/// The verdict on something that is there as a whole, in part, or not at all. In part is neither applied nor not.
fn one(list: &Value, is_it: impl Fn(&Value) -> bool, is_whole: impl Fn(&Value) -> bool) -> Verdict {
    let Some(items) = list.as_array() else { return Verdict::Unknown };
    match items.iter().find(|item| is_it(item)) {
        Some(found) if is_whole(found) => applied(found),
        Some(_) => Verdict::Unknown,
        None => Verdict::NotApplied,
    }
}

fn same_aliases(found: &Value, wanted: &Value) -> bool {
    let count = |customer: &Value| customer["ingest_aliases"].as_array().map_or(0, Vec::len);
    count(found) == count(wanted)
}

fn applied(found: &Value) -> Verdict {
    Verdict::Applied(Some(http::Response::new(json!({ "data": found }).to_string()).into()))
}
