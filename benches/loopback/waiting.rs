//! The heap of a call that waits for its next attempt, after an error with a body of 10 KiB on a real connection.

use std::{
    alloc::System,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};
use reqwest_safe_retry::{Backoff, ConcurrencyLimit, Jitter, Service};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::task::JoinSet;

use crate::{
    common::{Chain, Template, Verb, Waits, layered},
    load,
    server::UNAVAILABLE,
};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What so many calls have on the heap, each.
pub(crate) struct Waiting {
    pub(crate) what: &'static str,
    pub(crate) calls: usize,
    pub(crate) bytes: usize,
}

const MOST: usize = 10_000;
/// How many are begun at once.
const BATCH: usize = 50;

pub(crate) fn compare(base_url: &str) -> Vec<Waiting> {
    let asleep = || async { sleep(Duration::from_secs(3600)).await };
    let (runtime, calls) = (load::runtime(), calls());
    let bytes = runtime.block_on(async {
        let mut sleepers = JoinSet::new();
        let before = live();
        (0..calls).for_each(|_| drop(sleepers.spawn(asleep())));
        sleep(Duration::from_millis(50)).await;
        (live() - before) / calls
    });
    let sleeping = Waiting { what: "a sleep alone", calls, bytes };
    let chains = [Chain::Retry, Chain::SafeRetry].map(|chain| {
        let bytes = load::runtime().block_on(of(chain, base_url, calls));
        Waiting { what: chain.name(), calls, bytes }
    });
    [sleeping].into_iter().chain(chains).collect()
}

/// A chain may keep the connection of each call that waits.
fn calls() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    open_files.and_then(|most| most.parse().ok()).map_or(MOST, |most: usize| MOST.min(most.saturating_sub(200)))
}

async fn of(chain: Chain, base_url: &str, calls: usize) -> usize {
    let waits = Waits { retries: 1, each: Duration::from_secs(3000) };
    let wait = Backoff::new(waits.each, waits.each).jitter(Jitter::None);
    let policy = waits.policy().transient(wait).deadline(Duration::from_secs(3600));
    let service =
        Service::metronome().into_builder().base_url(base_url.to_owned()).retry_policy(policy).retry_budget(u32::MAX);
    let service = service.concurrency_limit(ConcurrencyLimit::Off).build().expect("a service");
    let answered = Arc::<AtomicUsize>::default();
    let client = layered(chain, vec![service], waits);
    let client = client.with(Answered(answered.clone())).build();

    // The connections that all of them can share are no call's own.
    let template = Template::of(Verb::Get, base_url);
    let mut first = JoinSet::new();
    for _ in 0..BATCH {
        let (client, template) = (client.clone(), template.clone());
        first.spawn(async move { client.execute(template.request()).await?.bytes().await.map_err(Into::into) });
    }
    let first: Vec<Result<_>> = first.join_all().await;
    assert!(first.iter().all(Result::is_ok), "the server answers");

    let url = format!("{base_url}{UNAVAILABLE}");
    let mut waiting = JoinSet::new();
    let before = live();
    while waiting.len() < calls {
        let wanted = answered.load(Relaxed) + BATCH;
        for _ in 0..BATCH {
            waiting.spawn(client.get(&url).send());
        }
        while answered.load(Relaxed) < wanted {
            sleep(Duration::from_millis(1)).await;
        }
    }
    // The last bodies are read.
    sleep(Duration::from_millis(100)).await;
    assert_eq!(waiting.try_join_next().map(|ended| format!("{ended:?}")), None, "all wait");
    (live() - before) / waiting.len()
}

/// Innermost: counts answers.
struct Answered(Arc<AtomicUsize>);

#[async_trait]
impl Middleware for Answered {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let answer = next.run(request, extensions).await;
        self.0.fetch_add(1, Relaxed);
        answer
    }
}

fn live() -> usize {
    let stats = COUNTING.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

// The crate itself sleeps in one file only; a benchmark may sleep where it likes.
#[allow(clippy::disallowed_methods)]
async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
