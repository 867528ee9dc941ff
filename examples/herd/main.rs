//! What happens when many callers share one account and the service says 429, or falls over: this crate's layer and
//! other ways to retry, over a simulated clock.
//!
//! ```sh
//! cargo run --release --example herd                     # all tables
//! cargo run --release --example herd -- --svg herd.svg   # a figure
//! cargo run --release --example herd -- --model fleet --svg fleet.svg
//! cargo run --release --example herd -- --model deadline --policy safe-retry --seeds 5
//! cargo run --release --example herd -- --help
//! ```
//!
//! Nothing is sent over a network and nobody waits: the clock of the runtime is paused, and jumps. The layers are the
//! real ones, each around the same simulated service. The same seed gives the same numbers.
//!
//! Every policy runs in every model, except where its line would show nothing new:
//! - in `slow` nothing fails, so neither budgets nor retries count, and aws-adaptive stays off until it is throttled
//! - in `deadline` 2 s leave no time for more than the 3 retries of reqwest-retry
//! - in `fleet` what knows of no other call is as it is in one process: reqwest-retry without a semaphore, safe-retry
//!   without its limit; and only there can a limit be shared

mod admission;
mod aws;
mod clock;
mod error;
mod figure;
mod fleet;
mod json;
mod limits;
mod measure;
mod model;
mod options;
mod oracle;
mod parallel;
mod peer;
mod policies;
mod report;
mod run;
mod scenario;
mod seeds;
mod service;

use std::process::ExitCode;

use crate::{
    error::BoxError,
    options::{HELP, Options, Output},
    policies::Policy,
    scenario::Scenario,
    seeds::OverSeeds,
};

fn main() -> ExitCode {
    let options = match Options::from_env() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\nFor more, try --help.");
            return ExitCode::from(2);
        }
    };
    let done = match &options.output {
        Output::Help => {
            println!("{HELP}");
            Ok(())
        }
        Output::Tables => tables(&options),
        Output::Json => each_run(&options, json::print_line),
        Output::Figure(path) => figure::draw(path, options.first_scenario()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tables(options: &Options) -> Result<(), BoxError> {
    println!("{}", report::INTRODUCTION);
    let seeds = options.seeds.clone().count();
    let mut last = None;
    each_run(options, |scenario, policy, figures| {
        if last.replace(*scenario) != Some(*scenario) {
            report::print_heading(scenario, seeds);
        }
        report::print_row(scenario, policy, figures);
        Ok(())
    })
}

/// Runs all that was asked for, and hands the figures on.
fn each_run(
    options: &Options,
    mut each: impl FnMut(&Scenario, Policy, &OverSeeds) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let figures = |&(scenario, policy): &(Scenario, Policy)| {
        let seeds = options.seeds.clone().map(|seed| Scenario { seed, ..scenario });
        let all: Result<Vec<_>, BoxError> =
            seeds.map(|scenario| Ok(scenario.figures(&scenario.run(policy)?))).collect();
        OverSeeds::new(&all?).ok_or_else(|| BoxError::from("no seed"))
    };
    parallel::in_order(&options.runs(), figures, |(scenario, policy), figures| each(scenario, *policy, &figures?))
}
