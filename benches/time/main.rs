//! How long a call takes without a socket, beside the peers; only differences within one run mean something.
//!
//! ```sh
//! cargo bench -p benches --bench time
//! ```

#![allow(clippy::expect_used)] // A benchmark ends where something is wrong.

#[path = "../common/canned.rs"]
mod canned;
#[path = "../common/mod.rs"]
mod common;

use std::time::Duration;

use canned::Case;
use common::{Chain, Template, Verb};
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    calls(&mut criterion);
    criterion.final_summary();
}

fn calls(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    for (case, verb) in [(Case::Ok, Verb::Get), (Case::Ok, Verb::Post), (Case::UnknownHost, Verb::Get)] {
        let mut group = criterion.benchmark_group(format!("{} {}", verb.name(), case.name()));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        let template = Template::of(verb, canned::HOST);
        for chain in Chain::ALL {
            let client = runtime.block_on(async { canned::client(*chain, case) });
            group.bench_function(chain.name(), |bencher| {
                bencher.iter(|| runtime.block_on(client.execute(template.request())).expect("an answer"));
            });
        }
        group.finish();
    }
}
