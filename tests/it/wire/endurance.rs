//! Full load with faults, with a limit that is shared and a journal in a file: memory, sockets and tasks must not grow with
//! the number of calls, and the file by no more than an entry for each. Runs for 3 s, or for `ENDURANCE_SECONDS`.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use metronome_simulator::{Close, Fault, Faults, Metronome, Moment, RateLimit};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{
    Attempts, Backoff, Error, Fleet, InDoubtWrite, InMemorySharedLimit, RequestBuilderExt, RetryPolicy, SafeRetry,
    Service, Verdict, durable::Journal,
};
use reqwest_safe_retry_sqlite::SqliteJournal;
use serde_json::json;
use tokio::{runtime::Handle, task::JoinSet};

/// A host name that [`CurrentSimulator`] resolves.
const BASE_URL: &str = "http://metronome.test";
const AT_ONCE: usize = 64;
/// How long each simulator runs.
const ROUND: Duration = Duration::from_millis(500);

/// What must not grow; `None` where the system does not report a number.
#[derive(Clone, Copy)]
struct Measurements {
    calls: u64,
    rotated: u64,
    resident: Option<u64>,
    open: Option<usize>,
    tasks: usize,
    /// The journal's file, and what is not yet in it.
    journal: (u64, u64),
}

impl Measurements {
    fn read(tally: &Tally, journal: &Path) -> Self {
        let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let pages = fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        Self {
            calls: tally.calls.load(Relaxed),
            rotated: tally.rotated.load(Relaxed),
            resident: pages.map(|pages| pages * 4096),
            open: fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
            tasks: Handle::current().metrics().num_alive_tasks(),
            journal: (length(journal), length(&journal.with_extension("db-wal"))),
        }
    }
}

impl fmt::Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.resident.map(|bytes| bytes as f64 / 1048576.0).unwrap_or_default();
        let Self { calls, rotated, tasks, journal: (journal, wal), .. } = self;
        let (open, journal, wal) = (self.open.unwrap_or_default(), journal >> 10, wal >> 10);
        write!(f, "{calls} calls ({rotated} with a second key), {mib:.1} MiB, {open} open files, {tasks} tasks, ")?;
        write!(f, "journal of {journal} KiB and {wal} KiB")
    }
}

/// Faults that end at once, and a few that take until the timeout.
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

fn service(current: &CurrentSimulator, journal: &SqliteJournal, fleet: &Fleet) -> Service {
    let wait = |longest| Backoff::new(Duration::from_millis(2), Duration::from_millis(longest));
    let policy = RetryPolicy::new().transient(wait(20)).throttled(wait(20)).deadline(Duration::from_secs(1));
    let service = Service::metronome().into_builder().base_url(BASE_URL).retry_policy(policy).retry_budget(100_000_000);
    let service = service.limit_key(|request| request.json("/customer_id"));
    let current = current.clone();
    // Looks into the simulator's ledger, so that writes continue with a second key.
    let verifier = move |write: &InDoubtWrite<'_>| {
        let customer = write.json("/customer_id");
        let applied = current.simulator().is_some_and(|simulator| {
            simulator.ledger().applied(|entry| entry.body["customer_id"].as_str() == customer.as_deref())
        });
        async move { if applied { Verdict::Applied(None) } else { Verdict::NotApplied } }
    };
    let service = service.verifier_fn(verifier).build().unwrap();
    service.journal(journal.clone()).share_limit(fleet).unwrap()
}

/// Resolves to the running simulator. A simulator stores every write, so it is replaced now and then: only the client
/// is measured.
#[derive(Clone, Default)]
struct CurrentSimulator(Arc<Mutex<Option<Arc<Metronome>>>>);

impl CurrentSimulator {
    fn simulator(&self) -> Option<Arc<Metronome>> {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, simulator: Option<Arc<Metronome>>) {
        *self.0.lock().unwrap() = simulator;
    }
}

impl Resolve for CurrentSimulator {
    fn resolve(&self, _: Name) -> Resolving {
        let simulator = self.simulator();
        Box::pin(async move {
            let simulator = simulator.ok_or("no simulator is running")?;
            let address: SocketAddr = simulator.base_url().trim_start_matches("http://").parse()?;
            Ok(Box::new(std::iter::once(address)) as Addrs)
        })
    }
}

/// The number of calls, and of those that continued with a second key.
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

