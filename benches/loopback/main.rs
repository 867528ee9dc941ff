//! What the layer costs beside its peers over real connections: throughput, CPU, latency, and the heap of calls that wait.
//!
//! ```sh
//! cargo bench -p benches --bench loopback
//! ```
//!
//! The server is a process of its own, so that what is measured is the client's. All chains take turns within one run, and
//! every figure is a ratio to the bare client's in the same turn: absolute times say little on a busy machine. Prints
//! Markdown and writes `target/loopback.json`.

#![allow(clippy::expect_used)] // A benchmark ends where something is wrong.

#[path = "../common/mod.rs"]
mod common;
mod instructions;
mod load;
mod report;
mod server;
mod waiting;

use std::{env, process::ExitCode};

use common::{Chain, Verb};

fn main() -> ExitCode {
    // Cargo says that it is a bench.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare(),
        ["--serve"] => server::serve(),
        ["--under-valgrind", chain, verb, base_url, calls] => {
            match (Chain::of_name(chain), Verb::of_name(verb), calls.parse()) {
                (Some(chain), Some(verb), Ok(calls)) => instructions::carry_out(chain, verb, base_url, calls),
                _ => return ExitCode::FAILURE,
            }
        }
        other => {
            eprintln!("unknown arguments: {other:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn compare() {
    let server = server::Server::start();
    let mut rows = Vec::new();
    for (at_once, calls) in [(1, 500), (64, 4_000), (1_000, 4_000)] {
        for verb in Verb::ALL {
            rows.extend(load::compare(server.base_url(), *verb, at_once, calls));
        }
    }
    let instructions = instructions::compare(server.base_url());
    let waiting = waiting::compare(server.base_url());
    println!("{}", report::tables(&rows, &instructions, &waiting));
    report::write_json(&rows, &instructions, &waiting).expect("a file in `target`");
}
