//! What a verifier needs to look a write up in a list: all pages of the list, and a verdict that is safe.
//!
//! A list proves that a write is missing only if it is read to its last page, cannot be behind, and has in every item the
//! field that would tell. In every other case the verdict is "unknown", which never leads to a second write.

use std::{future::Future, time::Duration};

use reqwest::{RequestBuilder, Url};
use reqwest_safe_retry::Verdict;
use serde_json::{Value, json};

use crate::endpoint::{BoxError, Endpoint};

/// A list of the API.
pub(crate) struct List {
    pub(crate) path: &'static str,
    /// The body of a POST; `None` for a GET.
    pub(crate) body: Option<Value>,
    /// The field that names the next page; `None` for a list without pages.
    pub(crate) cursor: Option<&'static str>,
}

impl List {
    pub(crate) const fn customers() -> Self {
        Self { path: "/v1/customers?limit=100", body: None, cursor: Some("next_page") }
    }

    /// The edits of a contract.
    pub(crate) fn edits(write: &Value) -> Self {
        let body = json!({ "customer_id": write["customer_id"], "contract_id": write["contract_id"] });
        Self { path: "/v2/contracts/getEditHistory", body: Some(body), cursor: None }
    }

    /// The balance that an entry changes, with its ledger.
    pub(crate) fn balances(write: &Value) -> Self {
        let body = json!({ "customer_id": write["customer_id"], "id": write["id"], "include_ledgers": true });
        Self { path: "/v1/contracts/customerBalances/list", body: Some(body), cursor: Some("next_page") }
    }

    /// The items of all pages.
    ///
    /// # Errors
    /// When a page cannot be read, or does not say whether it is the last.
    pub(crate) async fn items<F>(
        &self,
        endpoint: &Endpoint,
        ask: impl Fn(RequestBuilder) -> F,
    ) -> Result<Vec<Value>, BoxError>
    where
        F: Future<Output = Result<Value, BoxError>>,
    {
        let mut items = Vec::new();
        let mut next = None;
        loop {
            let page = ask(self.request(endpoint, next.clone())?).await?;
            items.extend(page["data"].as_array().ok_or("a page without items")?.iter().cloned());
            let read = std::mem::replace(&mut next, self.next(&page)?);
            if next.is_none() {
                return Ok(items);
            }
            if next == read {
                return Err("a page that is its own next page".into());
            }
        }
    }

    fn request(&self, endpoint: &Endpoint, next: Option<String>) -> Result<RequestBuilder, BoxError> {
        let url = Url::parse(&format!("{}{}", endpoint.base_url, self.path))?;
        let next = self.cursor.zip(next);
        Ok(match self.body.clone() {
            Some(mut body) => {
                if let Some((cursor, next)) = next {
                    body[cursor] = next.into();
                }
                endpoint.http.post(url).json(&body)
            }
            None => endpoint.http.get(Url::parse_with_params(url.as_str(), next)?),
        })
    }

    /// The cursor of the next page, if there is one.
    fn next(&self, page: &Value) -> Result<Option<String>, BoxError> {
        match (self.cursor, page.get(self.cursor.unwrap_or("next_page"))) {
            (Some(_), Some(Value::String(next))) => Ok(Some(next.clone())),
            (_, Some(Value::Null)) | (None, None) => Ok(None),
            _ => Err("a page that does not say whether it is the last".into()),
        }
    }
}

/// The ledger of the balance with this id. The balance is there before its entries, so a list without it is not the
/// list that was asked for.
///
/// # Errors
/// An error if there is no such balance, or the balance has no ledger.
pub(crate) fn ledger(balances: &[Value], id: &Value) -> Result<Vec<Value>, BoxError> {
    let balance = balances.iter().find(|balance| balance["id"] == *id);
    Ok(balance.and_then(|balance| balance["ledger"].as_array()).ok_or("no such ledger")?.clone())
}

/// Whether an item of a list is the write in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    Same,
    /// It may be the write; also if it lacks the field that would tell.
    Perhaps,
    Different,
}

/// How a kind of write is recognised in a list. Fields are JSON pointers, into the write and into an item.
pub(crate) struct Recognition {
    /// A text that no other write has.
    pub(crate) identity: [&'static str; 2],
    /// The other fields of the write that the list shows.
    pub(crate) shown: &'static [[&'static str; 2]],
    /// Items that the service makes without a write.
    pub(crate) is_other: fn(&Value) -> bool,
    /// The response to the write, by the write and its item, so that the caller finds the id in its place.
    pub(crate) response: fn(&Value, &Value) -> String,
}

/// Every customer of these programs has a name of its own. One that lacks its aliases is half done.
pub(crate) const CUSTOMER: Recognition = Recognition {
    identity: ["/name", "/name"],
    shown: &[["/ingest_aliases", "/ingest_aliases"]],
    is_other: |_| false,
    response: |_, found| json!({ "data": found }).to_string(),
};

