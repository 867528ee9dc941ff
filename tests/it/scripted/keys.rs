//! Which idempotency key is sent.

use std::collections::HashSet;

use reqwest_safe_retry::{
    Applied, ErrorKind, Idempotency, IdempotencyKey, KeyFormat, KeyKind, RetryPolicy, Service, StopReason, services,
};

use super::{CONTRACTS, LIST, facts, failure};
use crate::support::transport::{Transport, status};

const HEADER: &str = "Idempotency-Key";

fn some(key: &str) -> Option<String> {
    Some(key.to_owned())
}

#[tokio::test(start_paused = true)]
async fn write_gets_one_fresh_uuid_per_call() {
    let transport = Transport::new((0..100).flat_map(|_| [status(503), status(200)]));
    let client = transport.client(Service::metronome());
    for _ in 0..100 {
        client.post(CONTRACTS).send().await.unwrap();
    }
    let keys: Vec<String> = transport.keys().into_iter().flatten().collect();
    assert_eq!(keys.len(), 200);
    assert!(keys.chunks(2).all(|attempts| attempts[0] == attempts[1]), "the key is kept within a call");
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 100, "every call has its own key");
    for key in keys {
        let uuid = uuid::Uuid::parse_str(&key).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.hyphenated().to_string()), (4, key));
    }
}

#[tokio::test(start_paused = true)]
async fn callers_key_wins() {
    let transport = Transport::new((0..8).map(|n| status(if n % 2 == 0 { 503 } else { 200 })));
    let client = transport.client(Service::metronome());
    client.post(CONTRACTS).header("idempotency-key", "header").send().await.unwrap();
    client.post(CONTRACTS).with_extension(IdempotencyKey::new("extension")).send().await.unwrap();
    let both = client.post(CONTRACTS).header(HEADER, "both").with_extension(IdempotencyKey::new("both"));
    both.send().await.unwrap();
    let longest = "k".repeat(255);
    client.post(CONTRACTS).header(HEADER, &longest).send().await.unwrap();
    let expected = ["header", "extension", "both", &longest].map(|key| [some(key), some(key)]).concat();
    assert_eq!(transport.keys(), expected);
}

#[tokio::test(start_paused = true)]
async fn invalid_key_is_rejected_unsent() {
    let transport = Transport::new([]);
    let client = transport.client(Service::metronome());
    let long = "k".repeat(256);
    let post = || client.post(CONTRACTS);
    for (request, message) in [
        (post().header(HEADER, ""), "empty"),
        (post().header(HEADER, "  "), "visible ASCII"),
        (post().header(HEADER, "two words"), "visible ASCII"),
        (post().header(HEADER, "caf\u{e9}"), "visible ASCII"),
        (post().header(HEADER, &long), "has 256 characters, but the service accepts 255"),
        (post().header(HEADER, "a").header(HEADER, "a"), "more than once"),
        (post().header(HEADER, "a").with_extension(IdempotencyKey::new("b")), "differ"),
        (post().with_extension(IdempotencyKey::new("")), "empty"),
        (post().with_extension(IdempotencyKey::new("abc\r\nX-Evil: 1")), "visible ASCII"),
        (post().with_extension(IdempotencyKey::new(long.as_str())), "256"),
    ] {
        failure!(request, |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::Permanent, Applied::No), "{message}");
            assert_eq!((error.attempts().count(), error.key()), (0, None));
            let source = std::error::Error::source(error).and_then(|kind| kind.source()).unwrap().to_string();
            assert!(source.contains(message), "{source} should say {message}");
        });
    }
    assert_eq!(transport.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn read_gets_no_key() {
    let transport = Transport::new((0..4).map(|_| status(200)));
    let client = transport.client(Service::metronome());
    client.post(LIST).send().await.unwrap();
    client.get("https://api.metronome.com/v1/customers").send().await.unwrap();
    client.post(LIST).with_extension(IdempotencyKey::new("bad key\n")).send().await.unwrap();
    client.post(LIST).header(HEADER, "left alone").send().await.unwrap();
    assert_eq!(transport.keys(), [None, None, None, some("left alone")]);
}

#[tokio::test(start_paused = true)]
async fn unkeyed_endpoints_get_no_key() {
    let transport = Transport::new((0..4).map(|_| status(200)));
    let client = transport.client(Service::metronome());
    client.post("https://api.metronome.com/v1/ingest").send().await.unwrap();
    client.put("https://api.metronome.com/v1/anything").send().await.unwrap();
    client.delete("https://api.metronome.com/v1/anything").send().await.unwrap();
    client.patch("https://api.metronome.com/v1/anything").send().await.unwrap();
    assert_eq!(transport.keys(), [None, None, None, None]);
}

#[tokio::test(start_paused = true)]
async fn structured_key_is_quoted() {
    let service = Service::builder("draft", "https://api.metronome.com")
        .idempotency(Idempotency::header(HEADER, KeyKind::ReplayAll).format(KeyFormat::StructuredString).max_length(36))
        .retry_policy(RetryPolicy::never())
        .build()
        .unwrap();
    let transport = Transport::new((0..3).map(|_| status(200)));
    let client = transport.client(service);
    client.post(CONTRACTS).with_extension(IdempotencyKey::new(r#"a"b\c"#)).send().await.unwrap();
    client
        .post(CONTRACTS)
        .header(HEADER, "\"given\"")
        .with_extension(IdempotencyKey::new("given"))
        .send()
        .await
        .unwrap();
    client.post(CONTRACTS).send().await.unwrap();
    let keys: Vec<String> = transport.keys().into_iter().flatten().collect();
    assert_eq!(keys[..2], [r#""a\"b\\c""#, "\"given\""]);
    assert!(uuid::Uuid::parse_str(keys[2].trim_matches('"')).is_ok() && keys[2].len() == 38, "{}", keys[2]);
    failure!(client.post(CONTRACTS).header(HEADER, "\"\""), |error| assert_eq!(error.kind(), ErrorKind::InvalidKey));
}

#[tokio::test(start_paused = true)]
async fn error_has_the_key_that_was_sent() {
    let transport = Transport::new([status(404), status(404)]);
    let client = transport.client(Service::metronome());
    failure!(client.post(CONTRACTS).header(HEADER, "mine"), |error| assert_eq!(error.key().unwrap().as_str(), "mine"));
    failure!(client.post(CONTRACTS), |error| {
        assert_eq!(Some(error.key().unwrap().as_str().to_owned()), transport.keys()[1]);
    });
}

#[tokio::test(start_paused = true)]
async fn key_of_an_error_can_be_sent_again() {
    let draft = || services::idempotency_key_draft("draft", "https://api.metronome.com").build().unwrap();
    for key in [r#"a"b\c"#, "plain", "\\", "\"\""] {
        let transport = Transport::new([status(404), status(404)]);
        let client = transport.client(draft());
        let sent_again = failure!(client.post(CONTRACTS).with_extension(IdempotencyKey::new(key)), |error| error
            .key()
            .unwrap()
            .clone());
        assert_eq!(sent_again.as_str(), key);
        failure!(client.post(CONTRACTS).with_extension(sent_again), |_error| {});
        assert_eq!(transport.keys()[0], transport.keys()[1], "{key}");
    }
}
