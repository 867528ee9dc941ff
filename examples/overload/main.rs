//! What happens to writes with a deadline when more calls come than a service can take: this crate's layer against a
//! real server on loopback.
//!
//! ```sh
//! cargo run --release --example overload                      # the table
//! cargo run --release --example overload -- --scenario fixed --trace
//! cargo run --release --example overload -- --help
//! ```
//!
//! The server is a process of its own. Calls come by the clock, whether earlier ones have ended or not. Everything but
//! the deadline, the header of the keys and, in `fixed`, the limit is the layer's default. All times are real: the machine
//! should have nothing else to do.

mod client;
mod clock;
mod error;
mod load;
mod measure;
mod options;
mod report;
mod run;
mod scenario;
mod server;

use std::process::ExitCode;

use crate::{
    error::BoxError,
    options::{HELP, Options, Task},
};

fn main() -> ExitCode {
    let options = match Options::from_env() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\nFor more, try --help.");
            return ExitCode::from(2);
        }
    };
    let done = match &options.task {
        Task::Help => {
            println!("{HELP}");
            Ok(true)
        }
        Task::Serve(behaviour) => server::serve(*behaviour).map(|()| true),
        Task::Measure => measure(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the scenarios one after the other. Returns whether all targets were reached.
fn measure(options: &Options) -> Result<bool, BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut missed = Vec::new();
    if !options.json {
        println!("{}", report::heading());
    }
    for scenario in options.scenarios() {
        let run = runtime.block_on(run::play(scenario, options.round_trip))?;
        let figures = measure::figures(&run);
        match options.json {
            true => println!("{}", report::json(scenario, &figures)?),
            false => println!("{}", report::row(scenario, &figures)),
        }
        if options.trace {
            report::trace(&run).for_each(|line| eprintln!("{line}"));
        }
        missed.extend(figures.missed().into_iter().map(|target| format!("{}: {target}", scenario.name())));
    }
    missed.iter().for_each(|target| eprintln!("missed: {target}"));
    Ok(missed.is_empty())
}
