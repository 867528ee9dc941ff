//! The verifier: looks a write up by what it alone has, and says "unknown" where it is not sure.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::{
    accounts::{ADD_ENTRY, CUSTOMERS},
    endpoint::{BoxError, Endpoint, sleep},
    lists::{Likeness, List, judge, ledger, same_reason, same_text},
    load::{EDIT, INGEST, SUBSCRIPTION},
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
        Ok(match doubt.url().path() {
            CUSTOMERS => judge(&self.items(&List::customers()).await?, |found| same_customer(found, &write)),
            EDIT => judge(&self.items(&List::edits(&write)).await?, |found| same_edit(found, &write)),
            ADD_ENTRY => {
                let balances = self.items(&List::balances(&write)).await?;
                judge(&ledger(&balances, &write["id"])?, |found| same_reason(found, &write))
            }
            INGEST => self.find_events(&write).await?,
            _ => Verdict::Unknown,
        })
    }

    async fn find_events(&self, batch: &Value) -> Result<Verdict, BoxError> {
        let batch = batch.as_array().ok_or("a write without events")?;
        let ids: Vec<&Value> = batch.iter().map(|event| &event["transaction_id"]).collect();
        let request = self.endpoint.http.post(self.endpoint.url("/v1/events/search"));
        let found = self.ask(request.json(&json!({ "transactionIds": ids }))).await?;
        let found = found.as_array().ok_or("a response without events")?;
        let is_found = |id: &&Value| found.iter().any(|event| event["transaction_id"] == **id);
        Ok(match found.is_empty() {
            true => Verdict::NotApplied,
            false if ids.iter().all(is_found) => Verdict::Applied(Some(http::Response::new("").into())),
            false => Verdict::Unknown,
        })
    }

    async fn items(&self, list: &List) -> Result<Vec<Value>, BoxError> {
        list.items(&self.endpoint, |request| self.ask(request)).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, BoxError> {
        let mut asked = 1;
        loop {
            let question = request.try_clone().ok_or("a body that can be sent only once")?;
            match question.send().await.and_then(reqwest::Response::error_for_status) {
                Ok(answer) => return Ok(answer.json().await?),
                Err(error) if asked == QUESTIONS => return Err(error.into()),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
            asked += 1;
        }
    }
}

/// Every customer of this program has a name of its own. One without its aliases is neither applied nor not.
fn same_customer(found: &Value, write: &Value) -> Likeness {
    let aliases = |customer: &Value| customer["ingest_aliases"].as_array().map_or(0, Vec::len);
    match same_text(write.get("name"), found.get("name")) {
        Likeness::Same if aliases(found) != aliases(write) => Likeness::Perhaps,
        likeness => likeness,
    }
}

/// Every edit of this program changes a subscription of its own. The history has its id in another field than the
/// request.
fn same_edit(found: &Value, write: &Value) -> Likeness {
    same_text(write.pointer(SUBSCRIPTION), found.pointer("/update_subscriptions/0/id"))
}
