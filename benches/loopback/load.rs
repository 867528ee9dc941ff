//! Many calls at once, by all chains in turn.

#![allow(clippy::disallowed_methods)] // The crate itself reads clocks in one file only; a benchmark may.

use std::{
    fs,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::Service;
use tokio::{runtime::Runtime, task::LocalSet};

use crate::common::{Chain, Template, Verb, Waits, layered};

/// A chain's figures, as multiples of the bare client's in the same turn: the medians over all turns.
pub(crate) struct Row {
    pub(crate) verb: Verb,
    pub(crate) at_once: usize,
    pub(crate) chain: Chain,
    pub(crate) throughput: f64,
    /// Missing where the system does not tell.
    pub(crate) cpu: Option<f64>,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

struct Turn {
    wall: Duration,
    cpu: Option<u64>,
    p50: Duration,
    p99: Duration,
}

/// How often each chain has its turn.
const TURNS: usize = 15;

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn client(chain: Chain, base_url: &str) -> ClientWithMiddleware {
    let waits = Waits { retries: 2, each: Duration::from_millis(500) };
    let service = Service::metronome().into_builder().base_url(base_url.to_owned()).retry_policy(waits.policy());
    let services = vec![service.build().expect("a service")];
    layered(chain, services, waits).build()
}

pub(crate) fn compare(base_url: &str, verb: Verb, at_once: usize, calls: usize) -> Vec<Row> {
    let (runtime, template) = (runtime(), Template::of(verb, base_url));
    let clients: Vec<_> = Chain::ALL.iter().map(|chain| runtime.block_on(async { client(*chain, base_url) })).collect();
    let mut turns: Vec<Vec<Turn>> = clients.iter().map(|_| Vec::new()).collect();
    for turn in 0..=TURNS {
        for place in 0..clients.len() {
            // Each is the first as often as the others.
            let which = (turn + place) % clients.len();
            let measured = take_turn(&runtime, &clients[which], &template, at_once, calls);
            // The first opens the connections, and lets the concurrency limit grow.
            if turn > 0 {
                turns[which].push(measured);
            }
        }
    }
    let rows = Chain::ALL.iter().zip(&turns).map(|(chain, own)| {
        let ratio = |figure: fn(&Turn) -> f64| {
            median(own.iter().zip(&turns[0]).map(|(turn, bare)| figure(turn) / figure(bare)).collect())
        };
        let known = own.iter().all(|turn| turn.cpu.is_some());
        Row {
            verb,
            at_once,
            chain: *chain,
            throughput: 1.0 / ratio(|turn| turn.wall.as_secs_f64()),
            cpu: known.then(|| ratio(|turn| turn.cpu.unwrap_or_default() as f64)),
            p50: ratio(|turn| turn.p50.as_secs_f64()),
            p99: ratio(|turn| turn.p99.as_secs_f64()),
        }
    });
    rows.collect()
}

fn take_turn(
    runtime: &Runtime,
    client: &ClientWithMiddleware,
    template: &Arc<Template>,
    at_once: usize,
    calls: usize,
) -> Turn {
    let (started, before) = (Instant::now(), cpu());
    let mut took = carry_out(runtime, client, template, at_once, calls);
    let (wall, cpu) = (started.elapsed(), cpu().zip(before).map(|(now, before)| now - before));
    took.sort_unstable();
    Turn { wall, cpu, p50: took[took.len() / 2], p99: took[took.len() * 99 / 100] }
}

/// So many calls, so many at once; the answer is how long each has taken.
pub(crate) fn carry_out(
    runtime: &Runtime,
    client: &ClientWithMiddleware,
    template: &Arc<Template>,
    at_once: usize,
    calls: usize,
) -> Vec<Duration> {
    let took = Rc::new(std::cell::RefCell::new(Vec::with_capacity(calls)));
    let local = LocalSet::new();
    for _ in 0..at_once {
        let (client, template, took) = (client.clone(), template.clone(), took.clone());
        local.spawn_local(async move {
            for _ in 0..calls / at_once {
                let started = Instant::now();
                let response = client.execute(template.request()).await.expect("an answer: raise `ulimit -n`");
                assert_eq!(response.status(), 200);
                response.bytes().await.expect("its body");
                took.borrow_mut().push(started.elapsed());
            }
        });
    }
    runtime.block_on(local);
    took.take()
}

/// The time that this thread was on a CPU, in nanoseconds.
fn cpu() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
