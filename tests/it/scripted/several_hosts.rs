//! Services with several hosts: which service a URL belongs to, and what each host has for itself.

use std::time::Duration;

use http::Method;
use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::{
    Applied, ConcurrencyLimit, ConfigError, Effect, ErrorKind, Fleet, Health, HostHealth, Idempotency,
    InMemorySharedLimit, KeyKind, LimitKeySource, Operation, RateLimiting, RequestBuilderExt, RetryPolicy, Route,
    SafeRetry, Service, ServiceBuilder, StopReason, durable::InMemoryJournal,
};

use super::{CHARGE, FIRST, facts, failure, owned_failure};
use crate::support::{
    clock::FixedClock,
    transport::{Transport, reply, status},
};

const A: &str = "https://a.shops.example";
const B: &str = "https://b.shops.example";
const SECOND: Duration = Duration::from_secs(1);

fn at(name: &'static str, base_url: &'static str) -> Service {
    Service::builder(name, base_url).build().unwrap()
}

/// A service with a host for each shop, which has keys.
fn shops() -> ServiceBuilder {
    let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll).retention(24 * 3600 * SECOND);
    Service::builder("shops", "https://*.shops.example").idempotency(keys)
}

fn never() -> RetryPolicy {
    RetryPolicy::never()
}

#[tokio::test(start_paused = true)]
async fn closest_base_url_wins() {
    let several = Service::builder("several", "").base_urls(["https://one.example", "https://*.two.example/v2"]);
    let layer = SafeRetry::new([
        at("any", "*"),
        at("below", "https://*.shops.example"),
        at("below path", "https://*.shops.example/admin"),
        at("further below", "https://*.eu.shops.example"),
        at("exact path", "https://a.shops.example/v1"),
        several.build().unwrap(),
    ]);
    for (url, expected) in [
        ("https://b.shops.example/x", "below"),
        ("https://b.shops.example/admin/x", "below path"),
        ("https://b.shops.example/administrator", "below"),
        ("https://b.eu.shops.example/admin", "further below"),
        ("https://eu.shops.example/x", "below"),
        ("https://a.shops.example/v1/x", "exact path"),
        ("https://A.shops.example.:443/v1", "exact path"),
        ("https://a.shops.example/v2", "below"),
        ("https://a.shops.example/admin", "below path"),
        ("https://shops.example/x", "any"),
        ("http://b.shops.example/x", "any"),
        ("https://b.shops.example:8443/x", "any"),
        ("https://one.example/x", "several"),
        ("https://a.two.example/v2/x", "several"),
        ("https://a.two.example/v1/x", "any"),
        ("http://127.0.0.1:8080/x", "any"),
        ("https://[::1]/x", "any"),
    ] {
        let client = Transport::new([status(404)]).layered(layer.clone());
        failure!(client.get(url), |error| assert_eq!(error.service(), expected, "{url}"));
    }
}

#[test]
fn shared_places_are_refused() {
    let list = |urls: [&'static str; 2]| Service::builder("list", "").base_urls(urls);
    let both = |service: ServiceBuilder, other| SafeRetry::try_new([other, service.build().unwrap()]);
    for (service, other, field) in [
        (shops(), at("other", "https://*.SHOPS.example:443/"), "shops.base_url"),
        (Service::any_host("any"), at("other", "*"), "any.base_url"),
        (list(["https://one", "https://two/x"]), at("other", "https://two/x/"), "list.base_url[1]"),
    ] {
        let expected = format!("services.{field}: is also the base URL of other: requests could belong to either");
        assert_eq!(both(service, other).unwrap_err().to_string(), expected);
    }
    both(shops(), at("other", "https://*.shops.example/x")).unwrap();
    both(shops(), at("other", "https://shops.example")).unwrap();
    for (urls, expected) in [
        (["https://one", "https://one:443/"], "base_url[1]: is given twice"),
        (["https://one", "*"], "base_url[1]: covers every host: give it alone"),
        (["", "https://one"], "base_url[0]: is missing"),
        (["https://one", "ftp://one"], "base_url[1]: has the scheme ftp: use http or https"),
    ] {
        assert_eq!(list(urls).build().unwrap_err().to_string(), format!("services.list.{expected}"));
    }
    let none = Service::builder("list", "https://one").base_urls([""; 0]).build().unwrap_err();
    assert_eq!(none.to_string(), "services.list.base_url: is missing");
}

#[test]
fn base_urls_are_shown() {
    let service = Service::builder("list", "").base_urls(["https://one/x", "https://*.two.example"]).build().unwrap();
    assert_eq!(service.base_urls().collect::<Vec<_>>(), ["https://one/x", "https://*.two.example/"]);
    assert_eq!((service.base_url(), Service::any_host("any").build().unwrap().base_url()), ("https://one/x", "*"));
    // Unchanged by anything else, and replaced by another one.
    let again = service.clone().into_builder().retry_budget(100).build().unwrap();
    assert_eq!(again.base_urls().count(), 2);
    assert_eq!(service.at("http://127.0.0.1:1").unwrap().base_urls().collect::<Vec<_>>(), ["http://127.0.0.1:1/"]);
}

fn of<'h>(health: &'h Health, host: &str) -> &'h Health {
    let found = health.hosts.iter().find(|one| one.host == host);
    &found.unwrap_or_else(|| panic!("{host} is missing: {health:?}")).health
}

