//! A limit that processes share through a store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    ConcurrencyLimit, Fleet, InMemorySharedLimit, LimitReport, LimitShare, RequestBuilderExt, SafeRetry, Service,
    SharedLimit, SharedLimitError,
};
use tokio::{task::JoinSet, time::Instant};
use tracing::Level;

use super::LIST;
use crate::support::{clock::FixedClock, collector::Collector, transport::unused};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A service that admits so many requests and then none, 20 ms away, and counts them.
#[derive(Clone)]
struct Limited {
    admits: u32,
    sent: Arc<AtomicU32>,
}

#[async_trait]
impl Middleware for Limited {
    async fn handle(&self, _: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let refused = self.sent.fetch_add(1, Relaxed) >= self.admits;
        tokio::time::sleep(MS(20)).await;
        let response = http::Response::builder().status(if refused { 429 } else { 200 }).body("").unwrap();
        Ok(Response::from(response))
    }
}

impl Limited {
    fn new(admits: u32) -> Self {
        Self { admits, sent: Arc::default() }
    }

    fn client(&self, service: &Service) -> ClientWithMiddleware {
        let layer = SafeRetry::new([service.clone()]).clock(FixedClock::at(1.0));
        ClientBuilder::new(unused()).with(layer).with(self.clone()).build()
    }
}

/// So many calls at once, with five seconds each; returns when the last one has ended.
async fn crowd(client: &ClientWithMiddleware, calls: usize) -> Duration {
    let started = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..calls {
        let call = client.post(LIST).body("{}").deadline(MS(5000)).send();
        all.spawn(async move { assert!(call.await.unwrap().status().is_success()) });
    }
    all.join_all().await;
    started.elapsed()
}

/// A store that answers each report as the test says, by its number; or never.
struct Scripted {
    answer: fn(u32) -> Option<LimitShare>,
    asked: AtomicU32,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl SharedLimit for Scripted {
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
        assert!(reports.iter().all(|report| report.limit == "metronome"));
        match (self.answer)(self.asked.fetch_add(1, Relaxed)) {
            Some(share) => Ok(vec![share]),
            None => std::future::pending().await,
        }
    }
}

fn scripted(answer: fn(u32) -> Option<LimitShare>) -> Arc<Scripted> {
    Arc::new(Scripted { answer, asked: AtomicU32::new(0) })
}

fn share(rate: f64) -> LimitShare {
    let mut share = LimitShare::new(MS(100));
    share.rate = Some(rate);
    share
}

