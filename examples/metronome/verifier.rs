//! A verifier: looks a write up where it would be, and says "unknown" whenever it is not sure.

use reqwest_safe_retry::{InDoubtWrite, Verdict, Verifier, async_trait};
use serde_json::{Value, json};

use crate::endpoint::{BoxError, Endpoint};
use crate::story::{ADD_ENTRY, CREATE_CONTRACT, CUSTOMERS, EDIT, LIST_CONTRACTS, Message};

/// Where an edit says how many seats it adds.
pub(crate) const DELTA: &str = "/update_subscriptions/0/quantity_updates/0/quantity_delta";

/// Asks with a plain client of its own: a question that fails leaves the write in doubt, which is safe.
///
/// It looks at lists that show a write as soon as it has taken effect. One that lags behind would have it say "not
/// applied" too early, and the write would be doubled.
pub(crate) struct LookUp {
    pub(crate) endpoint: Endpoint,
}

/// Whether something that is there is the write in doubt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Perhaps,
    Different,
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
        let (customer, contract) = (&write["customer_id"], &write["contract_id"]);
        let (list, likeness, question): (_, fn(&Value, &Value) -> Likeness, _) = match doubt.url().path() {
            CUSTOMERS => ("/data", same_name, Message::get(format!("{CUSTOMERS}?limit=100"))),
            CREATE_CONTRACT => ("/data", same_key, Message::post(LIST_CONTRACTS, json!({ "customer_id": customer }))),
            EDIT => {
                let body = json!({ "customer_id": customer, "contract_id": contract });
                ("/data", same_edit, Message::post("/v2/contracts/getEditHistory", body))
            }
            ADD_ENTRY => {
                let body = json!({ "customer_id": customer, "id": write["id"], "include_ledgers": true });
                ("/data/0/ledger", same_reason, Message::post("/v1/contracts/customerBalances/list", body))
            }
            // A write that this verifier does not know how to find.
            _ => return Ok(Verdict::Unknown),
        };
        let page: Value = self.endpoint.request(&question).send().await?.error_for_status()?.json().await?;
        let Some(Value::Array(items)) = page.pointer(list) else { return Ok(Verdict::Unknown) };
        Ok(judge(items, page["next_page"].is_null(), |item| likeness(item, &write)))
    }
}

/// Applied where it is found. Not applied only where the list is whole and nothing in it could be it.
fn judge(items: &[Value], is_whole: bool, likeness: impl Fn(&Value) -> Likeness) -> Verdict {
    if let Some(found) = items.iter().find(|item| likeness(item) == Likeness::Same) {
        // In the form of the write's own answer, so that the caller finds the id where it looks for it.
        return Verdict::Applied(Some(http::Response::new(json!({ "data": found }).to_string()).into()));
    }
    if is_whole && items.iter().all(|item| likeness(item) == Likeness::Different) {
        Verdict::NotApplied
    } else {
        Verdict::Unknown
    }
}

/// For a text that every write has for itself alone; a write without one cannot be recognised.
fn same_text(field: &str, item: &Value, write: &Value) -> Likeness {
    match (&write[field], &item[field]) {
        (Value::String(wanted), Value::String(found)) if wanted == found => Likeness::Same,
        (Value::String(_), _) => Likeness::Different,
        _ => Likeness::Perhaps,
    }
}

/// Every customer of this program has a name of its own.
fn same_name(customer: &Value, write: &Value) -> Likeness {
    same_text("name", customer, write)
}

fn same_key(item: &Value, write: &Value) -> Likeness {
    same_text("uniqueness_key", item, write)
}

/// Every entry of this program has a reason of its own.
fn same_reason(entry: &Value, write: &Value) -> Likeness {
    same_text("reason", entry, write)
}

/// An edit without a `uniqueness_key` is known by its number of seats and the time from which they count. The edits of
/// this program hold one update each.
fn same_edit(edit: &Value, write: &Value) -> Likeness {
    const UPDATES: &str = "update_subscriptions";
    if write["uniqueness_key"].is_string() {
        return same_key(edit, write);
    }
    match (write.pointer(DELTA), edit.pointer(DELTA)) {
        (None, _) => Likeness::Perhaps,
        (Some(_), _) if edit[UPDATES] == write[UPDATES] => Likeness::Same,
        // As many seats, told in other words: it may well be this edit.
        (wanted, found) if found == wanted => Likeness::Perhaps,
        _ => Likeness::Different,
    }
}
