//! The command line.

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
Runs DBOS workflows that write to a simulated Metronome, kills their processes, and compares what they reported with
what took effect.

    dbos-engine [--operations N] [--kills N] [--workers N] [--seed N] [--postgres URL] [--fresh-keys] [--json]

--operations N   workflows, each with one write (200)
--kills N        how many times a worker is killed (60)
--workers N      worker processes (3)
--seed N         of the faults (42)
--postgres URL   a server to use; without it a private one is started
--fresh-keys     for contrast: no operation, so that each run of a step has a new key
--json           one JSON object instead of text

Ends with 0 if no write was applied twice or lost, with 1 otherwise, with 2 if it could not run.
";

pub(crate) enum Command {
    Help,
    Supervise(Options),
    Worker(WorkerSettings),
}

pub(crate) struct Options {
    pub(crate) operations: usize,
    pub(crate) kills: usize,
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) postgres: Option<String>,
    pub(crate) has_fresh_keys: bool,
    pub(crate) is_json: bool,
}

/// What a worker is started with.
#[derive(Clone, Default)]
pub(crate) struct WorkerSettings {
    pub(crate) postgres: String,
    pub(crate) metronome: String,
    pub(crate) token: String,
    pub(crate) executor: String,
    /// Names this run of the program, so that nothing is taken up from an earlier one in the same database.
    pub(crate) run: String,
    pub(crate) has_fresh_keys: bool,
}

impl WorkerSettings {
    /// The arguments that give these settings.
    pub(crate) fn to_args(&self) -> Vec<String> {
        let named = [
            ("--postgres", &self.postgres),
            ("--metronome", &self.metronome),
            ("--token", &self.token),
            ("--executor", &self.executor),
            ("--run", &self.run),
        ];
        let mut args = vec!["worker".to_owned()];
        args.extend(named.into_iter().flat_map(|(name, value)| [name.to_owned(), value.clone()]));
        args.extend(self.has_fresh_keys.then(|| "--fresh-keys".to_owned()));
        args
    }
}

pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut parser = Parser::from_env();
    let mut options = Options {
        operations: 200,
        kills: 60,
        workers: 3,
        seed: 42,
        postgres: None,
        has_fresh_keys: false,
        is_json: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(command) if command == "worker" => return Ok(Command::Worker(worker(&mut parser)?)),
            Arg::Long("operations") => options.operations = parser.value()?.parse()?,
            Arg::Long("kills") => options.kills = parser.value()?.parse()?,
            Arg::Long("workers") => options.workers = parser.value()?.parse::<usize>()?.max(1),
            Arg::Long("seed") => options.seed = parser.value()?.parse()?,
            Arg::Long("postgres") => options.postgres = Some(parser.value()?.string()?),
            Arg::Long("fresh-keys") => options.has_fresh_keys = true,
            Arg::Long("json") => options.is_json = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Supervise(options))
}

fn worker(parser: &mut Parser) -> Result<WorkerSettings, lexopt::Error> {
    let mut settings = WorkerSettings::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("postgres") => settings.postgres = parser.value()?.string()?,
            Arg::Long("metronome") => settings.metronome = parser.value()?.string()?,
            Arg::Long("token") => settings.token = parser.value()?.string()?,
            Arg::Long("executor") => settings.executor = parser.value()?.string()?,
            Arg::Long("run") => settings.run = parser.value()?.string()?,
            Arg::Long("fresh-keys") => settings.has_fresh_keys = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(settings)
}
