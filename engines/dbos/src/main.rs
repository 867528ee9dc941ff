//! DBOS workflows that write to a service which fails, in processes that are killed; see README.md.

mod args;
mod audit;
mod billing;
mod postgres;
mod supervisor;
mod worker;
mod workflow;

use std::process::ExitCode;

use crate::args::{Command, HELP};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    match args::parse()? {
        Command::Help => print!("{HELP}"),
        Command::Worker(settings) => worker::run(settings).await?,
        Command::Supervise(options) => {
            let report = tokio::select! {
                report = supervisor::run(&options) => report?,
                _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            };
            report.print(options.is_json);
            if !report.holds() && !options.has_fresh_keys {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