/// Every entry of these programs has a reason of its own. The service's own entries have none.
pub(crate) const ENTRY: Recognition = Recognition {
    identity: ["/reason", "/reason"],
    shown: &[["/amount", "/amount"]],
    is_other: |entry| entry["type"].as_str().is_some_and(|kind| !kind.ends_with("_MANUAL")),
    response: |_, _| String::new(),
};

impl Recognition {
    pub(crate) fn judge(&self, write: &Value, all: &[Value]) -> Verdict {
        judge(all, |found| self.likeness(write, found), |found| (self.response)(write, found))
    }

    pub(crate) fn likeness(&self, write: &Value, found: &Value) -> Likeness {
        if (self.is_other)(found) {
            return Likeness::Different;
        }
        let [in_write, in_item] = self.identity;
        match same_text(write.pointer(in_write), found.pointer(in_item)) {
            Likeness::Same if self.shown.iter().all(|fields| shows(write, found, *fields)) => Likeness::Same,
            // It has the text of the write and another content: it is half done, or somebody else's.
            Likeness::Same => Likeness::Perhaps,
            likeness => likeness,
        }
    }
}

/// Whether an item shows a field as the write has it; also if the write does not have it.
pub(crate) fn shows(write: &Value, found: &Value, [in_write, in_item]: [&str; 2]) -> bool {
    write.pointer(in_write).is_none_or(|wanted| found.pointer(in_item).is_some_and(|shown| is_same(wanted, shown)))
}

/// Numbers are the same in every notation.
fn is_same(wanted: &Value, shown: &Value) -> bool {
    match (wanted, shown) {
        (Value::Number(wanted), Value::Number(shown)) => wanted.as_f64() == shown.as_f64(),
        (Value::Array(wanted), Value::Array(shown)) => {
            wanted.len() == shown.len() && wanted.iter().zip(shown).all(|(wanted, shown)| is_same(wanted, shown))
        }
        // The service may add fields of its own.
        (Value::Object(wanted), Value::Object(shown)) => {
            wanted.iter().all(|(field, wanted)| shown.get(field).is_some_and(|shown| is_same(wanted, shown)))
        }
        _ => wanted == shown,
    }
}

/// Applied if an item is the write. Not applied only if the list is complete and no item could be the write.
pub(crate) fn judge(
    all: &[Value],
    likeness: impl Fn(&Value) -> Likeness,
    response: impl Fn(&Value) -> String,
) -> Verdict {
    if let Some(found) = all.iter().find(|item| likeness(item) == Likeness::Same) {
        return Verdict::Applied(Some(http::Response::new(response(found)).into()));
    }
    if all.iter().all(|item| likeness(item) == Likeness::Different) { Verdict::NotApplied } else { Verdict::Unknown }
}

/// The verdict, if lists show a write after this time at the latest. `None`: nothing says when. Then no list proves that
/// a write is missing.
///
/// The time is also what [`Verifier::lag`](reqwest_safe_retry::Verifier::lag) returns: the layer asks that late.
pub(crate) fn believed(verdict: Verdict, lag: Option<Duration>) -> Verdict {
    match verdict {
        Verdict::NotApplied if lag.is_none() => Verdict::Unknown,
        verdict => verdict,
    }
}

