//! Services that document their key on a list of endpoints: each of them has it, and no other one.

use std::collections::BTreeMap;

use http::Method;
use reqwest_middleware::RequestBuilder;
use reqwest_safe_retry::{
    Applied, Effect, ErrorKind, Idempotency, IdempotencyKey, KeyKind, Route, Service, StopReason, services,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{facts, failure};
use crate::support::transport::{Transport, status};

/// What the vendors publish.
#[derive(Deserialize)]
struct Published {
    #[serde(rename = "note")]
    _note: String,
    #[serde(flatten)]
    lists: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct Keyed {
    method: String,
    path: String,
    max_length: Option<usize>,
}

impl Published {
    fn read() -> Self {
        serde_json::from_str(include_str!("../tables/keyed_endpoints.json")).unwrap()
    }

    fn keyed(&self, list: &str) -> Vec<Keyed> {
        self.lists[list].iter().map(|endpoint| Keyed::deserialize(endpoint).unwrap()).collect()
    }

    fn posts(&self, list: &str) -> Vec<String> {
        let path = |endpoint: &Value| endpoint.as_str().unwrap().strip_prefix("POST ").unwrap().to_owned();
        self.lists[list].iter().map(path).collect()
    }
}

/// A request for an endpoint with a key of this length, in the place where the service takes it.
fn request(service: &Service, transport: &Transport, endpoint: &Keyed, length: usize) -> RequestBuilder {
    let path = endpoint.path.replace(['{', '}'], "");
    let url = format!("{}{path}", service.base_url().trim_end_matches('/'));
    let method: Method = endpoint.method.parse().unwrap();
    let key = "k".repeat(length);
    let request = transport.client(service.clone()).request(method, url);
    if service.idempotency().header.is_some() {
        return request.with_extension(IdempotencyKey::new(key));
    }
    let member = if endpoint.path == "/transfer/create" { "authorization_id" } else { "idempotency_key" };
    request.json(&json!({ member: key }))
}

/// A request for an endpoint, with a key in the body that nothing looks at.
fn without_key(service: &Service, transport: &Transport, endpoint: &Keyed) -> RequestBuilder {
    let url = format!("{}{}", service.base_url().trim_end_matches('/'), endpoint.path.replace(['{', '}'], ""));
    transport.client(service.clone()).post(url).json(&json!({ "idempotency_key": "k" }))
}

async fn keyed_endpoints_repeat(service: Service, list: &str, unstated: usize) {
    let endpoints = Published::read().keyed(list);
    let of_routes = service.routes().iter().filter(|route| is_keyed(route)).count();
    assert_eq!(of_routes, endpoints.len(), "{list}");
    for endpoint in endpoints {
        let longest = endpoint.max_length.unwrap_or(unstated);
        let transport = Transport::new([status(504), status(200)]);
        request(&service, &transport, &endpoint, longest).send().await.expect(&endpoint.path);
        assert_eq!(transport.sent().len(), 2, "{}", endpoint.path);
        let transport = Transport::new([]);
        failure!(request(&service, &transport, &endpoint, longest + 1), |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::Permanent, Applied::No), "{}", endpoint.path);
        });
    }
}

fn is_keyed(route: &Route) -> bool {
    route.keyed.unwrap_or(route.idempotency.is_some())
}

/// A write that is not on the list is not repeated, and has no key on the wire.
async fn other_operations_have_no_key(service: Service, paths: &[String]) {
    for path in paths {
        let endpoint = Keyed { method: "POST".into(), path: path.clone(), max_length: None };
        let transport = Transport::new([status(504)]);
        failure!(without_key(&service, &transport, &endpoint), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown), "{path}");
            assert_eq!(error.key(), None, "{path}");
        });
        let header = service.idempotency().header.as_ref().map_or("idempotency-key", |header| header.as_str());
        assert_eq!(transport.header(header), [None], "{path}");
        // It would protect nothing.
        let transport = Transport::new([]);
        let given = without_key(&service, &transport, &endpoint).with_extension(IdempotencyKey::new("mine"));
        failure!(given, |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::Permanent, Applied::No), "{path}");
        });
    }
}

