//! The options of the command line.

use std::{ops::RangeInclusive, path::PathBuf};

use crate::{error::BoxError, policies::Policy, scenario::Scenario};

pub(crate) const HELP: &str = "\
Simulates a crowd of callers who share one account, with this crate's layer and with other ways to retry.

Usage: cargo run --release --example herd -- [OPTIONS]

Options:
      --calls <N>      How many calls come at once; 10000 unless given. Where they arrive over time, that time grows with
                       it; slow runs with 33 of them, a tenth and all.
      --model <NAME>   Only this model; may be given several times.
      --policy <NAME>  Only this policy; may be given several times.
      --seed <N>       Seed of the random numbers; 1 unless given.
      --seeds <N>      Run the seeds 1 to N, and show the median and the worst of each figure.
      --json           Print a line of JSON for each scenario and policy in place of the tables.
      --svg <PATH>     Draw the requests of safe-retry and reqwest-retry, second by second, and print nothing: of the first
                       model that is asked for, or of window.
  -h, --help           Print this help.

Models: window, bucket, outage5, outage60, overload, deadline, noise, slow, fleet, fleet-outage5.
Policies: the names that the tables show.

Exit status: 0, 1 if something failed, 2 if the options are wrong.";

pub(crate) struct Options {
    pub(crate) calls: u64,
    pub(crate) seeds: RangeInclusive<u64>,
    pub(crate) output: Output,
    models: Vec<String>,
    policies: Vec<String>,
}

pub(crate) enum Output {
    Help,
    Tables,
    Json,
    Figure(PathBuf),
}

impl Options {
    pub(crate) fn from_env() -> Result<Self, BoxError> {
        Self::parse(lexopt::Parser::from_env())
    }

    fn parse(mut arguments: lexopt::Parser) -> Result<Self, BoxError> {
        use lexopt::prelude::*;

        let mut options =
            Self { calls: 10_000, seeds: 1..=1, output: Output::Tables, models: Vec::new(), policies: Vec::new() };
        while let Some(argument) = arguments.next()? {
            match argument {
                Short('h') | Long("help") => options.output = Output::Help,
                Long("calls") => options.calls = arguments.value()?.parse()?,
                Long("model") => options.models.push(arguments.value()?.parse()?),
                Long("policy") => options.policies.push(arguments.value()?.parse()?),
                Long("seed") => {
                    let seed = arguments.value()?.parse()?;
                    options.seeds = seed..=seed;
                }
                Long("seeds") => options.seeds = 1..=arguments.value()?.parse()?,
                Long("json") => options.output = Output::Json,
                Long("svg") => options.output = Output::Figure(arguments.value()?.into()),
                other => return Err(other.unexpected().into()),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<(), BoxError> {
        if !(1..=100_000).contains(&self.calls) {
            return Err("--calls takes a number from 1 to 100000".into());
        }
        if self.seeds.is_empty() {
            return Err("--seeds takes a number from 1".into());
        }
        let models: Vec<_> = Scenario::all(1, 1).iter().map(Scenario::to_string).collect();
        let policies: Vec<_> = Policy::ALL.iter().map(|policy| policy.name().to_owned()).collect();
        known("--model", &self.models, models)?;
        known("--policy", &self.policies, policies)
    }

    /// The first scenario that was asked for.
    pub(crate) fn first_scenario(&self) -> Scenario {
        let first = Scenario::first(self.calls, *self.seeds.start());
        let mut scenarios = Scenario::all(self.calls, *self.seeds.start()).into_iter();
        scenarios.find(|scenario| wanted(&self.models, &scenario.to_string())).unwrap_or(first)
    }

    /// The scenarios that were asked for, each with its policies.
    pub(crate) fn runs(&self) -> Vec<(Scenario, Policy)> {
        let scenarios = Scenario::all(self.calls, *self.seeds.start()).into_iter();
        let policies = |scenario: Scenario| Policy::ALL.into_iter().filter(move |policy| policy.suits(scenario));
        scenarios
            .filter(|scenario| wanted(&self.models, &scenario.to_string()))
            .flat_map(|scenario| policies(scenario).map(move |policy| (scenario, policy)))
            .filter(|(_, policy)| wanted(&self.policies, policy.name()))
            .collect()
    }
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

fn known(option: &str, names: &[String], mut all: Vec<String>) -> Result<(), BoxError> {
    all.dedup();
    match names.iter().find(|name| !all.contains(name)) {
        Some(name) => Err(format!("{option} does not take {name:?}; it takes {}", all.join(", ")).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, BoxError> {
        Options::parse(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn one_model_and_policy_are_one_run_for_each_round_trip() {
        let options = parse(&["--model", "deadline", "--policy", "oracle", "--seeds", "3"]).unwrap();
        let runs = options.runs();
        assert_eq!(runs.len(), 2);
        assert!(runs.iter().all(|(scenario, policy)| scenario.to_string() == "deadline" && *policy == Policy::Oracle));
        assert_eq!(options.seeds, 1..=3);
    }

    #[test]
    fn wrong_options_are_refused() {
        for wrong in
            [&["--calls", "0"][..], &["--seeds", "0"], &["--model", "slowly"], &["--policy", "none"], &["--runs", "1"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
