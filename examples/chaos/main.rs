//! Thousands of writes and reads through a Metronome that fails in every way it can, with this crate's layer and with
//! what is used in its place. Every client meets the same faults; then what its callers were told is compared with what
//! truly took effect.
//!
//! ```sh
//! cargo run --release --example chaos
//! cargo run --release --example chaos -- --help
//! ```

#[path = "../accounts.rs"]
mod accounts;
mod audit;
mod client;
mod endpoint;
mod fault_mix;
#[path = "../lists.rs"]
mod lists;
mod load;
mod nested;
mod run;
mod verifier;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use console::style;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    audit::{Report, milliseconds},
    client::Kind,
    endpoint::BoxError,
    fault_mix::{FaultMix, shares},
    load::Load,
    run::run,
};

const HELP: &str = "\
Carries writes and reads through a simulated Metronome that fails on the way, 64 at a time, with five clients. Five calls
of a hundred are dropped by their caller within 60 ms, and within five of a hundred a middleware calls the service too.

Usage: cargo run --release --example chaos -- [OPTIONS]

Options:
      --writes <N>     Writes to carry: customers, seat deltas, balance entries and batches of events [default: 20000]
      --reads <N>      Reads to carry [default: 20000]
      --seed <N>       Seed of the faults; the same seed gives the same faults [default: 42]
      --fault-pct <N>  How many of a hundred attempts meet a fault, 0 to 100 [default: 26]
      --json           Print one object for each client and line
      --print-faults   Only print the faults, for the simulator as a program: POST them to /_simulator/faults
  -h, --help           Print this help

The clients:
  safe-retry              this crate's layer with a verifier: 5 attempts, a budget of 2,000
  safe-retry-no-verifier  the same without one
  reqwest-retry           RetryTransientMiddleware with 3 retries; no key is sent
  vendor-sdk-rules        2 retries after no answer, 408, 409, 429 and 5xx; no key is sent
  no-retry                one attempt

Exit status: 0; 1 if the layer has applied a write twice or lost one; or if it has, with 26 faults of a hundred or
fewer, succeeded with less than 99.5 % of the calls that were not dropped or left more than 0.1 % of the writes in doubt
with its verifier (99.0 % and 0.8 % without one), or left a write in doubt for want of time or budget; 2 if the options
are wrong.";

const FAULT_PCT: u8 = 26;

