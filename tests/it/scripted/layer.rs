//! Which requests are the layer's, and what it leaves alone.

use std::sync::{Arc, Mutex};

use http::{Extensions, Method};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Attempts, Effect, ErrorKind, Idempotency, IdempotencyKey, KeyKind, RetryPolicy, SafeRetry, Service, Stop,
};

use super::{CONTRACTS, LEDGER, failure, metronome};
use crate::support::{
    alloc::peak_of,
    transport::{Transport, reply, status, unused},
};

fn service(name: &'static str, base_url: &'static str) -> Service {
    Service::builder(name)
        .base_url(base_url)
        .idempotency(Idempotency::header("x-key", KeyKind::ReplaySuccess))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn requests_to_unknown_hosts_pass_through_untouched() {
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
async fn requests_to_unknown_hosts_take_no_memory() {
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
async fn a_service_is_found_by_origin_and_longest_path() {
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
fn two_services_with_one_base_url_are_refused() {
    let services = [service("a", "https://api.example.com/v1"), service("b", "https://api.example.com/v1/")];
    let error = SafeRetry::try_new(services).unwrap_err();
    let expected = "services.b.base_url: is also the base URL of a: requests could belong to either";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn routes_are_relative_to_the_base_url() {
    let billing = Service::builder("billing")
        .base_url("https://api.example.com/billing")
        .route(Method::POST, "/search", Effect::Read)
        .build()
        .unwrap();
    let transport = Transport::new([status(503), status(200), status(503)]);
    let client = transport.client(billing);
    client.post("https://api.example.com/billing/search").send().await.unwrap();
    failure!(client.post("https://api.example.com/billing/other"), |error| assert_eq!(
        error.stop(),
        Stop::NotIdempotent
    ));
}

#[tokio::test(start_paused = true)]
async fn successes_and_redirects_are_handed_on_as_they_are() {
    for number in [200, 201, 202, 204, 206, 301, 302, 304, 307, 308] {
        let transport = Transport::new([reply(number, &[("x-any", "kept"), ("retry-after", "5")], "null")]);
        let response = transport.client(Service::metronome()).post(CONTRACTS).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().as_str()), (number, CONTRACTS));
        assert_eq!(response.headers()["x-any"], "kept");
        assert_eq!(response.text().await.unwrap(), "null");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_off_means_one_attempt_and_a_typed_error() {
    let transport = Transport::new([status(503)]);
    let client = transport.client(metronome(RetryPolicy::never()));
    failure!(client.get("https://api.metronome.com/v1/customers"), |error| {
        assert_eq!((error.stop(), error.attempts().count()), (Stop::Attempts, 1));
    });
}

#[tokio::test(start_paused = true)]
async fn the_body_decides_only_where_the_service_says_so() {
    for (url, body, stop) in [
        (CONTRACTS, r#"{"uniqueness_key":"u"}"#, Stop::Attempts),
        (CONTRACTS, r#"{"uniqueness_key":""}"#, Stop::NotIdempotent),
        (CONTRACTS, r#"{"uniqueness_key":null}"#, Stop::NotIdempotent),
        (CONTRACTS, r#"{}"#, Stop::NotIdempotent),
        (CONTRACTS, "not json", Stop::NotIdempotent),
        (CONTRACTS, "", Stop::NotIdempotent),
        (LEDGER, r#"{"uniqueness_key":"u"}"#, Stop::NotIdempotent),
        // A customer may have been created without its aliases, and no key remembers that.
        ("https://api.metronome.com/v1/customers", r#"{"ingest_aliases":["a"]}"#, Stop::NotIdempotent),
        ("https://api.metronome.com/v1/customers", r#"{"ingest_aliases":[]}"#, Stop::NotIdempotent),
        ("https://api.metronome.com/v1/ingest", "[]", Stop::Attempts),
        ("https://api.metronome.com/v1/contracts/list", "{}", Stop::Attempts),
        ("https://api.metronome.com/v1/unheard-of", "{}", Stop::NotIdempotent),
    ] {
        for attempts in [1, 3] {
            let service = Service::metronome()
                .into_builder()
                .map_idempotency(Idempotency::callers_keys_only)
                .retry(RetryPolicy::new().max_attempts(attempts))
                .build()
                .unwrap();
            let transport = Transport::new((0..attempts).map(|_| status(504)));
            failure!(transport.client(service).post(url).body(body), |error| {
                assert_eq!(error.stop(), stop, "{url} {body} {attempts}");
            });
        }
    }
}

/// Leaves a trace in the extensions, and keeps what it found there.
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
async fn extensions_do_not_leak_between_attempts_and_the_last_ones_come_back() {
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
        assert_eq!(*tracer.0.lock().unwrap(), [None, None, None], "an attempt saw what another had left");
        assert_eq!(extensions.get::<Trace>(), Some(&Trace(3)), "the last attempt's extensions are handed back");
        assert!(extensions.get::<IdempotencyKey>().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn the_tower_service_and_cloned_clients_behave_alike() {
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
async fn the_attempts_of_two_layers_for_the_same_service_do_not_multiply() {
    let transport = Transport::new([status(503), status(200), status(503), status(503), status(503)]);
    let client = ClientBuilder::new(unused())
        .with(SafeRetry::new([Service::metronome()]))
        .with(SafeRetry::new([Service::metronome()]))
        .with(transport.clone())
        .build();
    let response = client.post(CONTRACTS).send().await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.count(), 2, "the account is that of the inner layer");
    failure!(client.post(CONTRACTS), |error| {
        assert_eq!((error.stop(), error.applied(), error.attempts().count()), (Stop::Attempts, Applied::Unknown, 3));
    });
    let keys = transport.keys();
    assert_eq!(keys.len(), 5);
    assert_eq!((&keys[0], &keys[2], &keys[3]), (&keys[1], &keys[3], &keys[4]));
    assert_ne!(keys[0], keys[2]);
}

/// A layer below that carries a call of its own for every request, as one that fetches tokens does.
struct Fetching(reqwest_middleware::ClientWithMiddleware);

#[async_trait::async_trait]
impl Middleware for Fetching {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        self.0.get("https://api.metronome.com/v1/token").send().await?;
        next.run(request, extensions).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_another_call_below_is_not_taken_for_the_calls_own() {
    let tokens = Transport::new([status(404)]);
    let client = ClientBuilder::new(unused())
        .with(SafeRetry::new([Service::metronome()]))
        .with(Fetching(tokens.client(Service::metronome())))
        .build();
    failure!(client.post(CONTRACTS), |error| {
        assert_eq!((error.path(), error.kind()), ("/v1/contracts/create", ErrorKind::Transport));
    });
}

#[tokio::test(start_paused = true)]
async fn two_layers_for_different_services_go_together() {
    let transport = Transport::new([status(503), status(200), status(503), status(200)]);
    let client = ClientBuilder::new(unused())
        .with(SafeRetry::new([Service::metronome()]))
        .with(SafeRetry::new([service("other", "https://api.example.com")]))
        .with(transport)
        .build();
    client.post(CONTRACTS).send().await.unwrap();
    client.get("https://api.example.com/x").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_layer_leaves_nothing_in_the_extensions() {
    let transport = Transport::new([status(200)]);
    let mut extensions = Extensions::new();
    let request = Request::new(Method::POST, CONTRACTS.parse().unwrap());
    transport.client(Service::metronome()).execute_with_extensions(request, &mut extensions).await.unwrap();
    assert!(extensions.is_empty());
}
