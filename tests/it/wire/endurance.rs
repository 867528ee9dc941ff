//! Full load through faults for a while: nothing may grow with the number of calls. About 3 s, or as many as
//! `ENDURANCE_SECONDS` says.

use std::{
    fmt, fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Backoff, Doubt, Error, RetryPolicy, SafeRetry, Service, Verdict,
    simulator::{Close, Fault, Faults, Metronome, Moment, RateLimit},
};
use serde_json::json;
use tokio::{runtime::Handle, task::JoinSet};

/// An address that nobody listens at: the detour leads elsewhere.
const BASE_URL: &str = "http://127.0.0.1:9";
const AT_ONCE: usize = 64;
/// How long a simulator lasts.
const ROUND: Duration = Duration::from_millis(500);

/// What must not grow; a number that the system does not tell is missing.
#[derive(Clone, Copy)]
struct Figures {
    calls: u64,
    resident: Option<u64>,
    open: Option<usize>,
    tasks: usize,
}

impl Figures {
    fn read(calls: &AtomicU64) -> Self {
        let pages = fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        Self {
            calls: calls.load(Relaxed),
            resident: pages.map(|pages| pages * 4096),
            open: fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.resident.map(|bytes| bytes as f64 / 1048576.0).unwrap_or_default();
        let (calls, open, tasks) = (self.calls, self.open.unwrap_or_default(), self.tasks);
        write!(f, "{calls} calls, {mib:.1} MiB, {open} open files, {tasks} tasks")
    }
}

/// What a client meets without waiting for it, and a few that it must wait for.
fn faults() -> Faults {
    let mut kinds: Vec<Fault> = [Moment::Before, Moment::After]
        .into_iter()
        .flat_map(|moment| {
            [
                Fault::stored_500(moment),
                Fault::gateway(502, moment),
                Fault::gateway(504, moment),
                Fault::dropped(Close::Orderly, moment),
                Fault::dropped(Close::Reset, moment),
                Fault::stalled(moment),
                Fault::late(Duration::from_millis(60), moment),
            ]
        })
        .collect();
    kinds.extend([RateLimit::Client, RateLimit::Customer].map(|limit| Fault::rate_limited(limit, None)));
    Faults::seeded(7).rate(0.2).kinds(kinds)
}

fn service() -> Service {
    let wait = |longest| Backoff::new(Duration::from_millis(2), Duration::from_millis(longest));
    let policy = RetryPolicy::new().transient(wait(20)).throttled(wait(20)).deadline(Duration::from_secs(1));
    let service = Service::metronome().into_builder().base_url(BASE_URL).retry(policy);
    let service = service.customer(|request| request.json("/customer_id"));
    service.verifier(|_: &Doubt<'_>| async { Verdict::Unknown }).build().unwrap()
}

/// The way to the simulator of the moment. Each keeps every write that it was ever sent, so that it is replaced now and
/// then: what is measured is the client's.
#[derive(Clone, Default)]
struct Detour(Arc<Mutex<String>>);

#[async_trait]
impl Middleware for Detour {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let there = self.0.lock().unwrap().parse::<Url>().unwrap();
        request.url_mut().set_port(there.port()).unwrap();
        next.run(request, extensions).await
    }
}

/// One of those that call again and again, each time for another customer.
async fn caller(client: ClientWithMiddleware, token: String, calls: Arc<AtomicU64>, over: Arc<AtomicBool>) {
    let url = format!("{BASE_URL}/v1/contracts/create");
    while !over.load(Relaxed) {
        let number = calls.fetch_add(1, Relaxed);
        let body = json!({ "customer_id": format!("c-{number}"), "starting_at": "2026-01-01T00:00:00Z" });
        match client.post(&url).bearer_auth(&token).json(&body).send().await {
            Ok(response) => drop(response.bytes().await),
            Err(error) => assert!(Error::find(&error).is_some(), "{error:?}"),
        }
    }
}

fn check(service: &Service) {
    let health = service.health();
    assert!(health.budget <= health.budget_capacity, "{health:?}");
    assert!(health.in_flight <= AT_ONCE && health.waiting <= AT_ONCE, "{health:?}");
    assert!(health.window.is_some_and(|window| (1..=4096).contains(&window)), "{health:?}");
    assert!(health.customers_limited <= 1024, "{health:?}");
}

/// One simulator's time.
async fn round(service: &Service, client: &ClientWithMiddleware, detour: &Detour, calls: &Arc<AtomicU64>) {
    let simulator = Metronome::start().await.unwrap();
    simulator.inject(faults());
    *detour.0.lock().unwrap() = simulator.base_url().to_owned();
    let over = Arc::<AtomicBool>::default();
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        callers.spawn(caller(client.clone(), simulator.token().to_owned(), calls.clone(), over.clone()));
    }
    for _ in 0..10 {
        tokio::time::sleep(ROUND / 10).await;
        check(service);
    }
    over.store(true, Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    drop(simulator);
    // The client learns that its connections are closed.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let health = service.health();
    assert_eq!((health.in_flight, health.waiting), (0, 0), "{health:?}");
}

#[tokio::test]
async fn nothing_grows_under_full_load_through_faults() {
    let seconds = std::env::var("ENDURANCE_SECONDS").map_or(3, |seconds| seconds.parse().expect("a number"));
    let (service, detour, calls) = (service(), Detour::default(), Arc::<AtomicU64>::default());
    let plain = reqwest::Client::builder().timeout(Duration::from_millis(50)).build().unwrap();
    let layer = SafeRetry::new([service.clone()]);
    let client = ClientBuilder::new(plain).with(layer).with(detour.clone()).build();
    let (started, time) = (Instant::now(), Duration::from_secs(seconds));
    let mut figures = Vec::new();
    while started.elapsed() < time {
        round(&service, &client, &detour, &calls).await;
        figures.push(Figures::read(&calls));
    }
    // What is measured in the first half is the warm-up.
    let (middle, end) = (figures[figures.len() / 2], figures[figures.len() - 1]);
    println!("first:  {}\nmiddle: {middle}\nend:    {end}\n{:?}", figures[0], service.health());
    let is_flat = |middle: u64, end: u64, spare: u64| end <= middle + middle / 5 + spare;
    if let (Some(before), Some(after)) = (middle.resident, end.resident) {
        assert!(is_flat(before, after, 24 << 20), "memory grows: {middle}; {end}");
    }
    if let (Some(before), Some(after)) = (middle.open, end.open) {
        assert!(is_flat(before as u64, after as u64, 32), "sockets stay open: {middle}; {end}");
    }
    assert!(is_flat(middle.tasks as u64, end.tasks as u64, 16), "tasks stay alive: {middle}; {end}");
    assert!(end.calls > 200, "there was load: {end}");
}
