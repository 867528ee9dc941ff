//! Keys that a process has used for another request, refused where the service says so.

use std::time::Duration;

use http::Method;
use reqwest::Body;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{
    Advice, Applied, ErrorKind, Idempotency, IdempotencyKey, KeyKind, Operation, RequestBuilderExt, RetryPolicy,
    Service, ServiceBuilder, StopReason, Verdict, durable::InMemoryJournal,
};

use super::{CHARGE, facts, failure, owned_failure};
use crate::support::transport::{Transport, status};

const URL: &str = "https://billing.example/v1/payments?draft=0";
const KEY: &str = "c4n4ry-1";
const HOUR: Duration = Duration::from_secs(3600);

fn keys() -> Idempotency {
    Idempotency::header("Idempotency-Key", KeyKind::ReplayAll).methods([Method::POST, Method::PUT])
}

fn service() -> ServiceBuilder {
    Service::builder("billing", "https://billing.example").idempotency(keys()).refuse_reused_keys()
}

/// So many requests succeed.
fn succeeding(service: ServiceBuilder, requests: usize) -> (Transport, ClientWithMiddleware) {
    let transport = Transport::new((0..requests).map(|_| status(200)));
    let client = transport.client(service.build().unwrap());
    (transport, client)
}

fn keyed(client: &ClientWithMiddleware, url: &str, body: &'static str) -> RequestBuilder {
    client.post(url).idempotency_key(KEY).body(body)
}

async fn refused(request: RequestBuilder) {
    refused_as(request, Applied::No, Advice::Never).await;
}

/// Refused, and still in doubt by what was sent before.
async fn refused_in_doubt(request: RequestBuilder) {
    refused_as(request, Applied::Unknown, Advice::LookFirst).await;
}

async fn refused_as(request: RequestBuilder, applied: Applied, advice: Advice) {
    failure!(request, |error| {
        assert_eq!(facts(error), (ErrorKind::PayloadMismatch, StopReason::Permanent, applied));
        assert_eq!((error.attempts().count(), error.advice()), (0, advice));
        let message = "nothing was sent: this process has used the idempotency key for another request: use a new key";
        assert!(error.to_string().contains(message), "{error}");
        assert!(!format!("{error} {error:?}").contains("c4n4ry"));
    });
}