/// Calls again and again, each time for another customer.
async fn caller(client: ClientWithMiddleware, token: String, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    let url = format!("{BASE_URL}/v1/contracts/create");
    while !stop.load(Relaxed) {
        let number = tally.calls.fetch_add(1, Relaxed);
        let body = json!({ "customer_id": format!("c-{number}"), "starting_at": "2026-01-01T00:00:00Z" });
        let request = client.post(&url).bearer_auth(&token).json(&body).operation(format!("contract-{number}"));
        match request.send().await {
            Ok(response) => {
                tally.count(response.extensions().get::<Attempts>().expect("the attempts"));
                drop(response.bytes().await);
            }
            Err(error) => tally.count(Error::find(&error).expect("the layer's error").attempts()),
        }
    }
}

fn check(service: &Service) {
    let health = service.health();
    assert!(health.retry_budget <= health.retry_budget_capacity, "{health:?}");
    assert!(health.in_flight <= AT_ONCE && health.waiting <= AT_ONCE, "{health:?}");
    // It opens by time while calls wait, and so the further the busier the machine is.
    assert!(health.concurrency_limit.is_some_and(|limit| (1..=1_000_000).contains(&limit)), "{health:?}");
    assert!(health.limit_keys <= 1024, "{health:?}");
}

/// Runs the callers against one simulator.
async fn round(service: &Service, client: &ClientWithMiddleware, current: &CurrentSimulator, tally: &Arc<Tally>) {
    let simulator = Arc::new(Metronome::start().await.unwrap());
    simulator.inject(faults());
    current.set(Some(simulator.clone()));
    let stop = Arc::<AtomicBool>::default();
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        callers.spawn(caller(client.clone(), simulator.token().to_owned(), tally.clone(), stop.clone()));
    }
    for _ in 0..10 {
        tokio::time::sleep(ROUND / 10).await;
        check(service);
    }
    stop.store(true, Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    current.set(None);
    drop(Arc::into_inner(simulator).expect("all callers have stopped"));
    // Lets the client notice that its connections are closed.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let health = service.health();
    assert_eq!((health.in_flight, health.waiting), (0, 0), "{health:?}");
}

#[tokio::test]
async fn nothing_grows_under_load() {
    let seconds = std::env::var("ENDURANCE_SECONDS").map_or(3, |seconds| seconds.parse().expect("a number"));
    let (current, tally) = (CurrentSimulator::default(), Arc::<Tally>::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let (journal, fleet) = (SqliteJournal::create(&file).await.unwrap(), Fleet::join(InMemorySharedLimit::default()));
    let service = service(&current, &journal, &fleet);
    let plain = reqwest::Client::builder().timeout(Duration::from_millis(50)).dns_resolver(Arc::new(current.clone()));
    let client = ClientBuilder::new(plain.build().unwrap()).with(SafeRetry::new([service.clone()])).build();
    let (started, time) = (Instant::now(), Duration::from_secs(seconds));
    let mut measurements = Vec::new();
    while started.elapsed() < time {
        round(&service, &client, &current, &tally).await;
        journal.purge().await.unwrap();
        measurements.push(Measurements::read(&tally, &file));
    }
    // The first half is warm-up.
    let (middle, end) = (measurements[measurements.len() / 2], measurements[measurements.len() - 1]);
    println!("first:  {}\nmiddle: {middle}\nend:    {end}\n{:?}", measurements[0], service.health());
    let is_flat = |middle: u64, end: u64, spare: u64| end <= middle + middle / 5 + spare;
    if let (Some(before), Some(after)) = (middle.resident, end.resident) {
        assert!(is_flat(before, after, 24 << 20), "memory grows: {middle}; {end}");
    }
    if let (Some(before), Some(after)) = (middle.open, end.open) {
        assert!(is_flat(before as u64, after as u64, 32), "sockets stay open: {middle}; {end}");
    }
    assert!(is_flat(middle.tasks as u64, end.tasks as u64, 16), "tasks stay alive: {middle}; {end}");
    let per_call = |at: Measurements| at.journal.0 / at.calls;
    assert!(is_flat(per_call(middle), per_call(end), 256), "entries grow: {middle}; {end}");
    assert!(end.journal.1 <= 8 << 20, "the log of the journal grows: {middle}; {end}");
    assert!(end.calls > 200, "too little load: {end}");
    assert!(end.rotated > 0, "no call continued with a second key: {end}");
}
