//! A verifier: looks a write up where it would be, and says "unknown" whenever it is not sure.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::endpoint::{BoxError, Endpoint};
use crate::lists::{CUSTOMER, ENTRY, Likeness, List, Recognition, believed, judge, ledger, same_text, shows};
use crate::story::{ADD_ENTRY, CREATE_CONTRACT, CUSTOMERS, EDIT, LIST_CONTRACTS};

/// Where an edit says how many seats it adds.
pub(crate) const DELTA: &str = "/update_subscriptions/0/quantity_updates/0/quantity_delta";

const CONTRACT: Recognition = Recognition {
    identity: ["/uniqueness_key", "/uniqueness_key"],
    shown: &[["/customer_id", "/customer_id"], ["/starting_at", "/starting_at"]],
    is_other: |_| false,
    response: |_, found| json!({ "data": { "id": found["id"] } }).to_string(),
};

/// Asks with a plain client of its own: a question that fails leaves the write in doubt, which is safe.
pub(crate) struct LookUp {
    pub(crate) endpoint: Endpoint,
    /// How long lists may be behind; `None` if nothing says so. Metronome does not say.
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
            CREATE_CONTRACT => CONTRACT.judge(&write, &self.items(&contracts(&write)).await?),
            EDIT => {
                let edits = self.items(&List::edits(&write)).await?;
                judge(&edits, |found| same_edit(found, &write), |_| edited(&write))
            }
            ADD_ENTRY => {
                let balances = self.items(&List::balances(&write)).await?;
                ENTRY.judge(&write, &ledger(&balances, &write["id"])?)
            }
            // A write that this verifier does not know how to find.
            _ => Verdict::Unknown,
        })
    }

    async fn items(&self, list: &List) -> Result<Vec<Value>, BoxError> {
        list.items(&self.endpoint, ask).await
    }
}

async fn ask(request: RequestBuilder) -> Result<Value, BoxError> {
    Ok(request.send().await?.error_for_status()?.json().await?)
}

/// The contracts of a customer. Their cursor has a name of its own.
fn contracts(write: &Value) -> List {
    let body = json!({ "customer_id": write["customer_id"] });
    List { path: LIST_CONTRACTS, body: Some(body), cursor: Some("cursor") }
}

/// The response to an edit has the id of the contract.
fn edited(write: &Value) -> String {
    json!({ "data": { "id": write["contract_id"] } }).to_string()
}

/// An edit without a `uniqueness_key` is known by its subscription, its number of seats and the time from which they
/// count. The edits of this program hold one update each.
fn same_edit(edit: &Value, write: &Value) -> Likeness {
    if write["uniqueness_key"].is_string() {
        return same_text(write.get("uniqueness_key"), edit.get("uniqueness_key"));
    }
    // The request has the id of the subscription in another field than the history.
    let (wanted, found) = (&write["update_subscriptions"][0], &edit["update_subscriptions"][0]);
    match same_text(wanted.get("subscription_id"), found.get("id")) {
        Likeness::Same => same_seats(edit, write),
        likeness => likeness,
    }
}

fn same_seats(edit: &Value, write: &Value) -> Likeness {
    const UPDATES: &str = "/update_subscriptions/0/quantity_updates";
    let delta = |edit: &Value| edit.pointer(DELTA).and_then(Value::as_f64);
    match (delta(write), delta(edit)) {
        (Some(wanted), Some(found)) if wanted != found => Likeness::Different,
        (Some(_), Some(_)) if shows(write, edit, [UPDATES, UPDATES]) => Likeness::Same,
        // As many seats, told in other words: it may well be this edit.
        _ => Likeness::Perhaps,
    }
}
