//! What becomes of writes if their process is killed: workers send them to a simulated Metronome that fails, a
//! supervisor kills the workers at random moments and starts new ones, and at the end what they reported is compared
//! with what took effect.
//!
//! ```sh
//! cargo run --release -p crash
//! cargo run --release -p crash -- --help
//! ```

#[path = "../../../examples/accounts.rs"]
mod accounts;
mod audit;
mod clock;
mod endpoint;
mod faults;
mod host;
mod jobs;
mod journal;
mod killer;
#[path = "../../../examples/lists.rs"]
mod lists;
mod messages;
mod mode;
mod options;
mod pool;
mod supervisor;
mod verifier;
mod worker;
mod writes;

use std::process::ExitCode;

use crate::{
    audit::Report,
    endpoint::BoxError,
    options::{HELP, Plan, Task},
};

/// So many complaints are printed, of each mode.
const MOST_COMPLAINTS: usize = 10;

fn main() -> ExitCode {
    let task = match Task::from_env() {
        Ok(task) => task,
        Err(error) => {
            eprintln!("error: {error}\n\nFor more, try --help.");
            return ExitCode::from(2);
        }
    };
    let done = match task {
        Task::Help => {
            println!("{HELP}");
            Ok(true)
        }
        Task::Play(plan) => play(&plan),
        Task::Work(settings) => worker::run(settings).map(|()| true),
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

/// Plays the modes one after the other. Returns whether all promises were kept.
fn play(plan: &Plan) -> Result<bool, BoxError> {
    let mut are_kept = true;
    if !plan.json {
        print_head(plan);
    }
    for mode in plan.modes() {
        let report = supervisor::play(mode, plan).map_err(|error| format!("{}: {error}", mode.name()))?;
        if plan.json {
            println!("{}", report.json())
        } else {
            print_row(&report)
        }
        if !mode.is_promised() {
            continue;
        }
        for complaint in report.broken.iter().take(MOST_COMPLAINTS) {
            eprintln!("{}: {complaint}", mode.name());
        }
        if report.kills < plan.kills {
            eprintln!("{}: only {} of {} kills", mode.name(), report.kills, plan.kills);
        }
        are_kept &= report.broken.is_empty() && report.kills >= plan.kills;
    }
    Ok(are_kept)
}

fn print_head(plan: &Plan) {
    let Plan { operations, workers, seed, .. } = plan;
    println!("{operations} operations in each mode, {workers} workers at once; seed {seed}\n");
    let columns = ["kills", "applied twice", "lost", "in doubt", "runs", "seconds"];
    println!("{:<18}{}", "", columns.map(|column| format!("{column:>15}")).concat());
}

fn print_row(report: &Report) {
    let Report { kills, twice, lost, in_doubt, runs, .. } = report;
    let numbers = [kills, twice, lost, in_doubt, runs].map(|number| format!("{number:>15}")).concat();
    println!("{:<18}{numbers}{:>15.1}", report.mode.name(), report.took.as_secs_f64());
    let killed = &report.killed;
    println!("  runs of operations that were killed   {:>6}", killed.runs());
    println!("    before a request was received       {:>6}", killed.before_the_first_request);
    println!("    a request received, not answered    {:>6}", killed.request_unanswered);
    println!("    between two requests                {:>6}", killed.between_requests);
    println!("    after the verifier had asked        {:>6}", killed.after_a_question);
    if report.mode.has_journal() {
        println!("    after a second key was received     {:>6}", killed.second_key_sent);
        println!("    second key recorded, not yet sent   {:>6}", killed.second_key_unsent);
    }
}
