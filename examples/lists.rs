//! What a verifier needs to look a write up in a list: all pages of the list, and a verdict that is safe.

use std::future::Future;

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
            let page = ask(self.request(endpoint, next)?).await?;
            items.extend(page["data"].as_array().ok_or("a page without items")?.iter().cloned());
            next = self.next(&page)?;
            if next.is_none() {
                return Ok(items);
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    Same,
    /// It may be the write; also if it lacks the field that would tell.
    Perhaps,
    Different,
}

/// Applied if an item is the write. Not applied only if the list is complete and no item could be the write.
pub(crate) fn judge(all: &[Value], likeness: impl Fn(&Value) -> Likeness) -> Verdict {
    if let Some(found) = all.iter().find(|item| likeness(item) == Likeness::Same) {
        // In the form of the write's own response, so that the caller finds the id in its place.
        return Verdict::Applied(Some(http::Response::new(json!({ "data": found }).to_string()).into()));
    }
    if all.iter().all(|item| likeness(item) == Likeness::Different) { Verdict::NotApplied } else { Verdict::Unknown }
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

/// Every entry of this program has a reason of its own. The service's own entries have none.
pub(crate) fn same_reason(entry: &Value, write: &Value) -> Likeness {
    match entry["type"].as_str() {
        Some(kind) if !kind.ends_with("_MANUAL") => Likeness::Different,
        _ => same_text(write.get("reason"), entry.get("reason")),
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

    fn verdict(items: &[Value]) -> Verdict {
        judge(items, |item| same_text(Some(&json!("a")), item.get("name")))
    }

    #[test]
    fn item_without_the_field_leaves_doubt() {
        assert!(matches!(verdict(&[json!({ "name": "b" }), json!({ "name": "a" })]), Verdict::Applied(Some(_))));
        assert!(matches!(verdict(&[json!({ "name": "b" }), json!({ "name": "c" })]), Verdict::NotApplied));
        for other in [json!({ "title": "c" }), json!({ "name": null }), json!({ "name": 1 }), json!("c")] {
            assert!(matches!(verdict(&[json!({ "name": "b" }), other.clone()]), Verdict::Unknown), "{other}");
        }
        assert!(matches!(judge(&[json!({})], |item| same_text(None, item.get("name"))), Verdict::Unknown));
    }

    #[test]
    fn only_manual_entries_need_a_reason() {
        let of = |entry: Value| same_reason(&entry, &json!({ "reason": "a" }));
        assert!(of(json!({ "type": "CREDIT_MANUAL", "reason": "a" })) == Likeness::Same);
        assert!(of(json!({ "type": "CREDIT_SEGMENT_START" })) == Likeness::Different);
        assert!(of(json!({ "type": "CREDIT_MANUAL" })) == Likeness::Perhaps);
        assert!(of(json!({})) == Likeness::Perhaps);
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
