//! Several processes against one limited service, while their store is well, dead, slow or silent.

use std::time::{Duration, Instant};

use tokio::{sync::Mutex, time::sleep};

use crate::{
    member::{Members, Said},
    support::{
        limited::Limited,
        proxy::{Mode, Proxy},
        redis_server::RedisServer,
    },
};

const PROCESSES: usize = 4;
const PER_SECOND: u32 = 400;
/// For nine seconds.
const CALLS: u32 = 9 * PER_SECOND / PROCESSES as u32;
/// The store goes away so long after the start, for so long.
const AWAY: (Duration, Duration) = (Duration::from_millis(2_500), Duration::from_secs(3));
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// They would slow each other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// What becomes of the calls, if nothing happens to the store or this does.
struct Run {
    service: Limited,
    members: Members,
}

impl Run {
    async fn start(store: &str) -> Self {
        let service = Limited::start(PER_SECOND).await;
        let members = Members::start(PROCESSES, &service.url(), store, CALLS);
        Self { service, members }
    }

    /// Waits while the store is away: the service goes on to be used.
    async fn goes_on(&self) {
        let before = self.service.counts();
        sleep(AWAY.1).await;
        let after = self.service.counts();
        let accepted = f64::from(after.1 - before.1) / AWAY.1.as_secs_f64() / f64::from(PER_SECOND);
        eprintln!("{:.0} % of the limit is used without the store", 100.0 * accepted);
        assert!(accepted >= 0.7, "calls have waited for the store");
    }

    /// Waits for the end. All calls have succeeded, and few were refused.
    async fn end(self) -> Vec<(usize, Said, Instant)> {
        let Self { service, members } = self;
        let said = tokio::task::spawn_blocking(|| members.join()).await.unwrap();
        let succeeded: u32 = said.iter().map(|(_, said, _)| if let Said::Succeeded(n) = said { *n } else { 0 }).sum();
        assert_eq!(succeeded, CALLS * PROCESSES as u32);
        let (requests, _) = service.counts();
        let per_success = f64::from(requests) / f64::from(succeeded);
        eprintln!("{per_success:.3} requests per success");
        assert!(per_success <= 1.4, "{requests} requests for {succeeded} successes");
        said
    }

    /// Each process has said once that the store is away, and soon after its return that it is back.
    async fn comes_back(self, returned: Instant) {
        let said = self.end().await;
        for process in 0..PROCESSES {
            let of = |what| said.iter().filter(move |(by, said, _)| *by == process && *said == what);
            assert_eq!(of(Said::StoreIsAway).count(), 1, "{said:?}");
            assert_eq!(of(Said::Warning).count(), 0, "{said:?}");
            let back: Vec<_> = of(Said::StoreIsBack).map(|(.., at)| at.saturating_duration_since(returned)).collect();
            eprintln!("process {process} is back after {back:?}");
            assert!(matches!(back[..], [after] if after <= BACK_WITHIN), "{back:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_a_limit() {
    let _one = ONE_AT_A_TIME.lock().await;
    let Some(redis) = RedisServer::start("processes_share_a_limit") else { return };
    let run = Run::start(&redis.url()).await;
    let said = run.end().await;
    assert_eq!(said.len(), PROCESSES, "no warnings: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_is_killed_and_started_again() {
    let _one = ONE_AT_A_TIME.lock().await;
    let Some(mut redis) = RedisServer::start("store_is_killed_and_started_again") else { return };
    let run = Run::start(&redis.url()).await;
    sleep(AWAY.0).await;
    redis.kill();
    run.goes_on().await;
    redis.start_again();
    run.comes_back(Instant::now()).await;
}

async fn store_is(mode: Mode, test: &str) {
    let _one = ONE_AT_A_TIME.lock().await;
    let Some(redis) = RedisServer::start(test) else { return };
    let proxy = Proxy::start(redis.port()).await;
    let run = Run::start(&proxy.url()).await;
    sleep(AWAY.0).await;
    proxy.set(mode);
    run.goes_on().await;
    proxy.set(Mode::Pass);
    run.comes_back(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_is_slow() {
    store_is(Mode::Slow, "store_is_slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_is_silent() {
    store_is(Mode::Silent, "store_is_silent").await;
}
