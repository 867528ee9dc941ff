//! What happens when many callers of one process share one account and the service says 429, or falls over: this
//! crate's layer and other ways to retry, over a simulated clock.
//!
//! ```sh
//! cargo run --release --example herd                     # all tables
//! cargo run --release --example herd -- --svg herd.svg   # the figure
//! cargo run --release --example herd -- --help
//! ```
//!
//! Nothing is sent over a network and nobody waits: the clock of the runtime is paused, and jumps. The layers are the
//! real ones, each around the same simulated service. The same seed gives the same numbers.

mod aws;
mod clock;
mod error;
mod figure;
mod limits;
mod measure;
mod peer;
mod policies;
mod report;
mod service;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use crate::{error::BoxError, measure::Scenario, policies::Policy, service::Model};

const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

const HELP: &str = "\
Simulates a crowd of callers who share one account, with this crate's layer and with other ways to retry.

Usage: cargo run --release --example herd -- [OPTIONS]

Options:
      --calls <N>   How many calls come at once; 10000 unless given. An overload has 12 times as many.
      --seed <N>    Seed of the random numbers; 1 unless given.
      --json        Print a line of JSON for each run in place of the tables.
      --svg <PATH>  Draw the requests of safe-retry and reqwest-retry, second by second, and print nothing.
  -h, --help        Print this help.

Exit status: 0, 1 if something failed, 2 if the options are wrong.";

struct Options {
    calls: u64,
    seed: u64,
    output: Output,
}

enum Output {
    Help,
    Tables,
    Json,
    Figure(PathBuf),
}

fn main() -> ExitCode {
    let options = match options() {
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
        Output::Json => lines(&options),
        Output::Figure(path) => figure::draw(path, scenario(&options, Model::Window, ROUND_TRIPS[0])),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, BoxError> {
    use lexopt::prelude::*;

    let mut options = Options { calls: 10_000, seed: 1, output: Output::Tables };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => options.output = Output::Help,
            Long("calls") => options.calls = arguments.value()?.parse()?,
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("json") => options.output = Output::Json,
            Long("svg") => options.output = Output::Figure(arguments.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1..=100_000).contains(&options.calls) {
        return Err("--calls takes a number from 1 to 100000".into());
    }
    Ok(options)
}

fn scenario(options: &Options, model: Model, round_trip: Duration) -> Scenario {
    Scenario { model, round_trip, calls: options.calls, seed: options.seed }
}

fn scenarios(options: &Options) -> impl Iterator<Item = Scenario> {
    Model::ALL.into_iter().flat_map(move |model| ROUND_TRIPS.map(|round_trip| scenario(options, model, round_trip)))
}

fn tables(options: &Options) -> Result<(), BoxError> {
    println!("{}", report::INTRODUCTION);
    for scenario in scenarios(options) {
        report::print_heading(&scenario);
        for policy in Policy::ALL {
            report::print_row(policy, &scenario.figures(&scenario.run(policy)?));
        }
    }
    Ok(())
}

fn lines(options: &Options) -> Result<(), BoxError> {
    for scenario in scenarios(options) {
        for policy in Policy::ALL {
            report::print_json(&scenario, policy, &scenario.figures(&scenario.run(policy)?))?;
        }
    }
    Ok(())
}