struct Options {
    load: Load,
    seed: u64,
    fault_pct: u8,
    json: bool,
    print_faults: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\nFor more, try --help.");
            return ExitCode::from(2);
        }
    };
    if options.print_faults {
        println!("{}", FaultMix { seed: options.seed, percent: options.fault_pct }.json());
        return ExitCode::SUCCESS;
    }
    match compare(&options).await {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for complaint in complaints {
                eprintln!("{} {complaint}", style("failed:").red().bold());
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// None where help is asked for.
fn options() -> Result<Option<Options>, BoxError> {
    use lexopt::prelude::*;

    let load = Load { writes: 20_000, reads: 20_000 };
    let mut options = Options { load, seed: 42, fault_pct: FAULT_PCT, json: false, print_faults: false };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("writes") => options.load.writes = arguments.value()?.parse()?,
            Long("reads") => options.load.reads = arguments.value()?.parse()?,
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("fault-pct") => options.fault_pct = arguments.value()?.parse()?,
            Long("json") => options.json = true,
            Long("print-faults") => options.print_faults = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if options.load.writes + options.load.reads == 0 {
        return Err("there is nothing to carry".into());
    }
    if options.fault_pct > 100 {
        return Err("--fault-pct is above 100".into());
    }
    Ok(Some(options))
}

/// Every client in turn; what there is to complain about.
async fn compare(options: &Options) -> Result<Vec<String>, BoxError> {
    let calls = options.load.writes + options.load.reads;
    let progress = progress_bar(calls * Kind::ALL.len())?;
    let mut complaints = Vec::new();
    if !options.json {
        progress.suspend(|| print_head(options));
    }
    for kind in Kind::ALL {
        progress.set_message(kind.name());
        let report = run(kind, options.load, options.seed, options.fault_pct, &progress).await?;
        progress.suspend(|| if options.json { print_json(&report) } else { print_row(&report) })?;
        complaints.extend(complaints_about(&report, options));
    }
    progress.finish_and_clear();
    Ok(complaints)
}

/// Drawn on a terminal only.
fn progress_bar(length: usize) -> Result<ProgressBar, BoxError> {
    let style = ProgressStyle::with_template("{spinner:.cyan} {wide_bar} {percent:>3}% {msg:<22} {eta}")?;
    let progress = ProgressBar::new(length as u64).with_style(style);
    progress.enable_steady_tick(Duration::from_millis(200));
    Ok(progress)
}

/// The layer's promises for every rate of faults, and its targets for the default rate or less.
fn complaints_about(report: &Report, options: &Options) -> Vec<String> {
    let name = report.kind.name();
    let is_layer = matches!(report.kind, Kind::SafeRetry | Kind::SafeRetryNoVerifier);
    let is_usual = options.fault_pct <= FAULT_PCT;
    let mut complaints = Vec::new();
    if is_layer {
        complaints.extend(report.failures.iter().map(|failure| format!("{name}: {failure}")));
    }
    if is_layer && is_usual {
        complaints.extend(report.unexplained.iter().map(|doubt| format!("{name}: {doubt}")));
    }
    let (succeeded_pct, in_doubt_per_mille) = match report.kind {
        Kind::SafeRetry => (99.5, 1),
        Kind::SafeRetryNoVerifier => (99.0, 8),
        _ => return complaints,
    };
    if is_usual && report.succeeded_pct() < succeeded_pct {
        complaints.push(format!("{name}: only {:.2} % succeeded", report.succeeded_pct()));
    }
    // One write of fewer than a thousand is more than 0.1 %.
    if is_usual && report.in_doubt > (in_doubt_per_mille * options.load.writes).div_ceil(1000) {
        complaints.push(format!("{name}: {:.2} % of the writes are in doubt", report.in_doubt_pct()));
    }
    complaints
}

fn print_head(options: &Options) {
    let Options { load, seed, fault_pct, .. } = options;
    println!(
        "{} writes and {} reads, 64 at a time; {fault_pct} of a hundred attempts meet a fault; seed {seed}",
        load.writes, load.reads
    );
    let shares: Vec<String> = shares().map(|(name, share)| format!("{name} {share:.1} %")).collect();
    for line in shares.chunks(5) {
        println!("  {}", style(line.join(", ")).dim());
    }
    println!();
    let head = format!(
        "{:<24}{:>11}{:>11}{:>15}{:>7}{:>11}{:>12}{:>9}{:>9}",
        "", "cancelled", "succeeded", "applied twice", "lost", "in doubt", "attempts", "p50 ms", "p99 ms"
    );
    println!("{}", style(head).dim());
}

fn print_row(report: &Report) -> io::Result<()> {
    let number = |number: usize, width: usize| {
        let text = style(format!("{number:>width$}"));
        if number == 0 { text.green() } else { text.red().bold() }
    };
    writeln!(
        io::stdout(),
        "{:<24}{:>11}{:>9.2} %{}{}{:>9.3} %{:>12.3}{:>9.1}{:>9.1}",
        report.kind.name(),
        report.cancelled,
        report.succeeded_pct(),
        number(report.twice, 15),
        number(report.lost, 7),
        report.in_doubt_pct(),
        report.attempts_per_call(),
        milliseconds(report.p50),
        milliseconds(report.p99),
    )
}

fn print_json(report: &Report) -> io::Result<()> {
    writeln!(io::stdout(), "{}", report.json())
}
