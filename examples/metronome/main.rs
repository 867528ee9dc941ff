//! A billing story carried through a Metronome that fails in every way it can, by a client with the layer and by a
//! client that retries as the vendor's SDKs do. Both send the very same bodies and meet the same faults; then what
//! each of them believes is compared with what truly took effect.
//!
//! ```sh
//! cargo run --example metronome            # against a simulator on loopback, about 10 s
//! cargo run --example metronome -- --help  # against an account of your own
//! ```
//!
//! [`verifier`] and [`lists`] are the parts to copy: they show how to find out whether a write took effect, and when to
//! say "unknown".

mod audit;
mod client;
mod endpoint;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod fooled;
#[path = "../lists.rs"]
mod lists;
mod naive;
mod story;
mod timeline;
mod verifier;

use std::{env, process::ExitCode, time::Duration};

use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use metronome_simulator::Metronome;
use reqwest_safe_retry::{Applied, RetryPolicy};

use crate::{
    audit::{Record, Row},
    client::{Client, Ending, Layered, quick_policy},
    endpoint::{BoxError, Endpoint},
    naive::Naive,
    story::{CREATE_CONTRACT, Ids, Message, Step, TIMEOUT, story},
};

const TOKEN: &str = "METRONOME_API_TOKEN";

const HELP: &str = "\
Carries a billing story through a simulated Metronome that fails on the way, with the layer and without.

Usage: cargo run --example metronome -- [OPTIONS]

Options:
      --base-url <URL>  Send to this Metronome account instead, for example https://api.metronome.com:
                        reads only, no faults, no audit. The token is taken from METRONOME_API_TOKEN.
      --write           With --base-url: first create a customer and a contract (named \"Example ...\"),
                        and leave them there. Nothing else is written: seat edits, balance entries and
                        events are for the simulator alone.
  -h, --help            Print this help.

Exit status: 0, 1 if the layer's audit is not clean or something failed, 2 if the options are wrong.";

enum Options {
    Help,
    Simulator,
    Account { base_url: String, token: String, write: bool },
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\nFor more, try --help.");
            return ExitCode::from(2);
        }
    };
    let done = match options {
        Options::Help => {
            println!("{HELP}");
            Ok(true)
        }
        Options::Simulator => compare().await,
        Options::Account { base_url, token, write } => visit(&base_url, &token, write).await,
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

fn options() -> Result<Options, BoxError> {
    use lexopt::prelude::*;

    let (mut base_url, mut write) = (None, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Options::Help),
            Long("base-url") => base_url = Some(arguments.value()?.string()?),
            Long("write") => write = true,
            other => return Err(other.unexpected().into()),
        }
    }
    match base_url {
        None if write => Err("--write goes with --base-url: the simulator is always written to".into()),
        None => Ok(Options::Simulator),
        Some(base_url) => {
            let token = env::var(TOKEN).ok().filter(|token| !token.is_empty());
            let token = token.ok_or_else(|| format!("--base-url needs the account's token in {TOKEN}"))?;
            Ok(Options::Account { base_url, token, write })
        }
    }
}

/// A client with a Metronome of its own.
struct Player<C> {
    simulator: Metronome,
    client: C,
    ids: Ids,
    records: Vec<Record>,
}

impl<C: Client> Player<C> {
    async fn new(client: impl FnOnce(Endpoint) -> Result<C, BoxError>) -> Result<Self, BoxError> {
        let simulator = Metronome::start().await?;
        let client = client(Endpoint::new(simulator.base_url(), simulator.token(), TIMEOUT)?)?;
        Ok(Self { simulator, client, ids: Ids::of_run("demo"), records: Vec::new() })
    }

    async fn play(&mut self, step: &Step) -> Result<Ending, BoxError> {
        self.simulator.script(step.faults.iter().copied().map(Some));
        let message = (step.message)(&self.ids);
        let mut ending = self.client.carry(&message).await?;
        match &ending.answer {
            Some(answer) => self.ids.learn(&message, answer),
            // It is known to be there, and its answer is lost: its uniqueness key leads to it.
            None if message.path == CREATE_CONTRACT && ending.applied == Applied::Yes => {
                let look_up = self.ids.list_contracts();
                let found = self.client.carry(&look_up).await?;
                self.ids.learn(&look_up, &found.answer.unwrap_or_default());
                ending.timeline.end("looked up");
            }
            None => {}
        }
        self.records.extend(message.writes().into_iter().map(|write| Record { write, told: ending.applied }));
        Ok(ending)
    }

