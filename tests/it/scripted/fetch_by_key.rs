//! Looking a write up by its key.

use std::time::Duration;

use reqwest_middleware::ClientBuilder;
use reqwest_safe_retry::{
    Applied, Error, FetchByKey, Idempotency, KeyKind, RequestBuilderExt, RetryPolicy, SafeRetry, Service, StopReason,
    Verifier,
};

use super::owned_failure;
use crate::support::transport::{Reply, Transport, reply, status, unused};

const PAYMENTS: &str = "https://api.example.com/payments";
const LIST: &str = "https://api.example.com/payments?idempotency_key={key}";

/// What the lookups answer, and what a verifier makes of it.
struct World {
    lookups: Transport,
    writes: Transport,
}

/// The end of a write whose key is settled by two errors.
#[derive(Debug, PartialEq)]
enum End {
    /// In the response that was found.
    Found(String),
    /// In a success under another key.
    Rotated,
    Unverified,
}

impl World {
    fn new(found: impl IntoIterator<Item = Reply>) -> Self {
        Self { lookups: Transport::new(found), writes: Transport::new([500, 500, 200].map(status)) }
    }

    fn verifier(&self, template: &str) -> FetchByKey {
        FetchByKey::new(ClientBuilder::new(unused()).with(self.lookups.clone()).build(), template.to_owned()).unwrap()
    }

    /// A verifier that is asked through the same layer.
    fn layered(&self, template: &str) -> FetchByKey {
        let service = Service::builder("example", "https://api.example.com").retry_policy(RetryPolicy::never());
        let layer = SafeRetry::new([service.build().unwrap()]);
        FetchByKey::new(self.lookups.layered(layer), template.to_owned()).unwrap()
    }

