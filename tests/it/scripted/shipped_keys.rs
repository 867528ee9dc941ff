//! Shipped descriptions: which key goes where, and what errors and conflicts lead to.

use http::Method;
use reqwest_middleware::RequestBuilder;
use reqwest_safe_retry::{
    Applied, Effect, ErrorKind, KeyCharacters, KeyKind, RequestBuilderExt, RetryPolicy, Service, StopReason, Verdict,
    services,
};
use serde_json::{Value, json};

use super::{failure, owned_failure};
use crate::support::transport::{Sent, Transport, reply, status};

type Shipped = fn() -> Service;

/// What is documented of a service.
struct Row {
    service: Shipped,
    /// How many endpoints have a key, if they are listed.
    listed: usize,
    /// An endpoint that has one.
    keyed: (Method, &'static str),
    /// The header, or the member of the body after a slash.
    place: &'static str,
    /// The version of the UUIDs that are made.
    version: usize,
    /// The path of a POST that has none.
    unkeyed: Option<&'static str>,
    /// Bodies of a 409, and what they mean.
    conflicts: &'static [(&'static str, ErrorKind)],
}

const ANY: &str = "{}";

const ROWS: &[Row] = &[
    row(services::dwolla, 0, (Method::POST, "/transfers"), "idempotency-key")
        .conflicts(&[(ANY, ErrorKind::KeyInProgress)]),
    row(services::column, 19, (Method::POST, "/transfers/ach/a/reverse"), "idempotency-key")
        .unkeyed("/transfers/ach/a/cancel"),
    row(services::moov, 3, (Method::POST, "/accounts/a/transfers"), "x-idempotency-key")
        .unkeyed("/accounts")
        .conflicts(&[(ANY, ErrorKind::AlreadyExists)]),
    row(services::klarna, 0, (Method::PATCH, "/ordermanagement/v1/orders/o"), "klarna-idempotency-key").version(5),
    row(services::coinbase_cdp, 58, (Method::POST, "/v2/evm/accounts/0x1/sign"), "x-idempotency-key")
        .unkeyed("/v2/x402/settle"),
    row(services::resend, 2, (Method::POST, "/emails/batch"), "idempotency-key").unkeyed("/domains").conflicts(&[
        (r#"{"name":"concurrent_idempotent_requests","message":"m"}"#, ErrorKind::KeyInProgress),
        (r#"{"name":"invalid_idempotent_request","message":"m"}"#, ErrorKind::PayloadMismatch),
        (r#"{"name":"another","message":"m"}"#, ErrorKind::Conflict),
    ]),
    row(services::circle, 18, (Method::POST, "/v1/payments/p/refund"), "/idempotencyKey")
        .unkeyed("/v1/checkoutSessions"),
    row(services::mollie, 36, (Method::PATCH, "/v2/payments/p"), "idempotency-key").unkeyed("/v2/orders"),
    row(services::truelayer, 10, (Method::POST, "/v3/payments/p/refunds"), "idempotency-key")
        .unkeyed("/v3/payments-providers/search")
        .conflicts(&[
            (r#"{"title":"Idempotency-Key Concurrency Conflict","detail":"d"}"#, ErrorKind::KeyInProgress),
            (r#"{"title":"Concurrency Conflict","detail":"d"}"#, ErrorKind::Conflict),
        ]),
    row(services::bridge, 0, (Method::POST, "/v0/transfers"), "idempotency-key"),
    row(services::worldline, 7, (Method::POST, "/v2/m/payments"), "x-gcs-idempotence-key")
        .unkeyed("/v2/m/hostedcheckouts")
        .conflicts(&[(ANY, ErrorKind::KeyInProgress)]),
];

const fn row(service: Shipped, listed: usize, keyed: (Method, &'static str), place: &'static str) -> Row {
    Row { service, listed, keyed, place, version: 4, unkeyed: None, conflicts: &[(ANY, ErrorKind::Conflict)] }
}

impl Row {
    const fn version(mut self, version: usize) -> Self {
        self.version = version;
        self
    }

    const fn unkeyed(mut self, path: &'static str) -> Self {
        self.unkeyed = Some(path);
        self
    }

    const fn conflicts(mut self, conflicts: &'static [(&'static str, ErrorKind)]) -> Self {
        self.conflicts = conflicts;
        self
    }

    fn once(&self) -> Service {
        (self.service)().into_builder().retry_policy(RetryPolicy::never()).build().unwrap()
    }

    fn request(transport: &Transport, service: Service, (method, path): &(Method, &str)) -> RequestBuilder {
        let url = format!("{}{path}", service.base_url().trim_end_matches('/'));
        transport.client(service).request(method.clone(), url).json(&json!({"a": 1}))
    }

    fn key(&self, sent: &Sent) -> Option<String> {
        match self.place.strip_prefix('/') {
            Some(member) => {
                let body: Value = serde_json::from_slice(&sent.body).unwrap();
                body[member].as_str().map(str::to_owned)
            }
            None => sent.headers.get(self.place).map(|value| value.to_str().unwrap().to_owned()),
        }
    }

    fn keys(&self, transport: &Transport) -> Vec<Option<String>> {
        transport.sent().iter().map(|sent| self.key(sent)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn keyed_endpoints_repeat_with_the_same_key() {
    for row in ROWS {
        let service = (row.service)();
        let name = service.name().to_owned();
        let listed = service.routes().iter().filter(|route| route.keyed == Some(true)).count();
        assert_eq!(listed, row.listed, "{name}");
        for error in [500, 502] {
            // Also if a verdict would allow a new key.
            let service = (row.service)().verifier_fn(|_| async { Verdict::NotApplied });
            let transport = Transport::new([error, error, 200].map(status));
            Row::request(&transport, service, &row.keyed).send().await.expect(&name);
            let keys = row.keys(&transport);
            let key = keys[0].clone().expect(&name);
            assert_eq!(uuid::Uuid::parse_str(&key).unwrap().get_version_num(), row.version, "{name}");
            assert!(keys.len() == 3 && keys.iter().all(|other| *other == keys[0]), "{name} {error}: {keys:?}");
        }
        // The key of an operation has the form that the service demands.
        let transport = Transport::new([status(200)]);
        Row::request(&transport, (row.service)(), &row.keyed).operation("charge").send().await.expect(&name);
        let demanded = if service.idempotency().characters == KeyCharacters::UuidV4 { 4 } else { 5 };
        let key = uuid::Uuid::parse_str(row.keys(&transport)[0].as_ref().expect(&name)).unwrap();
        assert_eq!(key.get_version_num(), demanded, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_writes_have_no_key() {
    for row in ROWS {
        let Some(unkeyed) = row.unkeyed else { continue };
        let transport = Transport::new([status(502)]);
        let error = owned_failure(Row::request(&transport, (row.service)(), &(Method::POST, unkeyed))).await;
        let (name, ends) = (error.service().to_owned(), (error.stop(), error.applied()));
        assert_eq!(ends, (StopReason::NotIdempotent, Applied::Unknown), "{name}");
        assert_eq!(row.keys(&transport), [None], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_mean_what_is_documented() {
    for row in ROWS {
        for (body, kind) in row.conflicts {
            let transport = Transport::new([reply(409, &[], *body)]);
            let error = owned_failure(Row::request(&transport, row.once(), &row.keyed)).await;
            assert_eq!(error.kind(), *kind, "{} {body}", error.service());
        }
    }
    for (service, path, body) in [
        (services::coinbase_cdp(), "/v2/transfers", r#"{"errorType":"idempotency_error","errorMessage":"m"}"#),
        (services::truelayer(), "/v3/payments", r#"{"title":"Idempotency-Key Reuse"}"#),
    ] {
        let transport = Transport::new([reply(422, &[], body)]);
        let error = owned_failure(Row::request(&transport, service, &(Method::POST, path))).await;
        assert_eq!(error.kind(), ErrorKind::PayloadMismatch, "{}", error.service());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_another_form_are_refused() {
    let v4 = "3e3f8b4e-5a5c-4d0f-9f64-3b6d9b2a8c11";
    let v5 = "3e3f8b4e-5a5c-5d0f-9f64-3b6d9b2a8c11";
    for (service, method, path, good, bad) in [
        (services::klarna(), Method::POST, "/payments/v1/sessions", v5, v4),
        (services::coinbase_cdp(), Method::POST, "/v2/transfers", v4, v5),
        (services::circle(), Method::POST, "/v1/payouts", v4, v5),
    ] {
        let transport = Transport::new([status(200)]);
        let request = || Row::request(&transport, service.clone(), &(method.clone(), path));
        request().idempotency_key(good).send().await.unwrap();
        failure!(request().idempotency_key(bad), |error| {
            assert_eq!((error.kind(), error.applied()), (ErrorKind::InvalidKey, Applied::No), "{path}");
        });
    }
}

/// Its mark is on every answer to a repeat, the one that says "in progress" too: that answer settles nothing.
#[tokio::test(start_paused = true)]
async fn worldlines_mark_beside_a_conflict_does_not_settle_the_key() {
    let mark = &[("x-gcs-idempotence-request-timestamp", "1700000000000")];
    let running = || reply(409, mark, "");
    let service = services::worldline().verifier_fn(|_| async { Verdict::NotApplied });
    let transport = Transport::new([status(504), running(), running()]);
    let error = owned_failure(Row::request(&transport, service, &(Method::POST, "/v2/m/payments"))).await;
    assert_eq!((error.kind(), error.applied()), (ErrorKind::KeyInProgress, Applied::Unknown));
    let keys = transport.header("x-gcs-idempotence-key");
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");

    let transport = Transport::new([status(504), reply(201, mark, "{}")]);
    let request = Row::request(&transport, services::worldline(), &(Method::POST, "/v2/m/payments"));
    let response = request.send().await.unwrap();
    let attempts = response.extensions().get::<reqwest_safe_retry::Attempts>().unwrap();
    assert!(attempts.iter().last().unwrap().is_replayed());
}

#[tokio::test(start_paused = true)]
async fn anthropic_has_no_keys() {
    assert_eq!(services::anthropic().idempotency().kind, KeyKind::Unsupported);
    let asked = |code| {
        let headers = [("x-should-retry", "true"), ("retry-after-ms", "1500")];
        reply(code, &headers, r#"{"error":{"type":"overloaded_error"}}"#)
    };
    let post =
        |transport: &Transport| transport.client(services::anthropic()).post("https://api.anthropic.com/v1/messages");
    for code in [500, 503, 529] {
        let error = owned_failure(post(&Transport::new([asked(code)]))).await;
        assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown), "{code}");
        assert_eq!((error.error_type(), error.retry_after().unwrap().as_millis()), (Some("overloaded_error"), 1500));
    }
    // Where a second answer is as good as the first one.
    for first in [asked(529), status(529)] {
        let transport = Transport::new([first, status(200)]);
        post(&transport).effect(Effect::Idempotent).send().await.unwrap();
    }
}
