//! Full load through faults for a while: nothing may grow with the number of calls. About 3 s, or as many as
//! `ENDURANCE_SECONDS` says.

use std::{
    fmt, fs,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use metronome_simulator::{Close, Fault, Faults, Metronome, Moment, RateLimit};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{Attempts, Backoff, Doubt, Error, RetryPolicy, SafeRetry, Service, Verdict};
use serde_json::json;
use tokio::{runtime::Handle, task::JoinSet};

/// A name, for which the detour knows the address and the port of the moment.
const BASE_URL: &str = "http://metronome.test";
const AT_ONCE: usize = 64;
/// How long a simulator lasts.
const ROUND: Duration = Duration::from_millis(500);

/// What must not grow; a number that the system does not tell is missing.
#[derive(Clone, Copy)]
struct Figures {
    calls: u64,
    rotated: u64,
    resident: Option<u64>,
    open: Option<usize>,
    tasks: usize,
}

impl Figures {
    fn read(tally: &Tally) -> Self {
        let pages = fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        Self {
            calls: tally.calls.load(Relaxed),
            rotated: tally.rotated.load(Relaxed),
            resident: pages.map(|pages| pages * 4096),
            open: fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.resident.map(|bytes| bytes as f64 / 1048576.0).unwrap_or_default();
        let Self { calls, rotated, tasks, .. } = self;
        let open = self.open.unwrap_or_default();
        write!(f, "{calls} calls ({rotated} with a second key), {mib:.1} MiB, {open} open files, {tasks} tasks")
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

fn service(detour: &Detour) -> Service {
    let wait = |longest| Backoff::new(Duration::from_millis(2), Duration::from_millis(longest));
    let policy =
        RetryPolicy::new().transient(wait(20)).throttled(wait(20)).deadline(Duration::from_secs(1)).budget(100_000_000);
    let service = Service::metronome().into_builder().base_url(BASE_URL).retry(policy);
    let service = service.customer(|request| request.json("/customer_id"));
    let detour = detour.clone();
    // The truth, so that writes go on under a second key.
    let verifier = move |doubt: &Doubt<'_>| {
        let customer = doubt.json("/customer_id");
        let applied = detour.there().is_some_and(|simulator| {
            simulator.ledger().applied(|entry| entry.body["customer_id"].as_str() == customer.as_deref())
        });
        async move { if applied { Verdict::Applied(None) } else { Verdict::NotApplied } }
    };
    service.verifier(verifier).build().unwrap()
}

/// The way to the simulator of the moment. Each keeps every write that it was ever sent, so that it is replaced now and
/// then: what is measured is the client's.
#[derive(Clone, Default)]
struct Detour(Arc<Mutex<Option<Arc<Metronome>>>>);

impl Detour {
    fn there(&self) -> Option<Arc<Metronome>> {
        self.0.lock().unwrap().clone()
    }

    fn lead_to(&self, simulator: Option<Arc<Metronome>>) {
        *self.0.lock().unwrap() = simulator;
    }
}

impl Resolve for Detour {
    fn resolve(&self, _: Name) -> Resolving {
        let there = self.there();
        Box::pin(async move {
            let simulator = there.ok_or("there is no simulator now")?;
            let address: SocketAddr = simulator.base_url().trim_start_matches("http://").parse()?;
            Ok(Box::new(std::iter::once(address)) as Addrs)
        })
    }
}

/// How many calls there were, and how many of them went on under a second key.
#[derive(Default)]
struct Tally {
    calls: AtomicU64,
    rotated: AtomicU64,
}

impl Tally {
    fn count(&self, attempts: &Attempts) {
        let rotated = attempts.iter().any(|attempt| attempt.key_generation() > 1);
        self.rotated.fetch_add(rotated.into(), Relaxed);
    }
}

/// One of those that call again and again, each time for another customer.
async fn caller(client: ClientWithMiddleware, token: String, tally: Arc<Tally>, over: Arc<AtomicBool>) {
    let url = format!("{BASE_URL}/v1/contracts/create");
    while !over.load(Relaxed) {
        let number = tally.calls.fetch_add(1, Relaxed);
        let body = json!({ "customer_id": format!("c-{number}"), "starting_at": "2026-01-01T00:00:00Z" });
        match client.post(&url).bearer_auth(&token).json(&body).send().await {
            Ok(response) => {
                tally.count(response.extensions().get::<Attempts>().expect("an account"));
                drop(response.bytes().await);
            }
            Err(error) => tally.count(Error::find(&error).expect("the layer's error").attempts()),
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
async fn round(service: &Service, client: &ClientWithMiddleware, detour: &Detour, tally: &Arc<Tally>) {
    let simulator = Arc::new(Metronome::start().await.unwrap());
    simulator.inject(faults());
    detour.lead_to(Some(simulator.clone()));
    let over = Arc::<AtomicBool>::default();
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        callers.spawn(caller(client.clone(), simulator.token().to_owned(), tally.clone(), over.clone()));
    }
    for _ in 0..10 {
        tokio::time::sleep(ROUND / 10).await;
        check(service);
    }
    over.store(true, Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    detour.lead_to(None);
    drop(Arc::into_inner(simulator).expect("nobody asks any more"));
    // The client learns that its connections are closed.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let health = service.health();
    assert_eq!((health.in_flight, health.waiting), (0, 0), "{health:?}");
}

#[tokio::test]
async fn nothing_grows_under_full_load_through_faults() {
    let seconds = std::env::var("ENDURANCE_SECONDS").map_or(3, |seconds| seconds.parse().expect("a number"));
    let (detour, tally) = (Detour::default(), Arc::<Tally>::default());
    let service = service(&detour);
    let plain = reqwest::Client::builder().timeout(Duration::from_millis(50)).dns_resolver(Arc::new(detour.clone()));
    let client = ClientBuilder::new(plain.build().unwrap()).with(SafeRetry::new([service.clone()])).build();
    let (started, time) = (Instant::now(), Duration::from_secs(seconds));
    let mut figures = Vec::new();
    while started.elapsed() < time {
        round(&service, &client, &detour, &tally).await;
        figures.push(Figures::read(&tally));
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
    assert!(end.rotated > 0, "some went on under a second key: {end}");
}
