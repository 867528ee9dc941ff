//! A verifier: looks a write up where it would be, and says "unknown" whenever it is not sure.

use reqwest::RequestBuilder;
use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::endpoint::{BoxError, Endpoint};
use crate::lists::{Likeness, List, judge, ledger, same_reason, same_text};
use crate::story::{ADD_ENTRY, CREATE_CONTRACT, CUSTOMERS, EDIT, LIST_CONTRACTS};

/// Where an edit says how many seats it adds.
pub(crate) const DELTA: &str = "/update_subscriptions/0/quantity_updates/0/quantity_delta";

/// Asks with a plain client of its own: a question that fails leaves the write in doubt, which is safe.
///
/// It looks at lists that show a write as soon as it has taken effect. One that lags behind would have it say "not
/// applied" too early, and the write would be doubled.
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
            CUSTOMERS => judge(&self.items(&List::customers()).await?, |found| same_name(found, &write)),
            CREATE_CONTRACT => judge(&self.items(&contracts(&write)).await?, |found| same_key(found, &write)),
            EDIT => judge(&self.items(&List::edits(&write)).await?, |found| same_edit(found, &write)),
            ADD_ENTRY => {
                let balances = self.items(&List::balances(&write)).await?;
                judge(&ledger(&balances, &write["id"])?, |found| same_reason(found, &write))
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

/// Every customer of this program has a name of its own.
fn same_name(customer: &Value, write: &Value) -> Likeness {
    same_text(write.get("name"), customer.get("name"))
}

fn same_key(item: &Value, write: &Value) -> Likeness {
    same_text(write.get("uniqueness_key"), item.get("uniqueness_key"))
}

/// An edit without a `uniqueness_key` is known by its subscription, its number of seats and the time from which they
/// count. The edits of this program hold one update each.
fn same_edit(edit: &Value, write: &Value) -> Likeness {
    if write["uniqueness_key"].is_string() {
        return same_key(edit, write);
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
        (Some(_), Some(_)) if edit.pointer(UPDATES) == write.pointer(UPDATES) => Likeness::Same,
        // As many seats, told in other words: it may well be this edit.
        _ => Likeness::Perhaps,
    }
}