/// For a text that every write has for itself alone. An item without it could be anything: the field may have another
/// name.
pub(crate) fn same_text(wanted: Option<&Value>, found: Option<&Value>) -> Likeness {
    match (wanted, found) {
        (Some(Value::String(wanted)), Some(Value::String(found))) if wanted == found => Likeness::Same,
        (Some(Value::String(_)), Some(Value::String(_))) => Likeness::Different,
        _ => Likeness::Perhaps,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque, future::ready};

    use super::*;

    /// What is found in these pages, and the URLs and bodies of the requests for them.
    async fn read(list: &List, pages: impl IntoIterator<Item = Value>) -> (Result<Vec<Value>, String>, Vec<String>) {
        let endpoint = Endpoint { base_url: "http://metronome.test".to_owned(), http: reqwest::Client::new() };
        let (pages, asked) = (RefCell::new(pages.into_iter().collect::<VecDeque<_>>()), RefCell::new(Vec::new()));
        let found = list.items(&endpoint, |request| {
            let request = request.build().unwrap();
            let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            asked.borrow_mut().push(format!("{}{body}", request.url().as_str().trim_start_matches(&endpoint.base_url)));
            ready(Ok(pages.borrow_mut().pop_front().unwrap()))
        });
        let found = found.await.map_err(|error| error.to_string());
        (found, asked.into_inner())
    }

    #[tokio::test]
    async fn list_is_read_to_its_last_page() {
        let pages = || [json!({ "data": [1, 2], "next_page": "a&b" }), json!({ "data": [3], "next_page": null })];
        let (found, asked) = read(&List::customers(), pages()).await;
        assert_eq!(found.unwrap(), [1, 2, 3]);
        assert_eq!(asked, ["/v1/customers?limit=100", "/v1/customers?limit=100&next_page=a%26b"]);
        let list = List { path: "/list", body: Some(json!({ "id": 1 })), cursor: Some("next_page") };
        let (found, asked) = read(&list, pages()).await;
        assert_eq!((found.unwrap().len(), asked[1].as_str()), (3, r#"/list{"id":1,"next_page":"a&b"}"#));
    }

    #[tokio::test]
    async fn page_of_another_shape_is_an_error() {
        for page in
            [json!({ "data": [] }), json!({ "data": [], "next_page": 2 }), json!({ "next_page": null }), json!([])]
        {
            assert!(read(&List::customers(), [page.clone()]).await.0.is_err(), "{page}");
        }
        let history = List::edits(&json!({}));
        assert_eq!(read(&history, [json!({ "data": [1] })]).await.0.unwrap(), [1], "it has no pages");
        assert!(read(&history, [json!({ "data": [1], "next_page": "a" })]).await.0.is_err());
    }

    #[tokio::test]
    async fn page_that_is_its_own_next_page_is_an_error() {
        let page = json!({ "data": [], "next_page": "a" });
        assert!(read(&List::customers(), [page.clone(), page]).await.0.is_err());
    }

    /// What is found of the customer "a" with the alias "x".
    fn verdict(items: &[Value]) -> Verdict {
        CUSTOMER.judge(&json!({ "name": "a", "ingest_aliases": ["x"] }), items)
    }

    fn item(name: &str, aliases: Value) -> Value {
        json!({ "name": name, "ingest_aliases": aliases, "id": "1" })
    }

    #[test]
    fn item_without_the_field_leaves_doubt() {
        let (other, same) = (item("b", json!([])), item("a", json!(["x"])));
        assert!(matches!(verdict(&[other.clone(), same]), Verdict::Applied(Some(_))));
        assert!(matches!(verdict(std::slice::from_ref(&other)), Verdict::NotApplied));
        for unclear in [json!({ "title": "c" }), json!({ "name": null }), json!({ "name": 1 }), json!("c")] {
            assert!(matches!(verdict(&[other.clone(), unclear.clone()]), Verdict::Unknown), "{unclear}");
        }
        assert!(matches!(CUSTOMER.judge(&json!({}), &[json!({})]), Verdict::Unknown), "a write without a name");
    }

    #[test]
    fn item_with_another_content_leaves_doubt() {
        for aliases in [json!([]), json!(["y"]), json!(["x", "y"]), json!(null)] {
            assert!(matches!(verdict(&[item("a", aliases.clone())]), Verdict::Unknown), "{aliases}");
        }
        let write = json!({ "updates": [{ "delta": 5, "at": "t" }] });
        let shown = |updates: Value| shows(&write, &json!({ "changes": updates }), ["/updates", "/changes"]);
        assert!(shown(json!([{ "delta": 5.0, "at": "t", "id": "1" }])), "another notation, and a field more");
        assert!(!shown(json!([{ "delta": 5.0 }])) && !shown(json!([{ "delta": 6, "at": "t" }])) && !shown(json!([])));
    }

    #[test]
    fn only_manual_entries_need_a_reason() {
        let of = |entry: Value| ENTRY.likeness(&json!({ "reason": "a", "amount": 5 }), &entry);
        assert_eq!(of(json!({ "type": "CREDIT_MANUAL", "reason": "a", "amount": 5.0 })), Likeness::Same);
        assert_eq!(of(json!({ "type": "CREDIT_MANUAL", "reason": "a", "amount": 6 })), Likeness::Perhaps);
        assert_eq!(of(json!({ "type": "CREDIT_SEGMENT_START" })), Likeness::Different);
        assert_eq!(of(json!({ "type": "CREDIT_MANUAL" })), Likeness::Perhaps);
        assert_eq!(of(json!({})), Likeness::Perhaps);
    }

    #[test]
    fn list_that_may_be_behind_proves_nothing_missing() {
        let some = Some(Duration::from_secs(5));
        assert!(matches!(believed(Verdict::NotApplied, None), Verdict::Unknown));
        assert!(matches!(believed(Verdict::NotApplied, some), Verdict::NotApplied));
        assert!(matches!(believed(Verdict::Applied(None), None), Verdict::Applied(None)));
    }

    #[test]
    fn missing_balance_is_an_error() {
        let balances = [json!({ "id": "a", "ledger": [1] }), json!({ "id": "b" })];
        assert_eq!(ledger(&balances, &json!("a")).unwrap(), [1]);
        for id in ["b", "c"] {
            assert!(ledger(&balances, &json!(id)).is_err(), "{id}");
        }
    }
}
