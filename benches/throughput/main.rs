//! How many calls a second several tasks carry out on one thread and on two, without a socket.
//!
//! ```sh
//! cargo bench -p benches --bench throughput
//! ```
//!
//! All chains take turns within one run, and every figure is a ratio to the empty chain's in the same turn, the median over
//! all turns. Prints Markdown and writes `target/throughput.json`.

#![allow(clippy::expect_used)] // A benchmark ends where something is wrong.
#![allow(clippy::disallowed_methods)] // The crate itself reads clocks in one file only; a benchmark may.

#[path = "../common/canned.rs"]
mod canned;
#[path = "../common/mod.rs"]
mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use canned::Case;
use common::{Chain, Template, Verb};
use reqwest_middleware::ClientWithMiddleware;
use serde_json::json;
use tokio::{runtime::Runtime, task::JoinSet};

const TASKS: usize = 8;
const CALLS_EACH: usize = 2_000;
const TURNS: usize = 15;

fn main() {
    let mut rows = Vec::new();
    println!("| threads | call | chain | throughput |\n|---|---|---|---|");
    for threads in [1, 2] {
        for verb in Verb::ALL {
            for (chain, throughput) in compare(threads, *verb) {
                let (verb, chain) = (verb.name(), chain.name());
                println!("| {threads} | {verb} | {chain} | {throughput:.2} |");
                rows.push(json!({
                    "chain": chain,
                    "case": Case::Ok.name(),
                    "method": verb,
                    "throughput": throughput,
                    "tasks": TASKS,
                    "threads": threads,
                    "features": common::features(),
                }));
            }
        }
    }
    common::write_to_target("throughput.json", &rows.into()).expect("a file in `target`");
}

/// The throughput of each chain, as a multiple of the empty chain's.
fn compare(threads: usize, verb: Verb) -> Vec<(Chain, f64)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build();
    let (runtime, template) = (runtime.expect("a runtime"), Template::of(verb, canned::HOST));
    let clients: Vec<_> =
        Chain::ALL.iter().map(|chain| runtime.block_on(async { canned::client(*chain, Case::Ok) })).collect();
    let mut turns: Vec<Vec<Duration>> = Vec::new();
    for turn in 0..=TURNS {
        let mut took = vec![Duration::ZERO; clients.len()];
        for place in 0..clients.len() {
            // Each is the first as often as the others.
            let which = (turn + place) % clients.len();
            took[which] = take_turn(&runtime, &clients[which], &template);
        }
        turns.push(took);
    }
    // The first warms up.
    turns.remove(0);
    let empty = Chain::ALL.iter().position(|chain| *chain == Chain::Empty).expect("the empty chain");
    let ratios = |which: usize| turns.iter().map(move |took| took[empty].as_secs_f64() / took[which].as_secs_f64());
    Chain::ALL.iter().enumerate().map(|(which, chain)| (*chain, median(ratios(which).collect()))).collect()
}

/// The time in which all tasks carry out their calls.
fn take_turn(runtime: &Runtime, client: &ClientWithMiddleware, template: &Arc<Template>) -> Duration {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (client, template) = (client.clone(), template.clone());
        let calls = async move {
            for _ in 0..CALLS_EACH {
                let response = client.execute(template.request()).await.expect("an answer");
                assert_eq!(response.status(), 200);
            }
        };
        tasks.spawn_on(calls, runtime.handle());
    }
    runtime.block_on(tasks.join_all());
    started.elapsed()
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