    async fn end(&self, verifier: FetchByKey, key: &str) -> End {
        let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll);
        let service = Service::builder("example", "https://api.example.com").idempotency(keys).verifier(verifier);
        let request = self.writes.client(service.build().unwrap()).post(PAYMENTS).idempotency_key(key);
        match request.send().await {
            Ok(response) if self.writes.sent().len() == 3 => {
                assert_ne!(self.writes.keys()[1], self.writes.keys()[2]);
                assert_eq!(response.status(), 200);
                End::Rotated
            }
            Ok(response) => End::Found(response.text().await.unwrap()),
            Err(error) => {
                let error = Error::find(&error).unwrap();
                assert_eq!((error.stop(), error.applied()), (StopReason::Unverified, Applied::Unknown));
                assert_eq!(self.writes.sent().len(), 2);
                End::Unverified
            }
        }
    }

    fn looked_up(&self) -> Vec<String> {
        self.lookups.sent().iter().map(|sent| sent.url.to_string()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_the_response_of_the_call() {
    let list = r#"{"data":[{"id":"p1","idempotency_key":"invoice 7/a"}],"next":null}"#;
    // A body cannot hold more than the key of a header, so it is written with what is reserved in a URL.
    for (template, key, asked) in [
        (LIST, "invoice-7/a&b=%", "https://api.example.com/payments?idempotency_key=invoice-7%2Fa%26b%3D%25"),
        ("https://api.example.com/by-key/{key}", "../a?b#c", "https://api.example.com/by-key/..%2Fa%3Fb%23c"),
        ("https://api.example.com/by-key/{key}/{key}", "k", "https://api.example.com/by-key/k/k"),
    ] {
        for layered in [false, true] {
            let world = World::new([reply(200, &[("content-length", "9")], list)]);
            let verifier = if layered { world.layered(template) } else { world.verifier(template) };
            let found = r#"{"id":"p1","idempotency_key":"invoice 7/a"}"#;
            assert_eq!(world.end(verifier.found_at("/data/0"), key).await, End::Found(found.into()), "{template}");
            assert_eq!(world.looked_up(), [asked]);
        }
    }
    // All of the answer, unless a member of it is asked for; an empty one shows nothing.
    for (body, end) in [("", End::Unverified), (list, End::Found(list.into()))] {
        let world = World::new([reply(200, &[], body)]);
        assert_eq!(world.end(world.verifier(LIST), "k").await, end, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn absence_proves_something_only_where_the_user_says_so() {
    let empty = |body: &'static str| move || reply(200, &[], body);
    let lists = [empty(r#"{"data":[]}"#), empty(r#"{"data":null}"#), empty(r#"{"data":[null]}"#)];
    let statuses: [fn() -> Reply; 2] = [|| status(404), || status(410)];
    let absent = lists.iter().map(|list| list()).chain(statuses.map(|status| status()));
    for (index, _) in absent.enumerate() {
        let reply = || if index < 3 { lists[index]() } else { statuses[index - 3]() };
        for layered in [false, true] {
            let verifier = |world: &World| {
                let verifier = if layered { world.layered(LIST) } else { world.verifier(LIST) };
                verifier.found_at("/data/0")
            };
            let world = World::new([reply()]);
            assert_eq!(world.end(verifier(&world), "k").await, End::Unverified, "{index}");
            let world = World::new([reply()]);
            let sure = verifier(&world).absent_means_not_applied();
            assert_eq!(world.end(sure, "k").await, End::Rotated, "{index} {layered}");
        }
    }
}

/// However sure the user is of absence, another answer says nothing.
#[tokio::test(start_paused = true)]
async fn unclear_answers_prove_nothing() {
    let ok = |body: &str| reply(200, &[], body.to_owned());
    let long = format!(r#"{{"data":[],"more":"{}"}}"#, "x".repeat(1024 * 1024));
    let broken = || {
        let chunks = [Ok(r#"{"data":[]}"#), Err(std::io::Error::other("reset"))];
        reply(200, &[], reqwest::Body::wrap_stream(futures_util::stream::iter(chunks)))
    };
    let answers = vec![
        status(204),
        status(302),
        status(400),
        status(401),
        status(403),
        status(429),
        status(500),
        status(503),
        ok(""),
        ok("<html>"),
        ok(r#"{"data":["#),
        ok("{}"),
        ok(r#"{"error":"no"}"#),
        ok(r#"{"data":{}, "x":"#),
        ok(r#"{"data":[], "x":1} {}"#),
        ok(r#"{"items":[]}"#),
        ok(&long),
        broken(),
        Reply::error(anyhow::anyhow!("a layer below")),
        Reply::never(),
    ];
    for (index, answer) in answers.into_iter().enumerate() {
        for_each_client(index, answer).await;
    }
}

async fn for_each_client(index: usize, answer: Reply) {
    let world = World::new([answer]);
    let verifier = if index % 2 == 0 { world.verifier(LIST) } else { world.layered(LIST) };
    let end = world.end(verifier.found_at("/data/0").absent_means_not_applied(), "k").await;
    assert_eq!((end, world.looked_up().len()), (End::Unverified, 1), "answer {index}");
}

/// A list that ignores the filter shows what others have written.
#[tokio::test(start_paused = true)]
async fn what_has_another_key_is_not_the_write() {
    for (body, expected) in [
        (r#"{"data":[{"key":"mine"}]}"#, End::Found(r#"{"key":"mine"}"#.into())),
        (r#"{"data":[{"key":"other"}]}"#, End::Unverified),
        (r#"{"data":[{"id":1}]}"#, End::Unverified),
        (r#"{"data":[]}"#, End::Rotated),
    ] {
        let world = World::new([reply(200, &[], body)]);
        let verifier = world.verifier(LIST).found_at("/data/0").key_at("/data/0/key").absent_means_not_applied();
        assert_eq!(world.end(verifier, "mine").await, expected, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_a_key_that_cannot_be_looked_up() {
    for key in [".", ".."] {
        let world = World::new([]);
        let verifier = world.verifier("https://api.example.com/by-key/{key}").absent_means_not_applied();
        assert_eq!(world.end(verifier, key).await, End::Unverified, "{key}");
    }
    // A write without a key.
    let world = World::new([]);
    let service = Service::builder("example", "https://api.example.com").verifier(world.verifier(LIST));
    let error = owned_failure(world.writes.client(service.build().unwrap()).post(PAYMENTS)).await;
    assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown));
    assert_eq!(world.looked_up(), [""; 0]);
}

#[test]
fn template_is_checked_when_it_is_made() {
    let made = |template: &'static str| FetchByKey::new(ClientBuilder::new(unused()).build(), template);
    for (template, message) in [
        ("https://api.example.com/payments", "has no `{key}` in its path or query"),
        ("https://api.example.com/{KEY}", "has no `{key}` in its path or query"),
        ("https://{key}.example.com/a", "has `{key}` outside its path and query"),
        ("https://u:{key}@example.com/a?{key}", "has `{key}` outside its path and query"),
        ("https://api.example.com/{key}#{key}", "has `{key}` outside its path and query"),
        ("/payments/{key}", "is not a URL of HTTP"),
        ("ftp://api.example.com/{key}", "is not a URL of HTTP"),
        ("https://api.example.com:{key}/", "is not a URL of HTTP"),
        ("", "is not a URL of HTTP"),
    ] {
        let error = made(template).unwrap_err();
        let found = (error.errors()[0].path(), error.errors()[0].message());
        assert_eq!(found, ("template", message), "{template}");
    }
    let verifier = made("https://api.example.com/{key}?token=s3cret").unwrap().lag(Duration::from_secs(3));
    assert_eq!(Verifier::lag(&verifier), Duration::from_secs(3));
    assert!(!format!("{verifier:?}").contains("s3cret"));
}