#[tokio::test(start_paused = true)]
async fn key_of_another_request_is_refused() {
    let (transport, client) = succeeding(service(), 2);
    keyed(&client, URL, "a").send().await.unwrap();
    for request in [
        keyed(&client, URL, "b"),
        keyed(&client, URL, ""),
        keyed(&client, "https://billing.example/v1/payments?draft=1", "a"),
        keyed(&client, "https://billing.example/v1/payments", "a"),
        keyed(&client, "https://billing.example/v1/refunds?draft=0", "a"),
        client.put(URL).idempotency_key(KEY).body("a"),
        client.post(URL).header("idempotency-key", KEY).body("b"),
    ] {
        refused(request).await;
    }
    assert_eq!(transport.left(), 1);
    client.post(URL).idempotency_key("another").body("b").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn same_request_is_always_sent_again() {
    let transport = Transport::new([503, 503, 503, 400, 200, 200].map(status));
    let service = service().build().unwrap();
    let client = transport.client(service.clone());
    for _ in 0..2 {
        keyed(&client, URL, "a").send().await.unwrap_err();
    }
    let clone = transport.client(service.clone());
    let same = "https://BILLING.example.:443/v1/payments?draft=0#top";
    let (one, other) = tokio::join!(keyed(&client, URL, "a").send(), keyed(&clone, same, "a").send());
    assert!(one.is_ok() && other.is_ok());
    refused(keyed(&clone, URL, "b")).await;
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn second_of_two_calls_at_once_is_refused() {
    let late = status(200).after(Duration::from_secs(1));
    let transport = Transport::new([late]);
    let client = transport.client(service().build().unwrap());
    let (first, ()) = tokio::join!(keyed(&client, URL, "a").send(), refused(keyed(&client, URL, "b")));
    first.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_compared_unless_asked_for() {
    let plain = Service::builder("billing", "https://billing.example").idempotency(keys());
    let (transport, client) = succeeding(plain, 2);
    keyed(&client, URL, "a").send().await.unwrap();
    keyed(&client, URL, "b").send().await.unwrap();
    assert_eq!(transport.left(), 0);
    // What is built anew knows nothing of the keys before.
    let first = service().build().unwrap();
    let (second, transport) = (first.clone().into_builder().build().unwrap(), Transport::new([200, 200].map(status)));
    keyed(&transport.client(first), URL, "a").send().await.unwrap();
    keyed(&transport.client(second), URL, "b").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn key_that_an_error_shows_is_known() {
    let transport = Transport::new([503, 200].map(status));
    let client = transport.client(service().retry_policy(RetryPolicy::never()).build().unwrap());
    let key = owned_failure(client.post(URL).body("a")).await.key().cloned().unwrap();
    refused_in_doubt(client.post(URL).idempotency_key(key.clone()).body("b")).await;
    refused(client.post(URL).idempotency_key(key.as_str()).body("b")).await;
    client.post(URL).idempotency_key(key).body("a").send().await.unwrap();
    assert_eq!(transport.left(), 0);
}

/// The new key of a call with a verifier is in the attempts of its response.
#[tokio::test(start_paused = true)]
async fn rotated_key_that_a_response_shows_is_known() {
    let transport = Transport::new([500, 500, 200].map(status));
    let client = transport.client(service().verifier_fn(|_| async { Verdict::NotApplied }).build().unwrap());
    client.post(URL).body("a").send().await.unwrap();
    let keys: Vec<_> = transport.keys().into_iter().flatten().collect();
    assert_ne!(keys[0], keys[2]);
    for key in [&keys[0], &keys[2]] {
        refused(client.post(URL).idempotency_key(IdempotencyKey::new(key.as_str())).body("b")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn key_is_known_for_its_retention() {
    for (idempotency, lasts) in [(keys(), 24 * HOUR), (keys().retention(2 * HOUR), 2 * HOUR)] {
        let (transport, client) = succeeding(service().idempotency(idempotency), 2);
        keyed(&client, URL, "a").send().await.unwrap();
        tokio::time::sleep(lasts - Duration::from_secs(1)).await;
        refused(keyed(&client, URL, "b")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        keyed(&client, URL, "b").send().await.unwrap();
        refused(keyed(&client, URL, "a")).await;
        assert_eq!(transport.left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_is_compared_by_its_place_alone() {
    let (transport, client) = succeeding(service(), 2);
    let stream = |text: &'static str| Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]));
    let streamed = |url: &str, text| client.post(url).idempotency_key(KEY).body(stream(text));
    streamed(URL, "a").send().await.unwrap();
    streamed(URL, "b").send().await.unwrap();
    refused(streamed("https://billing.example/v1/refunds", "a")).await;
    refused(client.put(URL).idempotency_key(KEY).body(stream("a"))).await;
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn key_in_the_body_counts_too() {
    let in_body = service().idempotency(Idempotency::body_member("/key", KeyKind::ReplaySuccess));
    let (transport, client) = succeeding(in_body, 3);
    let send = |body: &'static str| client.post(URL).body(body);
    send(r#"{"key":"c4n4ry-1","sum":1}"#).send().await.unwrap();
    send(r#"{"key":"c4n4ry-1","sum":1}"#).send().await.unwrap();
    refused(send(r#"{"key":"c4n4ry-1","sum":2}"#)).await;
    send(r#"{"key":"c4n4ry-2","sum":2}"#).send().await.unwrap();
    assert_eq!(transport.left(), 0);
}

/// Wherever the caller gives the key that an error has shown: the request is the same without it.
#[tokio::test(start_paused = true)]
async fn key_in_the_query_is_no_part_of_the_request() {
    let in_query = service().idempotency(Idempotency::query("requestid", KeyKind::ReplaySuccess));
    let transport = Transport::new([503, 200, 200].map(status));
    let client = transport.client(in_query.retry_policy(RetryPolicy::never()).build().unwrap());
    let key = owned_failure(client.post(URL).body("a")).await.key().cloned().unwrap();
    let written = format!("{URL}&requestid={}", key.as_str());
    client.post(&written).body("a").send().await.unwrap();
    client.post(URL).idempotency_key(key).body("a").send().await.unwrap();
    refused(client.post(&written).body("b")).await;
    refused(client.post(written.replace("draft=0", "draft=1")).body("a")).await;
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn host_counts_where_there_are_several() {
    let (transport, client) = succeeding(service().base_url("https://*.billing.example"), 1);
    keyed(&client, "https://a.billing.example", "a").send().await.unwrap();
    refused(keyed(&client, "https://b.billing.example", "a")).await;
    assert_eq!(transport.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn operation_is_compared_unless_a_journal_does() {
    let charge = |client: &ClientWithMiddleware, operation: Operation, body: &'static str| {
        client.post(URL).operation(operation).body(body)
    };
    let about = || Operation::new("other").about("customer 12");
    let (transport, client) = succeeding(service(), 4);
    charge(&client, Operation::new(CHARGE), "a").send().await.unwrap();
    charge(&client, Operation::new(CHARGE), "a").send().await.unwrap();
    refused_in_doubt(charge(&client, Operation::new(CHARGE), "b")).await;
    charge(&client, about(), "a").send().await.unwrap();
    charge(&client, about(), "b").send().await.unwrap();
    refused_in_doubt(client.post("https://billing.example/v1/refunds").operation(about()).body("a")).await;
    assert_eq!(transport.left(), 0);

    let service = service().build().unwrap().journal(InMemoryJournal::default());
    let client = Transport::new([status(200)]).client(service);
    charge(&client, Operation::new(CHARGE), "a").send().await.unwrap();
    failure!(charge(&client, Operation::new(CHARGE), "b"), |error| {
        assert_eq!(facts(error), (ErrorKind::PayloadMismatch, StopReason::Permanent, Applied::Unknown));
    });
}

#[test]
fn service_without_keys_has_none_to_refuse() {
    let error = Service::any_host("any").refuse_reused_keys().build().unwrap_err();
    assert_eq!(error.to_string(), "services.any.refuse_reused_keys: does not apply: the service takes no keys");
    let route = reqwest_safe_retry::Route::new(Method::POST, "/x", reqwest_safe_retry::Effect::Write);
    let of_route = Service::any_host("any").refuse_reused_keys().routes([route.idempotency(keys())]);
    of_route.build().unwrap();
}
