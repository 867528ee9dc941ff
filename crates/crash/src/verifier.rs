//! The verifier: looks a write up by what it alone has, and says "unknown" where it is not sure.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::{
    accounts::{ADD_ENTRY, CUSTOMERS},
    clock,
    endpoint::{BoxError, Endpoint, OPERATION},
    lists::{CUSTOMER, ENTRY, List, Recognition, believed, ledger},
    writes::{EDIT, SUBSCRIPTION, number_of},
};

/// How often a question is asked until it is answered.
const QUESTIONS: usize = 3;

/// The history has the id of the subscription in another field than the request.
const SUBSCRIPTION_EDIT: Recognition = Recognition {
    identity: [SUBSCRIPTION, "/update_subscriptions/0/id"],
    shown: &[["/update_subscriptions/0/quantity_updates", "/update_subscriptions/0/quantity_updates"]],
    is_other: |_| false,
    response: |write, _| json!({ "data": { "id": write["contract_id"] } }).to_string(),
};

/// Looks writes up through the API, with a client that gets no faults.
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
        let path = doubt.url().path();
        let number = number_of(path, &write).ok_or("not a write of this program")?;
        Ok(match path {
            CUSTOMERS => CUSTOMER.judge(&write, &self.items(&List::customers(), number).await?),
            EDIT => SUBSCRIPTION_EDIT.judge(&write, &self.items(&List::edits(&write), number).await?),
            ADD_ENTRY => {
                let balances = self.items(&List::balances(&write), number).await?;
                ENTRY.judge(&write, &ledger(&balances, &write["id"])?)
            }
            _ => Verdict::Unknown,
        })
    }

    async fn items(&self, list: &List, number: usize) -> Result<Vec<Value>, BoxError> {
        list.items(&self.endpoint, |request| ask(request.header(OPERATION, number.to_string()))).await
    }
}

async fn ask(request: RequestBuilder) -> Result<Value, BoxError> {
    let mut asked = 1;
    loop {
        let question = request.try_clone().ok_or("a body that can be sent only once")?;
        match question.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => return Ok(answer.json().await?),
            Err(error) if asked == QUESTIONS => return Err(error.into()),
            Err(_) => clock::sleep(Duration::from_millis(20)).await,
        }
        asked += 1;
    }
}
