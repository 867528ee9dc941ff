//! What the layer costs beside its peers, in instructions, allocations and bytes, without a socket.
//!
//! ```sh
//! cargo bench -p benches --bench cost
//! cargo bench -p benches --bench cost -- --check
//! ```
//!
//! Every chain of middleware carries the same calls to the same canned answers. Spans and metrics are not collected, except
//! in rows that say so. The library has its default features, and with `--features metrics` that one too. Prints a Markdown
//! table and writes `target/cost.json`. Instructions are counted by callgrind, where valgrind is installed. With `--check`
//! only some calls are measured, and it fails where the layer costs more of them than was agreed. `--only CASE` measures
//! one case.

#![allow(clippy::expect_used)] // A benchmark ends where something is wrong.

#[path = "../common/canned.rs"]
mod canned;
#[path = "../common/mod.rs"]
mod common;
mod measure;
mod report;
mod size;

use std::{
    env,
    process::{Command, ExitCode},
};

use canned::Case;
use common::{Chain, Verb};
use measure::Cost;

fn main() -> ExitCode {
    // With these set, every error that passes through a middleware notes where it was made, at a multiple of the cost.
    let backtraces = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];
    if backtraces.iter().any(|name| env::var_os(name).is_some_and(|value| value != "0")) {
        let without = env::current_exe().map(Command::new).and_then(|mut this| {
            for name in backtraces {
                this.env_remove(name);
            }
            this.args(env::args().skip(1)).status()
        });
        return if without.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // Cargo says that it is a bench.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare(|_| true),
        ["--only", case] if Case::of_name(case).is_some() => compare(|one| one.name() == *case),
        ["--check"] => check(),
        ["--under-valgrind", chain, case, verb] => {
            match (Chain::of_name(chain), Case::of_name(case), Verb::of_name(verb)) {
                (Some(chain), Some(case), Some(verb)) => {
                    measure::carry_out(chain, case, verb);
                    ExitCode::SUCCESS
                }
                _ => ExitCode::FAILURE,
            }
        }
        other => {
            eprintln!("unknown arguments: {other:?}");
            ExitCode::FAILURE
        }
    }
}

fn compare(is_wanted: impl Fn(Case) -> bool) -> ExitCode {
    let cases = Case::all().filter(|case| is_wanted(*case));
    let kinds = cases.flat_map(|case| Verb::ALL.iter().map(move |verb| (case, *verb)));
    let costs: Vec<Cost> = kinds
        .flat_map(|(case, verb)| Chain::ALL.iter().map(move |chain| measure::measure(*chain, case, verb)))
        .collect();
    println!("{}", report::table(&costs));
    match report::write_json(&costs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("target/cost.json was not written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> ExitCode {
    let mut within = size::check();
    for (case, verb, agreed) in report::AGREED {
        let [empty, layer] = [Chain::Empty, Chain::SafeRetry].map(|chain| measure::measure(chain, *case, *verb));
        within &= report::check(empty, layer, agreed);
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
