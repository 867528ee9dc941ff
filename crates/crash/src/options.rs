//! The options of the command line.

use crate::{endpoint::BoxError, mode::Mode, worker::Settings};

pub(crate) const HELP: &str = "\
Lets worker processes send writes to a simulated Metronome that fails, kills them meanwhile, and compares what they
reported with what took effect.

Usage: cargo run --release -p crash -- [OPTIONS]

Options:
      --operations <N>  Writes to send in each mode [default: 2000]
      --kills <N>       How often a worker is killed in each mode [default: 200]
      --workers <N>     Worker processes at once [default: 4]
      --seed <N>        Seed of the faults and of the kills [default: 42]
      --mode <NAME>     Only this mode; may be given several times
      --postgres <URL>  Play journal-postgres too, with this database
      --json            Print one object for each mode
  -h, --help            Print this help

The modes:
  journal-sqlite    operations, and a journal in SQLite
  journal-postgres  operations, and a journal in PostgreSQL; only with --postgres
  operations-only   operations without a journal
  random-keys       neither, for contrast: each run of a job has a key of its own

A job queue runs each job until its worker has reported an end, and again, up to six times, if that end is in doubt.

  applied twice  operations that took effect more than once
  lost           operations reported as applied that did not take effect, or as not applied that did
  in doubt       operations of which the last run could not say it; a journal must list exactly these

Exit status: 0; 1 if an operation is applied twice or lost in a mode other than random-keys, if the journal does not
list what is in doubt, or if something failed; 2 if the options are wrong.";

pub(crate) enum Task {
    Help,
    Play(Plan),
    Work(Settings),
}

/// What is to be played.
pub(crate) struct Plan {
    pub(crate) operations: usize,
    pub(crate) kills: usize,
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) json: bool,
    /// The address of a database.
    pub(crate) postgres: Option<String>,
    modes: Vec<Mode>,
}

impl Task {
    pub(crate) fn from_env() -> Result<Self, BoxError> {
        let mut arguments = lexopt::Parser::from_env();
        let is_worker = arguments.raw_args()?.peek().is_some_and(|first| first == "worker");
        if is_worker { worker(&mut arguments).map(Self::Work) } else { plan(&mut arguments) }
    }
}

fn plan(arguments: &mut lexopt::Parser) -> Result<Task, BoxError> {
    use lexopt::prelude::*;

    let mut plan =
        Plan { operations: 2000, kills: 200, workers: 4, seed: 42, json: false, postgres: None, modes: Vec::new() };
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Task::Help),
            Long("operations") => plan.operations = arguments.value()?.parse()?,
            Long("kills") => plan.kills = arguments.value()?.parse()?,
            Long("workers") => plan.workers = arguments.value()?.parse()?,
            Long("seed") => plan.seed = arguments.value()?.parse()?,
            Long("mode") => plan.modes.push(mode(&arguments.value()?.string()?)?),
            Long("postgres") => plan.postgres = Some(arguments.value()?.string()?),
            Long("json") => plan.json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if plan.operations == 0 || plan.workers == 0 {
        return Err("there is nothing to carry, or no worker".into());
    }
    if plan.modes.contains(&Mode::JournalPostgres) && plan.postgres.is_none() {
        return Err("journal-postgres needs --postgres".into());
    }
    Ok(Task::Play(plan))
}

/// How the supervisor starts its workers.
fn worker(arguments: &mut lexopt::Parser) -> Result<Settings, BoxError> {
    use lexopt::prelude::*;

    let (mut mode_name, mut number, mut journal) = (String::new(), 0, None);
    let [mut base_url, mut token, mut scope] = [const { String::new() }; 3];
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(_) => {}
            Long("mode") => mode_name = arguments.value()?.string()?,
            Long("number") => number = arguments.value()?.parse()?,
            Long("base-url") => base_url = arguments.value()?.string()?,
            Long("token") => token = arguments.value()?.string()?,
            Long("scope") => scope = arguments.value()?.string()?,
            Long("journal") => journal = Some(arguments.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Settings { mode: mode(&mode_name)?, number, base_url, token, scope, journal })
}

fn mode(name: &str) -> Result<Mode, BoxError> {
    Mode::of_name(name).ok_or_else(|| format!("there is no mode {name:?}").into())
}

impl Plan {
    pub(crate) fn modes(&self) -> impl Iterator<Item = Mode> {
        let is_possible = |mode: &Mode| *mode != Mode::JournalPostgres || self.postgres.is_some();
        let modes = Mode::ALL.into_iter().filter(is_possible);
        modes.filter(|mode| self.modes.is_empty() || self.modes.contains(mode))
    }
}
