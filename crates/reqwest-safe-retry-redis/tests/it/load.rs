//! What the store asks of a Redis server, for the README:
//! `cargo test -p reqwest-safe-retry-redis load -- --ignored --nocapture`.

use std::{sync::Arc, time::Duration};

use reqwest_safe_retry::{LimitReport, SharedLimit};
use reqwest_safe_retry_redis::RedisSharedLimit;
use tokio::task::JoinSet;

use crate::support::redis_server::RedisServer;

const SECONDS: u64 = 10;

/// A process that has calls waiting and is refused now and then.
async fn process(store: Arc<RedisSharedLimit>, process: u64) {
    let mut rng = fastrand::Rng::with_seed(process);
    loop {
        let mut report = LimitReport::new("limit", process);
        (report.accepted, report.waiting, report.rate) = (rng.u32(..10), rng.usize(..100), 20.0);
        report.refused = u32::from(rng.u8(..20) == 0);
        report.last_accepted = Some(Duration::from_millis(rng.u64(..50)));
        report.last_refused = (report.refused > 0).then(|| Duration::from_millis(rng.u64(..100)));
        let next = store.publish(&[report]).await.map_or(Duration::from_millis(200), |shares| shares[0].next_report);
        tokio::time::sleep(next).await;
    }
}

/// The line of the server's statistics.
fn statistics(redis: &mut redis::Connection, section: &str, name: &str) -> String {
    let all: String = redis::cmd("INFO").arg(section).query(redis).unwrap();
    all.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

#[tokio::test]
#[ignore = "measures"]
async fn load() {
    let Some(server) = RedisServer::start("load") else { return };
    let mut redis = server.client();
    for processes in [50, 200, 1_000] {
        let _: () = redis::cmd("FLUSHALL").query(&mut redis).unwrap();
        let _: () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut redis).unwrap();
        let mut running = JoinSet::new();
        for number in 0..processes {
            let store = Arc::new(RedisSharedLimit::new(&server.url()).unwrap());
            running.spawn(process(store, number));
        }
        tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        running.shutdown().await;
        let script = statistics(&mut redis, "commandstats", "cmdstat_evalsha:");
        let cpu = statistics(&mut redis, "cpu", "used_cpu_user:");
        eprintln!("{processes} processes, {SECONDS} s: {script} {cpu}");
    }
}