#[tokio::test(start_paused = true)]
async fn each_host_has_its_own_budget() {
    let service = shops().retry_budget(14).build().unwrap();
    let transport = Transport::new([503, 503, 503, 503, 503].map(status));
    let client = transport.client(service.clone());
    let stop = async |url: &str| owned_failure(client.get(url)).await.stop();
    assert_eq!(stop(A).await, StopReason::BudgetExhausted);
    assert_eq!(transport.left(), 3, "one repeat, which took all of it");
    assert_eq!(stop("https://A.shops.example.").await, StopReason::BudgetExhausted, "the same host");
    assert_eq!(transport.left(), 2);
    assert_eq!(stop(B).await, StopReason::BudgetExhausted);
    assert_eq!(transport.left(), 0, "it has its own");
    let health = service.health();
    let hosts: Vec<_> = health.hosts.iter().map(|host| (&*host.host, host.health.retry_budget)).collect();
    assert_eq!(hosts, [("a.shops.example:443", 0), ("b.shops.example:443", 0)]);
    assert_eq!((health.retry_budget, health.retry_budget_capacity), (0, 14));
}

#[tokio::test(start_paused = true)]
async fn each_host_has_its_own_limit() {
    let down = || reply(503, &[("retry-after", "30")], "");
    let transport = Transport::new((0..16).map(|_| down()).chain([status(200), status(200)]));
    let service = shops().retry_policy(never().deadline(20 * SECOND)).build().unwrap();
    let client = transport.client(service.clone());
    for _ in 0..16 {
        client.get(A).send().await.unwrap_err();
    }
    failure!(client.get(A), |error| assert_eq!(error.kind(), ErrorKind::QueueRefused));
    client.get(B).send().await.unwrap();
    let health = service.health();
    let paused = ["a", "b"].map(|shop| of(&health, &format!("{shop}.shops.example:443")).paused);
    assert_eq!((paused, health.paused), ([Some(30 * SECOND), None], Some(30 * SECOND)));
    assert_eq!((health.concurrency_limit, of(&health, "b.shops.example:443").concurrency_limit), (Some(1), Some(16)));
    // Another port is another host.
    let other = Service::any_host("any").retry_policy(never()).build().unwrap();
    let client = transport.layered(SafeRetry::new([service, other.clone()]));
    client.get("https://a.shops.example:8443").send().await.unwrap();
    assert_eq!(other.health().hosts[0].host, "a.shops.example:8443");
}