async fn reads_repeat(service: Service, paths: &[&str]) {
    for path in paths {
        let transport = Transport::new([status(503), status(200)]);
        let url = format!("{}{path}", service.base_url().trim_end_matches('/'));
        transport.client(service.clone()).post(url).send().await.expect(path);
    }
}

#[tokio::test(start_paused = true)]
async fn paypal_keys_twenty_operations() {
    keyed_endpoints_repeat(services::paypal(), "paypal", 255).await;
    let mut others = Published::read().posts("paypal_unkeyed");
    others.retain(|path| !path.contains("search"));
    assert_eq!(others.len(), 57);
    other_operations_have_no_key(services::paypal(), &others).await;
    reads_repeat(services::paypal(), &["/v1/invoicing/search", "/v2/invoicing/search-invoices"]).await;
}

#[tokio::test(start_paused = true)]
async fn checkout_com_keys_eight_operations() {
    keyed_endpoints_repeat(services::checkout_com(), "checkout_com", 255).await;
    let others = ["/tokens", "/customers", "/instruments", "/disputes/d/evidence", "/workflows"].map(str::to_owned);
    other_operations_have_no_key(services::checkout_com(), &others).await;
}

#[tokio::test(start_paused = true)]
async fn square_keys_its_listed_operations() {
    keyed_endpoints_repeat(services::square(), "square", 255).await;
    other_operations_have_no_key(services::square(), &Published::read().posts("square_unkeyed")).await;
    let reads = Published::read().posts("square_reads");
    reads_repeat(services::square(), &reads.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Its key names the payment that it cancels.
    reads_repeat(services::square(), &["/v2/payments/cancel"]).await;
}

#[tokio::test(start_paused = true)]
async fn plaid_keys_its_listed_operations() {
    keyed_endpoints_repeat(services::plaid(), "plaid", 255).await;
    let others = ["/item/public_token/exchange", "/transfer/cancel", "/sandbox/item/fire_webhook"].map(str::to_owned);
    other_operations_have_no_key(services::plaid(), &others).await;
    let reads = [
        "/transfer/get",
        "/transactions/sync",
        "/institutions/search",
        "/credit/bank_income/pdf/get",
        "/beta/transactions/rules/v1/list",
    ];
    reads_repeat(services::plaid(), &reads).await;
    // A transfer is created once for an authorization: a key beside it changes nothing.
    let transport = Transport::new([status(500)]);
    let client = transport.client(services::plaid());
    let transfer = client.post("https://production.plaid.com/transfer/create");
    failure!(transfer.json(&json!({"idempotency_key": "k"})), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown));
    });
}

#[tokio::test(start_paused = true)]
async fn route_rules_replace_those_of_the_service() {
    let keys = Idempotency::header("Request-Id", KeyKind::ReplaySuccess);
    let own = Idempotency::header("Refund-Id", KeyKind::ReplayAll).max_length(40);
    let service = Service::builder("payments", "https://payments.example.com")
        .idempotency(keys)
        .routes([
            Route::new(Method::POST, "/refunds", Effect::Write).idempotency(own),
            Route::new(Method::PUT, "/limits", Effect::Write).keyed(),
            Route::new(Method::POST, "/webhooks", Effect::Write).unkeyed(),
        ])
        .build()
        .unwrap();
    let headers = |transport: &Transport| [transport.header("request-id"), transport.header("refund-id")];
    for (method, path, expected) in [
        (Method::POST, "/payments", [true, false]),
        (Method::POST, "/refunds", [false, true]),
        (Method::PUT, "/limits", [true, false]),
        (Method::PUT, "/others", [false, false]),
        (Method::POST, "/webhooks", [false, false]),
    ] {
        let transport = Transport::new([status(200)]);
        let url = format!("https://payments.example.com{path}");
        transport.client(service.clone()).request(method, url).send().await.unwrap();
        assert_eq!(headers(&transport).map(|sent| sent[0].is_some()), expected, "{path}");
    }
    // By its own kind: the 500 is probed once and never repeated with a new key.
    let transport = Transport::new([status(500), status(500)]);
    failure!(transport.client(service).post("https://payments.example.com/refunds"), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Unverified, Applied::Unknown));
    });
}
