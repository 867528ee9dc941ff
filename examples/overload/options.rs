//! The options of the command line.

use std::time::Duration;

use crate::{error::BoxError, scenario::Scenario, server::Behaviour};

pub(crate) const HELP: &str = "\
Sends more calls than a service can take, over real sockets, through this crate's layer with its defaults.

Usage: cargo run --release --example overload -- [OPTIONS]

Options:
      --scenario <NAME>    Only this scenario; may be given several times.
      --round-trip <MS>    How long the server takes for an answer in window; 20 unless given.
      --trace              Print what the limit does, ten times a second, to stderr.
      --json               Print a line of JSON for each scenario in place of the table.
  -h, --help               Print this help.

Scenarios:
  window  1,000 requests admitted a second, the others get 429 with Retry-After: 1; writes with a deadline of 2 s,
          1,600 a second for 8 s, then 500
  fixed   at most 16 in flight, which allows for about 750 a second; writes with a deadline of 1 s, 1,200 a second for
          5 s, then 600
  crowd   each request takes 1 s; 1,000 calls at once, then so many that 1,000 of them wait, which are given up in the
          order in which they came, then 8 more calls at once than the limit allows

Exit status: 0, 1 if a target was missed or something failed, 2 if the options are wrong.";

pub(crate) struct Options {
    pub(crate) task: Task,
    pub(crate) round_trip: Duration,
    pub(crate) trace: bool,
    pub(crate) json: bool,
    scenarios: Vec<Scenario>,
}

pub(crate) enum Task {
    Help,
    Measure,
    /// Be the server.
    Serve(Behaviour),
}

impl Options {
    pub(crate) fn from_env() -> Result<Self, BoxError> {
        use lexopt::prelude::*;

        let mut arguments = lexopt::Parser::from_env();
        let mut options = Self {
            task: Task::Measure,
            round_trip: Duration::from_millis(20),
            trace: false,
            json: false,
            scenarios: Vec::new(),
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Short('h') | Long("help") => options.task = Task::Help,
                Long("scenario") => options.scenarios.push(Scenario::of_name(&arguments.value()?.string()?)?),
                Long("round-trip") => options.round_trip = Duration::from_millis(arguments.value()?.parse()?),
                Long("trace") => options.trace = true,
                Long("json") => options.json = true,
                Long("server") => options.task = Task::Serve(arguments.value()?.parse()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    pub(crate) fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        Scenario::ALL.into_iter().filter(|scenario| self.scenarios.is_empty() || self.scenarios.contains(scenario))
    }
}