#[tokio::test(start_paused = true)]
async fn in_flight_calls_are_counted_by_host_and_in_sum() {
    let late = || status(200).after(SECOND);
    let route = Route::new(Method::GET, "/reports", Effect::Read).limit_group("reports");
    let urls = ["https://eu.example", "https://us.example/api"];
    let service = Service::builder("regions", "").base_urls(urls).routes([route]);
    let service = service.concurrency_limit(ConcurrencyLimit::Fixed(1)).build().unwrap();
    let client = Transport::new([late(), late(), late(), late()]).client(service.clone());
    let mut calls = tokio::task::JoinSet::new();
    for url in [urls[0], urls[0], urls[1], "https://us.example/api/reports"] {
        calls.spawn(client.get(url).send());
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(SECOND / 10).await;
    let health = service.health();
    assert_eq!((health.in_flight, health.waiting, health.limit_groups[0].in_flight), (2, 1, 1));
    let eu = of(&health, "eu.example:443");
    assert_eq!((eu.in_flight, eu.waiting, eu.limit_groups[0].in_flight), (1, 1, 0));
    let us = of(&health, "us.example:443");
    assert_eq!((us.in_flight, us.waiting, us.limit_groups[0].in_flight), (1, 0, 1));
    assert!(calls.join_all().await.into_iter().all(|ended| ended.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn hosts_beyond_the_first_1024_share() {
    let service = shops().retry_budget(28).retry_policy(RetryPolicy::new().max_attempts(2)).build().unwrap();
    let transport = Transport::new((0..1024).map(|_| status(200)).chain((0..5).map(|_| status(503))));
    let client = transport.client(service.clone());
    for number in 0..1024 {
        client.get(format!("https://shop-{number}.shops.example")).send().await.unwrap();
    }
    for (shop, stop) in [
        ("late-1", StopReason::AttemptsExhausted),
        ("late-2", StopReason::AttemptsExhausted),
        ("late-3", StopReason::BudgetExhausted),
    ] {
        let error = owned_failure(client.get(format!("https://{shop}.shops.example"))).await;
        assert_eq!(error.stop(), stop, "{shop}");
    }
    let health = service.health();
    assert_eq!((health.hosts.len(), health.hosts[1024].host.as_str()), (1025, "*"));
    let budgets = [&health, of(&health, "*"), of(&health, "shop-7.shops.example:443")].map(|one| one.retry_budget);
    assert_eq!(budgets, [0, 0, 28]);
}

#[test]
fn single_host_has_no_list() {
    assert_eq!(at("one", "https://one.example").health().hosts, []);
    let single = Service::builder("one", "").base_urls(["https://one.example"]);
    assert_eq!(share_limit(single).unwrap().health().hosts, []);
}

fn share_limit(service: ServiceBuilder) -> Result<Service, ConfigError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { service.build().unwrap().share_limit(&Fleet::join(InMemorySharedLimit::default())) })
}

#[test]
fn limits_of_several_hosts_are_not_shared() {
    let error = share_limit(shops()).unwrap_err();
    let message =
        "concurrency_limit: the limit of a service with several hosts cannot be shared: make each host a service";
    assert_eq!(error.to_string(), message);
}

#[tokio::test(start_paused = true)]
async fn any_host_has_typed_errors_and_safe_retries() {
    let transport = Transport::new([404, 503, 200, 502, 429, 200, 503, 200].map(status));
    let layer = SafeRetry::new([Service::metronome(), Service::any_host("others").build().unwrap()]);
    let client = transport.layered(layer.clock(FixedClock::at(1.0)));
    let url = "https://elsewhere.example/things";
    failure!(client.get(url), |error| {
        assert_eq!((error.service(), error.kind()), ("others", ErrorKind::NotFound));
    });
    client.get(url).send().await.unwrap();
    assert_eq!(transport.left(), 5, "the read is repeated");
    failure!(client.post(url).body("x"), |error| {
        assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown));
    });
    assert_eq!(transport.left(), 4, "the write is not");
    client.post(url).body("x").send().await.unwrap();
    client.put(url).body("x").send().await.unwrap();
    assert_eq!((transport.left(), transport.keys()), (0, vec![None; 8]));
}

