//! The verifier: looks a write up by what it alone has, and says "unknown" where it is not sure.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::Value;

use crate::{
    accounts::{ADD_ENTRY, CUSTOMERS},
    clock,
    endpoint::{BoxError, Endpoint, OPERATION},
    lists::{Likeness, List, judge, ledger, same_reason, same_text},
    writes::{EDIT, SUBSCRIPTION, number_of},
};

/// How often a question is asked until it is answered.
const QUESTIONS: usize = 3;

/// Looks writes up through the API, with a client that gets no faults.
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
        let path = doubt.url().path();
        let number = number_of(path, &write).ok_or("not a write of this program")?;
        Ok(match path {
            CUSTOMERS => judge(&self.items(&List::customers(), number).await?, |found| {
                same_text(write.get("name"), found.get("name"))
            }),
            EDIT => judge(&self.items(&List::edits(&write), number).await?, |found| same_edit(found, &write)),
            ADD_ENTRY => {
                let balances = self.items(&List::balances(&write), number).await?;
                judge(&ledger(&balances, &write["id"])?, |found| same_reason(found, &write))
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

/// The history has the id of the subscription in another field than the request.
fn same_edit(found: &Value, write: &Value) -> Likeness {
    same_text(write.pointer(SUBSCRIPTION), found.pointer("/update_subscriptions/0/id"))
}