fn shared(store: impl SharedLimit) -> Service {
    Service::metronome().share_limit(&Fleet::join(store)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn share_paces_the_starts() {
    let service = shared(scripted(|_| Some(share(10.0))));
    let client = Limited::new(1000).client(&service);
    tokio::time::sleep(MS(10)).await;
    let took = crowd(&client, 21).await;
    assert!((MS(1900)..MS(2200)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn open_limit_of_a_fleet_paces_nobody() {
    let service = shared(scripted(|_| Some(LimitShare::new(MS(200)))));
    let client = Limited::new(1000).client(&service);
    tokio::time::sleep(MS(10)).await;
    assert_eq!(crowd(&client, 16).await, MS(20));
}

/// An idle process has a small share of a limit that is open, which grows once calls wait: none is turned away for it.
#[tokio::test(start_paused = true)]
async fn crowd_after_a_pause_is_let_in_soon() {
    let store = Arc::new(InMemorySharedLimit::default());
    let services = [shared(Arc::clone(&store)), shared(store)];
    tokio::time::sleep(MS(2000)).await;
    let took = crowd(&Limited::new(10_000).client(&services[0]), 2000).await;
    assert!(took < MS(2000), "{took:?}");
}

/// The store fails before anything was refused: the process goes on without a limit on its starts.
#[tokio::test(start_paused = true)]
async fn share_that_grew_ends_with_its_store() {
    let growing = |asked| {
        let mut share = share(1.0);
        share.growing = true;
        (asked < 5).then_some(share)
    };
    let client = Limited::new(10_000).client(&shared(scripted(growing)));
    tokio::time::sleep(MS(3000)).await;
    assert_eq!(crowd(&client, 16).await, MS(20));
}

/// What one process is refused, the other one does not send.
#[tokio::test(start_paused = true)]
async fn refusals_of_one_process_slow_down_the_other() {
    let store = Arc::new(InMemorySharedLimit::default());
    let (one, other) = (shared(Arc::clone(&store)), shared(store));
    let refused = Limited::new(0);
    let clients = (refused.client(&one), Limited::new(1000).client(&other));
    tokio::time::sleep(MS(10)).await;
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let call = clients.0.post(LIST).body("{}").send();
        calls.spawn(async move { drop(call.await) });
    }
    tokio::time::sleep(MS(2000)).await;
    assert!(refused.sent.load(Relaxed) >= 16);
    assert!(other.health().paused.is_some(), "{:?}", other.health());
    assert_eq!((other.health().in_flight, other.health().waiting), (0, 0));
}

/// In a closed limit the store says who finds out whether the service is back.
#[tokio::test(start_paused = true)]
async fn only_the_process_that_is_told_sends_a_probe() {
    let answer = |asked| {
        let mut share = share(5.0);
        (share.closed, share.probe) = (asked < 12, asked == 8);
        Some(share)
    };
    let service = shared(scripted(answer));
    let transport = Limited::new(1000);
    let client = transport.client(&service);
    tokio::time::sleep(MS(10)).await;
    let started = Instant::now();
    let call = tokio::spawn(client.post(LIST).body("{}").send());
    tokio::time::sleep(MS(500)).await;
    assert_eq!((transport.sent.load(Relaxed), service.health().waiting), (0, 1));
    assert!(call.await.unwrap().unwrap().status().is_success());
    assert!(started.elapsed() < MS(1000), "{:?}", started.elapsed());
}

/// A process whose store is away goes on with its last share, and comes back by itself.
#[tokio::test(start_paused = true)]
async fn store_that_is_away_is_one_warning_and_delays_nobody() {
    let collector = Collector::up_to(Level::INFO, "reqwest_safe_retry");
    // It answers for half a second, then for five seconds not.
    let service = shared(scripted(|asked| (!(5..15).contains(&asked)).then(|| share(200.0))));
    let client = Limited::new(10_000).client(&service);
    for _ in 0..100 {
        let started = Instant::now();
        crowd(&client, 4).await;
        assert!(started.elapsed() <= MS(60), "{:?}", started.elapsed());
        tokio::time::sleep(MS(100)).await;
    }
    let events: Vec<_> = collector.events().into_iter().map(|event| event.level).collect();
    assert_eq!(events, [Level::WARN, Level::INFO], "{:?}", collector.events());
    assert!(collector.text().contains("no answer within 500ms"), "{}", collector.text());
}

#[tokio::test(start_paused = true)]
async fn store_that_was_never_there_leaves_an_own_limit() {
    #[derive(Debug)]
    struct Away;
    #[async_trait]
    impl SharedLimit for Away {
        async fn publish(&self, _: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
            Err("connection refused".into())
        }
    }
    let client = Limited::new(10_000).client(&shared(Away));
    assert!(crowd(&client, 1000).await <= MS(1100));
}

/// What is no share is no answer: the process has its own limit.
#[tokio::test(start_paused = true)]
async fn absurd_shares_are_refused() {
    for answer in
        [|_| Some(share(f64::NAN)), |_| Some(share(f64::INFINITY)), |_| Some(share(-1.0)), |_| Some(share(0.0))]
            as [fn(u32) -> _; 4]
    {
        let collector = Collector::up_to(Level::WARN, "reqwest_safe_retry");
        let client = Limited::new(10_000).client(&shared(scripted(answer)));
        tokio::time::sleep(MS(10)).await;
        assert!(crowd(&client, 1000).await <= MS(1100));
        assert!(collector.text().contains("is not a rate"), "{}", collector.text());
    }
    let many = |_| {
        let mut share = share(1e300);
        share.next_report = Duration::MAX;
        Some(share)
    };
    let store = scripted(many);
    let client = Limited::new(10_000).client(&shared(Arc::clone(&store)));
    tokio::time::sleep(MS(10)).await;
    assert_eq!(crowd(&client, 1000).await, MS(20), "a rate that large is no limit");
    tokio::time::sleep(MS(5000)).await;
    assert!(store.asked.load(Relaxed) >= 5, "it reports at least once a second");
}

#[tokio::test(start_paused = true)]
async fn task_ends_with_the_last_that_uses_it() {
    let store = scripted(|_| Some(share(10.0)));
    let service = shared(Arc::clone(&store));
    let clone = service.clone();
    tokio::time::sleep(MS(1000)).await;
    drop(service);
    let asked = store.asked.load(Relaxed);
    tokio::time::sleep(MS(1000)).await;
    assert!(store.asked.load(Relaxed) > asked, "the clone shares the limit");
    drop(clone);
    tokio::time::sleep(MS(10)).await;
    assert_eq!(Arc::strong_count(&store), 1);
}

#[tokio::test]
async fn only_an_adaptive_limit_can_be_shared() {
    let fleet = Fleet::join(InMemorySharedLimit::default());
    for limit in [ConcurrencyLimit::Fixed(3), ConcurrencyLimit::Off] {
        let service = Service::metronome().into_builder().concurrency_limit(limit).build().unwrap();
        let error = service.share_limit(&fleet).unwrap_err().to_string();
        assert!(error.contains("concurrency_limit: only an adaptive limit can be shared"), "{error}");
    }
}