#[tokio::test(start_paused = true)]
async fn unknown_host_is_named_with_its_port() {
    let client = Transport::new([]).layered(SafeRetry::new([shops().build().unwrap()]).refuse_unknown_hosts());
    for (url, expected) in [
        ("https://shops.example/x", "shops.example:443: GET /x: no service covers this URL"),
        ("https://a.shops.example:8443/x", "a.shops.example:8443: GET /x: no service covers this URL"),
        ("http://[::1]/x", "[::1]:80: GET /x: no service covers this URL"),
    ] {
        failure!(client.get(url), |error| assert!(error.to_string().starts_with(expected), "{error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn routes_come_after_each_base_url() {
    let routes = [Route::new(Method::POST, "/orders/{shop}", Effect::Read)
        .limit_key_from([LimitKeySource::path_parameter("shop")])];
    let service = Service::builder("shops", "").base_urls(["https://*.shops.example/admin", "https://api.example/v1"]);
    let limits = RateLimiting::new().scope_header("x-scope", ["shop"]);
    let service = service.routes(routes).rate_limiting(limits).retry_policy(never()).build().unwrap();
    let refused = || reply(429, &[("x-scope", "shop")], "");
    let transport = Transport::new([refused(), refused()]);
    let client = transport.client(service.clone());
    for (url, path) in [(A, "/admin/orders/"), ("https://api.example", "/v1/orders/")] {
        failure!(client.post(format!("{url}{path}17")), |error| {
            assert_eq!(error.record().path(), format!("{path}{{shop}}"));
            assert_eq!(error.applied(), Applied::No, "it is a read");
        });
    }
    let keys: Vec<_> = service.health().hosts.iter().map(|host: &HostHealth| host.health.limit_keys).collect();
    assert_eq!((keys, service.health().limit_keys), (vec![1, 1], 2));
}

async fn charge(client: &ClientWithMiddleware, url: &str) -> Result<reqwest::Response, reqwest_middleware::Error> {
    client.post(url).operation(CHARGE).body("x").send().await
}

#[tokio::test(start_paused = true)]
async fn operation_has_another_key_in_each_host() {
    let transport = Transport::new([200; 6].map(status));
    let client = transport.client(shops().build().unwrap());
    for url in [A, B, "https://a.shops.example.:443", "https://A.shops.example"] {
        charge(&client, url).await.unwrap();
    }
    let one_host = Service::builder("metronome", A).idempotency(shops().build().unwrap().idempotency().clone());
    charge(&transport.client(one_host.clone().build().unwrap()), A).await.unwrap();
    charge(&transport.client(one_host.base_urls([A, B]).build().unwrap()), A).await.unwrap();
    let keys: Vec<_> = transport.keys().into_iter().flatten().collect();
    // Computed with Python's `uuid.uuid5`.
    assert_eq!(keys[..2], [KEY_OF_A, KEY_OF_B]);
    assert_eq!((&keys[2], &keys[3]), (&keys[0], &keys[0]));
    assert_eq!(keys[4], FIRST, "with one host it is not part of the key");
    assert_ne!(keys[5], FIRST);
}

/// Two base URLs of one host are no reason for other keys.
#[tokio::test(start_paused = true)]
async fn several_base_urls_may_be_one_host() {
    let keys = shops().build().unwrap().idempotency().clone();
    let at = |urls: [&'static str; 2]| {
        let service = Service::builder("metronome", "").base_urls(urls).idempotency(keys.clone());
        service.build().unwrap()
    };
    let service = at(["https://a.shops.example/admin", "https://A.shops.example.:443/v2"]);
    let transport = Transport::new([status(200), status(200)]);
    charge(&transport.client(service.clone()), "https://a.shops.example/v2/x").await.unwrap();
    assert_eq!(transport.keys()[0].as_deref(), Some(FIRST));
    assert_eq!(service.health().hosts, []);
    for other in ["https://a.shops.example:8443", "https://*.a.shops.example"] {
        let transport = Transport::new([status(200)]);
        charge(&transport.client(at([A, other])), A).await.unwrap();
        assert_ne!(transport.keys()[0].as_deref(), Some(FIRST), "{other}");
    }
}

const KEY_OF_A: &str = "9cf551ba-65c0-566a-a75f-7cd2e7e4a94a";
const KEY_OF_B: &str = "9a7b1da7-4d7d-5861-b2bf-e9c48f7dfb34";

#[tokio::test(start_paused = true)]
async fn operation_is_another_one_in_each_host() {
    let transport = Transport::new([200, 200, 200, 503].map(status));
    let journal = InMemoryJournal::default().clock(FixedClock::at(1.0));
    let service = shops().retry_policy(never()).build().unwrap().journal(journal.clone());
    let client = transport.client(service);
    for url in [A, B, A] {
        charge(&client, url).await.unwrap();
    }
    let keys: Vec<_> = transport.keys().into_iter().flatten().collect();
    assert_eq!(keys, [KEY_OF_A, KEY_OF_B, KEY_OF_A], "the third fetches the first");
    let scoped = Operation::new("other").scope("account-12");
    client.post(B).operation(scoped).body("x").send().await.unwrap_err();
    let entries = reqwest_safe_retry::durable::Journal::in_doubt(&journal, 10).await.unwrap();
    let scopes: Vec<_> = entries.iter().map(|entry| (entry.service(), entry.scope(), entry.operation())).collect();
    assert_eq!(scopes, [("shops", "account-12 @b.shops.example:443", "other")]);
}

#[tokio::test(start_paused = true)]
async fn record_goes_on_in_its_own_host_only() {
    let transport = Transport::new([503, 200, 503].map(status));
    let client = transport.client(shops().retry_policy(never()).build().unwrap());
    let record = owned_failure(client.post(A).body("x")).await.record();
    assert_eq!(record.host(), Some("a.shops.example:443"));
    failure!(client.post(B).body("x").resume(&record), |error| {
        assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::Permanent, Applied::Unknown));
        assert!(error.to_string().contains("the record is of a call to another host"), "{error}");
        assert_eq!(error.attempts().count(), 0);
    });
    client.post(A).body("x").resume(&record).send().await.unwrap();
    assert_eq!(transport.keys()[0], transport.keys()[1]);
    // With one host nothing is recorded of it.
    let client = transport.client(super::metronome(never()));
    assert_eq!(owned_failure(client.post(super::LIST)).await.record().host(), None);
}
