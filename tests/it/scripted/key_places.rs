//! Keys in the URL's query, and keys that the layer writes into a JSON body.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{Extensions, Method, StatusCode};
use reqwest::Request;
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Attempts, Error, ErrorKind, Idempotency, IdempotencyKey, KeyCharacters, KeyKind, Operation,
    RequestBuilderExt, RetryPolicy, SafeRetry, Service, ServiceBuilder, StopReason, Verdict, durable::InMemoryJournal,
};

use super::{facts, failure, owned_failure};
use crate::support::transport::{Reply, Transport, reply, status, unused};

const DAY: Duration = Duration::from_secs(24 * 3600);
const PAYMENTS: &str = "https://api.example.com/v3/payments";
const QUERY: &str = "https://api.example.com/v3/payments?minor=%41+b";

fn at(keys: Idempotency) -> ServiceBuilder {
    Service::builder("example", "https://api.example.com/v3").idempotency(keys)
}

fn in_query() -> Service {
    at(Idempotency::query("requestid", KeyKind::ReplayAll).max_length(50)).build().unwrap()
}

/// The parameter in each request that was sent.
fn queries(transport: &Transport) -> Vec<String> {
    transport.sent().iter().map(|sent| sent.url.query().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn query_key_is_the_same_in_each_attempt_of_a_call() {
    let transport = Transport::new([503, 200, 200].map(status));
    let client = transport.client(in_query());
    let response = client.post(QUERY).send().await.unwrap();
    let key = response.url().query().unwrap().strip_prefix("minor=%41+b&requestid=").unwrap().to_owned();
    assert_eq!(uuid::Uuid::parse_str(&key).unwrap().get_version_num(), 4);
    client.post(PAYMENTS).send().await.unwrap();
    let queries = queries(&transport);
    assert_eq!(queries[0], format!("minor=%41+b&requestid={key}"));
    assert_eq!(queries[0], queries[1]);
    assert!(queries[2].starts_with("requestid=") && !queries[2].contains(&key), "another call, another key");
    assert_eq!(transport.keys(), [None, None, None], "in one place only");
    // A read has none.
    let transport = Transport::new([status(200)]);
    transport.client(in_query()).get(QUERY).send().await.unwrap();
    assert_eq!(self::queries(&transport), ["minor=%41+b"]);
}

#[tokio::test(start_paused = true)]
async fn query_key_of_the_caller_is_sent_as_it_is() {
    for (url, given, sent) in [
        ("?requestid=mine%2F7&a=1", None, "requestid=mine%2F7&a=1"),
        ("?a=1", Some("mine/7&b"), "a=1&requestid=mine%2F7%26b"),
        ("?requestid=mine%2F7", Some("mine/7"), "requestid=mine%2F7"),
    ] {
        let transport = Transport::new([504, 200].map(status));
        let request = transport.client(in_query()).post(format!("{PAYMENTS}{url}"));
        let request = if let Some(key) = given { request.idempotency_key(key) } else { request };
        let response = request.send().await.unwrap();
        assert_eq!(queries(&transport), [sent, sent]);
        let keys = response.extensions().get::<Attempts>().unwrap().keys().to_owned();
        assert_eq!(keys, [IdempotencyKey::new(given.unwrap_or("mine/7"))]);
    }
}

#[tokio::test(start_paused = true)]
async fn query_key_that_cannot_be_sent_is_refused() {
    let long = "k".repeat(51);
    for (url, given, message) in [
        ("?requestid=a&requestid=a".to_owned(), None, "more than once"),
        ("?requestid=".to_owned(), None, "empty"),
        ("?requestid".to_owned(), None, "empty"),
        ("?requestid=two+words".to_owned(), None, "visible ASCII"),
        ("?requestid=caf%C3%A9".to_owned(), None, "visible ASCII"),
        (format!("?requestid={long}"), None, "51 characters"),
        ("?requestid=a".to_owned(), Some("b"), "differ"),
    ] {
        let transport = Transport::new([]);
        let request = transport.client(in_query()).post(format!("{PAYMENTS}{url}"));
        let request = if let Some(key) = given { request.idempotency_key(key) } else { request };
        failure!(request, |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::Permanent, Applied::No), "{url}");
            assert!(error.to_string().contains(message), "{error} should say {message}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn query_key_is_replaced_after_a_verdict() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_by_verifier = seen.clone();
    let service = in_query().verifier_fn(move |write| {
        seen_by_verifier.lock().unwrap().push((write.key().cloned().unwrap(), write.url().as_str().to_owned()));
        async { Verdict::NotApplied }
    });
    let transport = Transport::new([500, 500, 200].map(status));
    let url = format!("{PAYMENTS}?requestid=mine&a=1");
    let response = transport.client(service).post(&url).send().await.unwrap();
    assert_eq!(queries(&transport)[..2], ["requestid=mine&a=1"; 2]);
    let next = response.extensions().get::<Attempts>().unwrap().keys()[1].clone();
    assert_eq!(queries(&transport)[2], format!("a=1&requestid={}", next.as_str()));
    assert_eq!(*seen.lock().unwrap(), [(IdempotencyKey::new("mine"), url)]);
}

/// The URL that was sent is that of the response: an added key is not a redirect.
#[tokio::test(start_paused = true)]
async fn query_key_does_not_look_like_a_redirect() {
    // An error after a followed redirect would end a write at once.
    let transport = Transport::new([500, 200].map(status));
    transport.client(in_query()).post(PAYMENTS).send().await.unwrap();
    assert_eq!(transport.sent().len(), 2);
    // A connection that is refused proves that nothing was sent, if the error is that of the request.
    let refused = reqwest::Client::builder().no_proxy().build().unwrap().post("http://127.0.0.1:1/").send().await;
    let transport = Transport::new([Reply::error(refused.unwrap_err())]);
    let never = in_query().into_builder().retry_policy(RetryPolicy::never()).build().unwrap();
    failure!(transport.client(never).post(PAYMENTS), |error| assert_eq!(error.applied(), Applied::No));
}

#[tokio::test(start_paused = true)]
async fn query_key_is_not_shown() {
    let echo = || {
        let sent = "POST /v3/payments?requestid=s3cret%2Fk3y, s3cret/k3y";
        reply(400, &[], format!(r#"{{"message":"{sent}"}}"#))
    };
    for (url, given) in [(format!("{PAYMENTS}?requestid=s3cret%2Fk3y"), None), (PAYMENTS.into(), Some("s3cret/k3y"))] {
        let transport = Transport::new([echo()]);
        let request = transport.client(in_query()).post(url);
        let request = if let Some(key) = given { request.idempotency_key(key) } else { request };
        failure!(request, |error| {
            let shown = format!("{error} {error:?} {:?}", error.attempts());
            assert!(!shown.contains("s3cret"), "{shown}");
            assert_eq!(error.path(), "/v3/payments");
            assert_eq!(error.key().unwrap().as_str(), "s3cret/k3y");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn query_key_is_left_out_of_what_tells_requests_apart() {
    let service = || {
        let keys = Idempotency::query("requestid", KeyKind::ReplayAll).retention(DAY);
        at(keys).journal(InMemoryJournal::default()).build().unwrap()
    };
    let key = Operation::new("charge").key("example");
    let transport = Transport::new([404, 404].map(status));
    let client = transport.client(service());
    let with_key = format!("{PAYMENTS}?requestid={}&a=1", key.as_str());
    for url in [format!("{PAYMENTS}?a=1"), with_key] {
        let error = owned_failure(client.post(url).operation("charge")).await;
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert!(queries(&transport).iter().all(|query| query.contains(&format!("requestid={}", key.as_str()))));
    let other = owned_failure(client.post(format!("{PAYMENTS}?a=2")).operation("charge")).await;
    assert_eq!(other.kind(), ErrorKind::PayloadMismatch);
}

/// Another layer outside that sends a failed request again.
struct SendsAgain;

#[async_trait]
impl Middleware for SendsAgain {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let again = request.try_clone().unwrap();
        match next.clone().run(request, extensions).await {
            Ok(response) => Ok(response),
            Err(_) => next.run(again, extensions).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn later_pass_has_the_same_key_in_every_place() {
    for keys in [Idempotency::query("requestid", KeyKind::ReplayAll), circle_keys()] {
        let transport = Transport::new([504, 504, 504, 504].map(status));
        let service = at(keys).retry_policy(RetryPolicy::new().max_attempts(2)).build().unwrap();
        let layer = SafeRetry::new([service]);
        let client = ClientBuilder::new(unused()).with(SendsAgain).with(layer).with(transport.clone()).build();
        failure!(client.post(PAYMENTS).body("{\"a\":1}"), |error| assert_eq!(error.applied(), Applied::Unknown));
        let sent: Vec<_> = transport.sent().into_iter().map(|sent| (sent.url, sent.body)).collect();
        assert_eq!(sent.len(), 4);
        assert!(sent.iter().all(|attempt| *attempt == sent[0]), "{sent:?}");
    }
}

fn circle_keys() -> Idempotency {
    Idempotency::body_member("/idempotencyKey", KeyKind::ReplaySuccess)
        .characters(KeyCharacters::UuidV4)
        .write_into_body()
}

fn in_body() -> Service {
    at(circle_keys()).build().unwrap()
}

fn bodies(transport: &Transport) -> Vec<String> {
    transport.sent().into_iter().map(|sent| String::from_utf8(sent.body).unwrap()).collect()
}

fn key_in(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body).unwrap()["idempotencyKey"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn fresh_key_is_written_into_the_body() {
    let transport = Transport::new([503, 200, 200].map(status));
    let client = transport.client(in_body());
    for _ in 0..2 {
        client.post(PAYMENTS).header("content-length", "16").body("{ \"amount\":1.00}").send().await.unwrap();
    }
    let bodies = bodies(&transport);
    let key = key_in(&bodies[0]);
    assert_eq!(bodies[0], format!("{{\"idempotencyKey\":\"{key}\", \"amount\":1.00}}"));
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(key, key_in(&bodies[2]), "another call, another key");
    assert_eq!(uuid::Uuid::parse_str(&key).unwrap().get_version_num(), 4);
    assert!(transport.sent().iter().all(|sent| !sent.headers.contains_key("content-length")), "that of another body");
}

/// A request that has a place for its key, or no JSON object, is not changed.
#[tokio::test(start_paused = true)]
async fn other_bodies_are_sent_as_they_are_without_a_key() {
    for body in ["", "[]", "a=1", "{\"a\":1", "{\"idempotencyKey\":null}", "{\"idempotencyKey\":\"\"}"] {
        let transport = Transport::new([status(504)]);
        failure!(transport.client(in_body()).post(PAYMENTS).body(body), |error| {
            assert_eq!(facts(error), (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown), "{body}");
            assert_eq!(error.key(), None, "{body}");
        });
        assert_eq!(bodies(&transport), [body]);
    }
    let transport = Transport::new([status(504)]);
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("{}")]));
    failure!(transport.client(in_body()).post(PAYMENTS).body(stream), |error| assert_eq!(error.key(), None));
    // Where the layer makes no keys a body is not changed either.
    let transport = Transport::new([status(504)]);
    let service = at(Idempotency::body_member("/idempotencyKey", KeyKind::ReplaySuccess)).build().unwrap();
    failure!(transport.client(service).post(PAYMENTS).body("{}"), |error| assert_eq!(error.key(), None));
    assert_eq!(bodies(&transport), ["{}"]);
}

#[tokio::test(start_paused = true)]
async fn callers_key_is_written_into_the_body() {
    const KEY: &str = "3e3f8b4e-5a5c-4d0f-9f64-3b6d9b2a8c11";
    for keys in [circle_keys(), circle_keys().callers_keys_only()] {
        let transport = Transport::new([503, 200].map(status));
        let client = transport.client(at(keys).build().unwrap());
        let response = client.post(PAYMENTS).idempotency_key(KEY).body("{}").send().await.unwrap();
        let written = format!("{{\"idempotencyKey\":\"{KEY}\"}}");
        assert_eq!(bodies(&transport), [&*written, &*written]);
        assert_eq!(response.extensions().get::<Attempts>().unwrap().keys(), [IdempotencyKey::new(KEY)]);
    }
    let with_member = |key| format!("{{\"idempotencyKey\":\"{key}\"}}");
    for (given, body, message) in [
        (KEY, String::new(), "no JSON object in memory"),
        (KEY, "[]".into(), "no JSON object in memory"),
        (KEY, with_member("other"), "another key or none"),
        (KEY, "{\"idempotencyKey\":null}".into(), "another key or none"),
        ("", "{}".into(), "empty"),
        ("invoice-7", "{}".into(), "not a UUID"),
        // Of version 1.
        ("3e3f8b4e-5a5c-1d0f-9f64-3b6d9b2a8c11", "{}".into(), "of the version"),
        ("invoice-7", with_member("invoice-7"), "not a UUID"),
    ] {
        let transport = Transport::new([]);
        failure!(transport.client(in_body()).post(PAYMENTS).idempotency_key(given).body(body.clone()), |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::Permanent, Applied::No), "{body}");
            assert!(error.to_string().contains(message), "{error} should say {message}");
        });
    }
}

/// It is preserved, and the record of the call goes on with it.
#[tokio::test(start_paused = true)]
async fn fresh_key_in_the_body_is_never_replaced() {
    let service = || {
        let keys = Idempotency::body_member("/idempotencyKey", KeyKind::ReplayAll).write_into_body();
        at(keys).verifier_fn(|_| async { Verdict::NotApplied }).build().unwrap()
    };
    let transport = Transport::new([500, 500, 200].map(status));
    let client = transport.client(service());
    let error: Error = owned_failure(client.post(PAYMENTS).body("{\"a\":1}")).await;
    assert_eq!((error.stop(), error.attempts().count()), (StopReason::Unverified, 2));
    let key = error.key().unwrap().as_str().to_owned();
    let response = client.post(PAYMENTS).body("{\"a\":1}").resume(&error.record()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(bodies(&transport).iter().all(|body| key_in(body) == key), "{:?}", bodies(&transport));
}

/// A key that only this process knows is no operation.
#[tokio::test(start_paused = true)]
async fn fresh_key_in_the_body_is_no_operation() {
    let service = in_body().into_builder().require_operation().build().unwrap();
    let transport = Transport::new([status(200)]);
    let client = transport.client(service);
    failure!(client.post(PAYMENTS).body("{}"), |error| assert_eq!(error.kind(), ErrorKind::OperationRequired));
    client.post(PAYMENTS).body("{}").operation("charge").send().await.unwrap();
    let form = KeyCharacters::UuidV4;
    assert_eq!(uuid::Uuid::parse_str(&key_in(&bodies(&transport)[0])).unwrap().get_version_num(), 4, "{form:?}");
}

#[test]
fn keys_in_other_places_are_explained() {
    for (service, expected) in [
        (in_query(), "a write, sent with a key (replay_all)"),
        (in_body(), "a write, sent with a key (replay_success)"),
        (at(circle_keys().callers_keys_only()).build().unwrap(), "sent with the key that the caller gives"),
    ] {
        let explained = service.explain(&Method::POST, "/payments", StatusCode::BAD_GATEWAY, 1).to_string();
        assert!(explained.contains(expected) && explained.contains("with the same key"), "{explained}");
    }
    let verified = in_query().verifier_fn(|_| async { Verdict::NotApplied });
    let explained = verified.explain(&Method::POST, "/payments", StatusCode::INTERNAL_SERVER_ERROR, 2).to_string();
    assert!(explained.contains("with a new key, once the verifier says"), "{explained}");
}
