//! The verifier: looks a write up by what it alone has, and says "unknown" where it is not sure.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::{
    accounts::{ADD_ENTRY, CUSTOMERS},
    endpoint::{BoxError, Endpoint, sleep},
    lists::{CUSTOMER, ENTRY, Likeness, List, Recognition, believed, ledger},
    load::{EDIT, INGEST, SUBSCRIPTION},
};

/// How often a question is asked until it is answered.
const QUESTIONS: usize = 5;

/// Every edit of this program changes a subscription of its own. The history has its id in another field than the
/// request.
const SUBSCRIPTION_EDIT: Recognition = Recognition {
    identity: [SUBSCRIPTION, "/update_subscriptions/0/id"],
    shown: &[
        ["/uniqueness_key", "/uniqueness_key"],
        ["/update_subscriptions/0/quantity_updates", "/update_subscriptions/0/quantity_updates"],
    ],
    is_other: |_| false,
    response: |write, _| json!({ "data": { "id": write["contract_id"] } }).to_string(),
};

const EVENT: Recognition = Recognition {
    identity: ["/transaction_id", "/transaction_id"],
    shown: &[["/customer_id", "/customer_id"], ["/event_type", "/event_type"], ["/timestamp", "/timestamp"]],
    is_other: |_| false,
    response: |_, _| String::new(),
};

/// Asks through the API, with a client of its own whose questions meet no faults.
pub(crate) struct LookUp {
    pub(crate) endpoint: Endpoint,
    /// How long lists may be behind; `None` if nothing says so.
    pub(crate) lag: Option<Duration>,
}

#[async_trait]
impl Verifier for LookUp {
    async fn verify(&self, doubt: &InDoubtWrite<'_>) -> Verdict {
        believed(self.look(doubt).await.unwrap_or(Verdict::Unknown), self.lag)
    }

    fn lag(&self) -> Duration {
        self.lag.unwrap_or_default()
    }
}

impl LookUp {
    async fn look(&self, doubt: &InDoubtWrite<'_>) -> Result<Verdict, BoxError> {
        let write: Value = serde_json::from_slice(doubt.body().unwrap_or_default())?;
        Ok(match doubt.url().path() {
            CUSTOMERS => CUSTOMER.judge(&write, &self.items(&List::customers()).await?),
            EDIT => SUBSCRIPTION_EDIT.judge(&write, &self.items(&List::edits(&write)).await?),
            ADD_ENTRY => {
                let balances = self.items(&List::balances(&write)).await?;
                ENTRY.judge(&write, &ledger(&balances, &write["id"])?)
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
        let is_found = |event: &Value| found.iter().any(|item| EVENT.likeness(event, item) == Likeness::Same);
        Ok(match found.is_empty() {
            true => Verdict::NotApplied,
            false if batch.iter().all(is_found) => Verdict::Applied(Some(http::Response::new("").into())),
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