    /// How the call went, and what the ledger says about it.
    fn show(&self, name: &str, step: &Step, ending: &Ending) {
        let effect = audit::effect(&(step.message)(&self.ids).writes(), &self.simulator.ledger());
        println!("  {}  {}{effect}", style(name).cyan(), ending.timeline);
    }

    fn audit(&self) -> Vec<Row> {
        audit::audit(&self.records, &self.simulator.ledger())
    }
}

const INTRODUCTION: &str = "\
Two clients send the same bodies to a simulated Metronome each, and meet the same faults.
  layer  this crate's layer: a key for every write, and a verifier that looks writes up
  naive  retries as the vendor's SDKs do: no key, 2 retries after no answer, 408, 409, 429 and 5xx,
         in a job that runs once more when its call has failed
Neither sends a uniqueness_key with the seat edits. Attempts time out after 0.7 s here, and the waits are short:
0.25 s, doubling. The layer's defaults: 0.5 s to 8 s, and 1 s to 20 s after a 429, with jitter.";

/// The story with both clients at once; whether the layer's audit is clean.
async fn compare() -> Result<bool, BoxError> {
    let mut layer = Player::new(|endpoint| Layered::new(endpoint, quick_policy(), Some(Duration::ZERO))).await?;
    let mut naive = Player::new(|endpoint| Ok(Naive { endpoint })).await?;
    println!("{INTRODUCTION}\n");

    let steps = story();
    let progress = progress_bar(steps.len())?;
    for step in &steps {
        progress.set_message(step.label);
        let (with, without) = tokio::try_join!(layer.play(step), naive.play(step))?;
        progress.suspend(|| {
            println!("{}: {}", style(step.label).bold(), step.scenario);
            layer.show("layer", step, &with);
            naive.show("naive", step, &without);
        });
        progress.inc(1);
    }
    progress.finish_and_clear();

    println!("\n{}", style("What truly took effect, by the simulators' ledgers").bold());
    let (layer, naive) = (layer.audit(), naive.audit());
    audit::print(&layer, &naive);
    let is_clean = audit::is_clean(&layer);
    if !is_clean {
        println!("\n{}", style("The layer's audit is not clean.").red().bold());
    }
    Ok(is_clean)
}

/// Drawn on a terminal only.
fn progress_bar(length: usize) -> Result<ProgressBar, BoxError> {
    let style = ProgressStyle::with_template("{spinner:.cyan} {pos}/{len} {msg}")?;
    let progress = ProgressBar::new(length as u64).with_style(style);
    progress.enable_steady_tick(Duration::from_millis(100));
    Ok(progress)
}

type Call = (&'static str, fn(&Ids) -> Message);

/// Calls to a real account; whether they went as they should.
async fn visit(base_url: &str, token: &str, write: bool) -> Result<bool, BoxError> {
    // The gateway answers after 29 s at the latest.
    let endpoint = Endpoint::new(base_url, token, Duration::from_secs(40))?;
    // Nothing says how far the lists of an account are behind.
    let layer = Layered::new(endpoint, RetryPolicy::new(), None)?;
    let mut ids = Ids::of_run(format!("{:016x}", fastrand::u64(..)));
    let start: &[Call] = if write {
        println!("Creates a customer and a contract named after run {}, and leaves them there.", ids.run);
        &[("create a customer", Ids::create_customer), ("create a contract", Ids::create_contract)]
    } else {
        println!("Reads only: nothing is written.");
        &[("list customers", Ids::list_customers)]
    };
    let reads: [Call; 2] = [("read a customer", Ids::read_customer), ("list its contracts", Ids::list_contracts)];
    for (label, message) in start.iter().chain(&reads) {
        let message = message(&ids);
        let ending = show_call(&layer, label, &message).await?;
        let Some(answer) = ending.answer else { return Ok(false) };
        ids.learn(&message, &answer);
        if ids.customer.is_empty() {
            println!("The account has no customers.");
            break;
        }
    }
    let missing = show_call(&layer, "read a customer that is not there", &ids.read_missing()).await?;
    Ok(missing.answer.is_none() && missing.applied == Applied::No)
}

async fn show_call(layer: &Layered, label: &str, message: &Message) -> Result<Ending, BoxError> {
    let ending = layer.carry(message).await?;
    println!("{}: {}", style(label).bold(), ending.timeline);
    Ok(ending)
}
