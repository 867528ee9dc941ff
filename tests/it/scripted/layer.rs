//! Which requests the layer handles, and which it passes through.

use std::sync::{Arc, Mutex};

use http::{Extensions, Method};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Attempts, Effect, ErrorKind, Idempotency, IdempotencyKey, KeyKind, RetryPolicy, SafeRetry, Service,
    StopReason,
};
use tracing::Level;

use super::{CONTRACTS, LEDGER, facts, failure, metronome};
use crate::support::{
    alloc::peak_of,
    collector::Collector,
    transport::{Transport, reply, status, unused},
};

fn service(name: &'static str, base_url: &'static str) -> Service {
    Service::builder(name, base_url).idempotency(Idempotency::header("x-key", KeyKind::ReplaySuccess)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn unknown_hosts_pass_through() {
    for url in [
        "https://example.com/v1/contracts/create",
        "http://api.metronome.com/v1/contracts/create",
        "https://api.metronome.com:8443/v1/contracts/create",
        "https://api.metronome.com.evil.example/v1/contracts/create",
        "https://xapi.metronome.com/",
    ] {
        let transport = Transport::new([reply(500, &[("retry-after", "1")], "untouched")]);
        let response = transport.client(Service::metronome()).post(url).body("b").send().await.unwrap();
        assert_eq!(response.status(), 500, "{url}");
        assert!(response.extensions().get::<Attempts>().is_none());
        assert_eq!(response.text().await.unwrap(), "untouched");
        assert_eq!(transport.keys(), [None], "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn first_request_to_each_unknown_host_is_reported() {
    let collector = Collector::of("reqwest_safe_retry");
    let transport = Transport::new((0..107).map(|_| status(200)));
    let client = transport.client(Service::metronome());
    for url in ["https://one.example/a?c4n4ry", "https://one.example/c4n4ry", "https://two.example/", CONTRACTS] {
        client.post(url).send().await.unwrap();
    }
    let reported = || collector.events().into_iter().filter(|event| event.level == Level::INFO).collect::<Vec<_>>();
    let hosts: Vec<_> = reported().iter().map(|event| event.get("server.address").unwrap().to_owned()).collect();
    assert_eq!(hosts, ["one.example", "two.example"]);
    assert!(!collector.text().contains("c4n4ry"));
    for number in 0..103 {
        client.get(format!("https://{number}.example/")).send().await.unwrap();
    }
    assert_eq!(reported().len(), 100, "no more are kept");
}

#[tokio::test(start_paused = true)]
async fn unknown_hosts_can_be_refused() {
    let transport = Transport::new([status(200)]);
    let client = transport.layered(SafeRetry::new([Service::metronome()]).refuse_unknown_hosts());
    failure!(client.post("https://example.com/v1/x?c4n4ry"), |error| {
        assert_eq!(facts(error), (ErrorKind::UnknownHost, StopReason::Permanent, Applied::No));
        let expected = "example.com:443: POST /v1/x: no service covers this URL, nothing was sent (0 attempts, 0 ms); \
                        another attempt would not help; it was not applied";
        assert_eq!(error.to_string(), expected);
    });
    assert_eq!(transport.sent().len(), 0);
    client.post(CONTRACTS).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dot_at_the_end_is_the_same_host() {
    let transport = Transport::new([status(503), status(200)]);
    let client = transport.client(Service::metronome());
    client.post("https://api.metronome.com./v1/contracts/create").send().await.unwrap();
    assert!(transport.keys()[0].is_some() && transport.keys()[0] == transport.keys()[1]);
    let dotted = service("dotted", "https://api.example.com./v1");
    assert!(SafeRetry::try_new([dotted.clone(), service("other", "https://api.example.com/v1")]).is_err());
    Transport::new([status(200)]).client(dotted).get("https://api.example.com/v1/x").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unknown_hosts_take_no_memory() {
    let heap = async |client: reqwest_middleware::ClientWithMiddleware| {
        let request = || Request::new(Method::POST, "https://example.com/".parse().unwrap());
        client.execute(request()).await.unwrap();
        let request = request();
        peak_of(client.execute(request)).await.1
    };
    let replies = || Transport::new([status(500), status(500)]);
    let bare = heap(ClientBuilder::new(unused()).with(replies()).build()).await;
    let layered = heap(replies().client(Service::metronome())).await;
    assert!(bare > 0);
    assert_eq!(layered, bare);
}

#[tokio::test(start_paused = true)]
async fn service_is_found_by_origin_and_longest_path() {
    let transport = Transport::new((0..13).map(|_| status(400)));
    let layer = SafeRetry::new([
        service("root", "https://api.example.com"),
        service("billing", "https://api.example.com/billing/"),
        service("invoices", "https://api.example.com/billing/invoices"),
        service("plain", "http://api.example.com:443/billing"),
        service("short", "https://a.example"),
        service("alike", "https://api.example.org"),
        service("before", "https://aaa.example.com/billing"),
        service("after", "https://zzz.example.com"),
        service("long", "https://billing.api.example.com"),
    ]);
    let client = transport.layered(layer);
    for (url, expected) in [
        ("https://api.example.com/", "root"),
        ("https://api.example.com/billing", "billing"),
        ("https://API.example.com:443/billing/x", "billing"),
        ("https://api.example.com/billings", "root"),
        ("https://api.example.com/billing/invoices?x=1", "invoices"),
        ("https://api.example.com/billing/invoices/1", "invoices"),
        ("http://api.example.com:443/billing/x", "plain"),
        ("https://a.example/x", "short"),
        ("https://api.example.org/billing", "alike"),
        ("https://aaa.example.com/billing/x", "before"),
        ("https://zzz.example.com/", "after"),
        ("https://billing.api.example.com/x", "long"),
    ] {
        failure!(client.get(url), |error| assert_eq!(error.service(), expected, "{url}"));
    }
}

#[test]
fn duplicate_base_url_is_rejected() {
    let services = [service("a", "https://api.example.com/v1"), service("b", "https://api.example.com/v1/")];
    let error = SafeRetry::try_new(services).unwrap_err();
    let expected = "services.b.base_url: is also the base URL of a: requests could belong to either";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn routes_are_relative_to_the_base_url() {
    let billing = Service::builder("billing", "https://api.example.com/billing")
        .route(Method::POST, "/search", Effect::Read)
        .build()
        .unwrap();
    let transport = Transport::new([status(503), status(200), status(503)]);
    let client = transport.client(billing);
    client.post("https://api.example.com/billing/search").send().await.unwrap();
    failure!(client.post("https://api.example.com/billing/other"), |error| assert_eq!(
        error.stop(),
        StopReason::NotIdempotent
    ));
}

#[tokio::test(start_paused = true)]
async fn successes_and_redirects_are_returned_unchanged() {
    for number in [200, 201, 202, 204, 206, 301, 302, 304, 307, 308] {
        let transport = Transport::new([reply(number, &[("x-any", "kept"), ("retry-after", "5")], "null")]);
        let response = transport.client(Service::metronome()).post(CONTRACTS).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().as_str()), (number, CONTRACTS));
        assert_eq!(response.headers()["x-any"], "kept");
        assert_eq!(response.text().await.unwrap(), "null");
    }
}

#[tokio::test(start_paused = true)]
async fn disabled_retries_mean_one_attempt() {
    let transport = Transport::new([status(503)]);
    let client = transport.client(metronome(RetryPolicy::never()));
    failure!(client.get("https://api.metronome.com/v1/customers"), |error| {
        assert_eq!((error.stop(), error.attempts().count()), (StopReason::AttemptsExhausted, 1));
    });
}

#[tokio::test(start_paused = true)]
async fn body_decides_only_where_the_service_says_so() {
    for (url, body, stop) in [
        (CONTRACTS, r#"{"uniqueness_key":"u"}"#, StopReason::AttemptsExhausted),
        (CONTRACTS, r#"{"uniqueness_key":""}"#, StopReason::NotIdempotent),
        (CONTRACTS, r#"{"uniqueness_key":null}"#, StopReason::NotIdempotent),
        (CONTRACTS, r#"{}"#, StopReason::NotIdempotent),
        (CONTRACTS, "not json", StopReason::NotIdempotent),
        (CONTRACTS, "", StopReason::NotIdempotent),
        (LEDGER, r#"{"uniqueness_key":"u"}"#, StopReason::AttemptsExhausted),
        ("https://api.metronome.com/v1/credit-types/create", r#"{"uniqueness_key":"u"}"#, StopReason::NotIdempotent),
        // The customer may exist without its aliases, which no stored response shows.
        ("https://api.metronome.com/v1/customers", r#"{"ingest_aliases":["a"]}"#, StopReason::NotIdempotent),
        ("https://api.metronome.com/v1/customers", r#"{"ingest_aliases":[]}"#, StopReason::NotIdempotent),
        ("https://api.metronome.com/v1/ingest", "[]", StopReason::AttemptsExhausted),
        ("https://api.metronome.com/v1/contracts/list", "{}", StopReason::AttemptsExhausted),
        ("https://api.metronome.com/v1/unknown-path", "{}", StopReason::NotIdempotent),
    ] {
        for attempts in [1, 3] {
            let service = Service::metronome()
                .into_builder()
                .map_idempotency(Idempotency::callers_keys_only)
                .retry_policy(RetryPolicy::new().max_attempts(attempts))
                .build()
                .unwrap();
            let transport = Transport::new((0..attempts).map(|_| status(504)));
            failure!(transport.client(service).post(url).body(body), |error| {
                assert_eq!(error.stop(), stop, "{url} {body} {attempts}");
            });
        }
    }
}

/// Inserts a `Trace` into the extensions and records the one it found.
#[derive(Clone, Default)]
struct Tracer(Arc<Mutex<Vec<Option<Trace>>>>);

#[derive(Clone, Debug, PartialEq)]
struct Trace(usize);

#[async_trait::async_trait]
impl Middleware for Tracer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let count = {
            let mut seen = self.0.lock().unwrap();
            seen.push(extensions.get::<Trace>().cloned());
            seen.len()
        };
        extensions.insert(Trace(count));
        next.run(request, extensions).await
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_do_not_share_extensions() {
    for (last, ends_well) in [(200, true), (404, false)] {
        let tracer = Tracer::default();
        let transport = Transport::new([status(503), status(502), status(last)]);
        let client = ClientBuilder::new(unused())
            .with(SafeRetry::new([Service::metronome()]))
            .with(tracer.clone())
            .with(transport)
            .build();
        let mut extensions = Extensions::new();
        extensions.insert(IdempotencyKey::new("k"));
        let request = Request::new(Method::POST, CONTRACTS.parse().unwrap());
        let ended = client.execute_with_extensions(request, &mut extensions).await;
        assert_eq!(ended.is_ok(), ends_well);
        assert_eq!(*tracer.0.lock().unwrap(), [None, None, None], "an attempt saw the extensions of another");
        assert_eq!(extensions.get::<Trace>(), Some(&Trace(3)), "the last attempt's extensions are returned");
        assert!(extensions.get::<IdempotencyKey>().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn tower_service_and_clones_behave_alike() {
    use tower_service::Service as _;

    let transport = Transport::new([status(503), status(200), status(503), status(200)]);
    let mut client = transport.client(Service::metronome()).clone();
    let request = || Request::new(Method::POST, CONTRACTS.parse().unwrap());
    client.call(request()).await.unwrap();
    client.execute(request()).await.unwrap();
    let keys = transport.keys();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[2], keys[3]);
    assert_ne!(keys[0], keys[2]);
}

#[tokio::test(start_paused = true)]
async fn layer_leaves_no_extensions() {
    let transport = Transport::new([status(200)]);
    let mut extensions = Extensions::new();
    let request = Request::new(Method::POST, CONTRACTS.parse().unwrap());
    transport.client(Service::metronome()).execute_with_extensions(request, &mut extensions).await.unwrap();
    assert!(extensions.is_empty());
}
