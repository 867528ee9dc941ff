//! Checks a file of services, and explains what the layer would do, without sending anything.
//!
//! ```sh
//! cargo run --features cli --bin safe-retry -- check services.toml
//! cargo run --features cli --bin safe-retry -- explain metronome POST /v1/contracts/create 500 --attempt 2
//! ```
//!
//! It uses what the library has for everybody, and nothing else.

mod choose;
mod failure;
mod file;
mod options;
mod report;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use reqwest_safe_retry::ServicesConfig;

use crate::{
    failure::Failure,
    options::{Command, HELP, Options, Question},
    report::{Report, Style},
};

fn main() -> ExitCode {
    let (json, done) = match Options::from_env() {
        Ok(options) => (options.json, run(&options.command)),
        Err(failure) => (false, Err(failure)),
    };
    match done {
        Ok(report) => exit(print(&report, json), 0),
        Err(Failure::Mistakes(report)) => exit(print(&report, json), 1),
        Err(Failure::Refused(message)) => {
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Help => Ok(Report::plain(HELP)),
        Command::Version => Ok(Report::plain(concat!("safe-retry ", env!("CARGO_PKG_VERSION")))),
        Command::Schema => Ok(Report::schema(ServicesConfig::json_schema())),
        Command::Check { file } => Ok(Report::checked(file, &file::read(file)?)),
        Command::Explain(question) => explain(question),
    }
}

fn explain(question: &Question) -> Result<Report, Failure> {
    let services = file::read_or_find(&question.services)?;
    let service = choose::service(&services, question)?;
    let explanation = service.explain(&question.method, &question.path, question.status, question.attempt);
    Ok(Report::explained(service, &explanation))
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match json {
        true => writeln!(stdout, "{:#}", report.json)?,
        false => report.write_text(&mut stdout, Style::of_stdout())?,
    }
    stdout.flush()
}

/// A broken pipe is not an error: `safe-retry ... | head` closes it early.
fn exit(printed: io::Result<()>, code: u8) -> ExitCode {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(2),
        _ => ExitCode::from(code),
    }
}
