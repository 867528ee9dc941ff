//! Lists that are read page by page.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{CUSTOMERS, Setup, message};

const BALANCES: &str = "/v1/contracts/customerBalances/list";
const LIST_CONTRACTS: &str = "/v2/contracts/list";

async fn customers(setup: &Setup, query: &str) -> Value {
    let response = setup.request(Method::GET, &format!("{CUSTOMERS}{query}")).send().await.unwrap();
    assert_eq!(response.status(), 200, "{query}");
    response.json().await.unwrap()
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn customers_are_listed_in_pages() {
    let setup = Setup::new().await;
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(setup.customer().await);
    }
    let first = customers(&setup, "?limit=2").await;
    let cursor = first["next_page"].as_str().unwrap();
    created.push(setup.customer().await);
    let second = customers(&setup, &format!("?limit=2&next_page={cursor}")).await;
    let cursor = second["next_page"].as_str().unwrap();
    let third = customers(&setup, &format!("?limit=2&next_page={cursor}")).await;
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), created, "also what was created meanwhile");
    assert_eq!(third.get("next_page"), Some(&Value::Null), "a full page can be the last");
    for _ in 0..20 {
        setup.customer().await;
    }
    let page = customers(&setup, "").await;
    assert_eq!((ids(&page).len(), page["next_page"].is_string()), (25, true), "26 customers, 25 a page by default");
}

#[tokio::test]
async fn filtered_list_is_read_to_its_end() {
    let setup = Setup::new().await;
    for alias in ["a", "b"] {
        setup.ok(CUSTOMERS, json!({ "name": "Acme", "ingest_aliases": [alias] })).await;
    }
    let page = customers(&setup, "?ingest_alias=a&limit=1").await;
    assert_eq!((ids(&page).len(), &page["next_page"]), (1, &Value::Null));
}

#[tokio::test]
async fn balances_are_listed_in_pages() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let mut credits = Vec::new();
    for _ in 0..3 {
        credits.push(setup.credit(&customer).await["id"].as_str().unwrap().to_owned());
    }
    let first = setup.ok(BALANCES, json!({ "customer_id": customer, "limit": 2 })).await;
    let next = json!({ "customer_id": customer, "limit": 2, "next_page": first["next_page"] });
    let second = setup.ok(BALANCES, next).await;
    assert_eq!([ids(&first), ids(&second)].concat(), credits, "oldest first");
    assert_eq!(second.get("next_page"), Some(&Value::Null));
}

#[tokio::test]
async fn contracts_are_listed_by_cursor() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    let (first, second) = (setup.contract(&customer).await, setup.contract(&customer).await);
    let page = setup.ok(LIST_CONTRACTS, json!({ "customer_id": customer, "limit": 1 })).await;
    assert_eq!(ids(&page), [first]);
    let next = json!({ "customer_id": customer, "limit": 1, "cursor": page["cursor"] });
    let page = setup.ok(LIST_CONTRACTS, next).await;
    assert_eq!((ids(&page), page.get("cursor")), (vec![second], Some(&Value::Null)));
}

/// Requests to each list with these parameters, in the query or in the body.
fn lists(setup: &Setup, customer: &str, limit: Value, cursor: &str) -> [(reqwest::RequestBuilder, &'static str); 3] {
    let query = format!("{CUSTOMERS}?limit={limit}&next_page={cursor}");
    let balances = json!({ "customer_id": customer, "limit": limit, "next_page": cursor });
    let contracts = json!({ "customer_id": customer, "limit": limit, "cursor": cursor });
    [
        (setup.request(Method::GET, &query), "100"),
        (setup.post(BALANCES, balances), "100"),
        (setup.post(LIST_CONTRACTS, contracts), "20"),
    ]
}

#[tokio::test]
async fn unknown_cursor_and_wrong_limit_are_rejected() {
    let setup = Setup::new().await;
    let customer = setup.customer().await;
    for (request, _) in lists(&setup, &customer, json!(1), "unknown") {
        let refused = message(request.send().await.unwrap()).await;
        assert_eq!(refused, (StatusCode::BAD_REQUEST, "Unknown cursor".into()));
    }
    for limit in [json!(0), json!(101), json!(-1), json!("many")] {
        for (request, most) in lists(&setup, &customer, limit.clone(), "") {
            let refused = message(request.send().await.unwrap()).await;
            let text = format!("limit must be an integer from 1 to {most}");
            assert_eq!(refused, (StatusCode::BAD_REQUEST, text), "{limit}");
        }
    }
}
