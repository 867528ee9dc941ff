//! What the command line asks for.

use http::{Method, StatusCode};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::failure::Failure;

pub(crate) const HELP: &str = "\
Checks a file of services for reqwest-safe-retry, and explains what the layer would do. Nothing is sent.

Usage:
  safe-retry check <FILE>
  safe-retry explain <FILE or SERVICE> <METHOD> <PATH> <STATUS> [--attempt <N>] [--service <NAME>]
  safe-retry schema

Commands:
  check     Lists all mistakes of a file, each with its path
  explain   Tells what follows this status: the decision, the rule, and the page that documents it
  schema    Prints the JSON schema of the file, with which editors complete and check it

Arguments:
  <FILE>      A file of services: .toml, .json, .yaml or .yml
  <SERVICE>   The name of a shipped description, such as metronome
  <PATH>      The path after the service's base URL, such as /v1/contracts/create

Options:
  --attempt <N>      The attempt that got the status; the first is 1 [default: 1]
  --service <NAME>   The service of the file, where a path could belong to several
  --json             Print JSON
  -h, --help         Print this help
  -V, --version      Print the version

Colours are used on a terminal, unless NO_COLOR is set; CLICOLOR_FORCE=1 uses them anywhere.

Exit status:
  0   done; the file has no mistakes
  1   the file has mistakes: they are on stdout
  2   the command line is wrong, or a file or service that it names is not there: stderr says why";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) json: bool,
}

#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Schema,
    Check { file: String },
    Explain(Question),
}

/// What follows a status.
#[derive(Debug)]
pub(crate) struct Question {
    /// A file, or the name of a shipped description.
    pub(crate) services: String,
    pub(crate) service: Option<String>,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    pub(crate) attempt: u32,
}

impl Options {
    pub(crate) fn from_env() -> Result<Self, Failure> {
        let (mut words, mut json, mut attempt, mut service) = (Vec::new(), false, None, None);
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self { command: Command::Help, json: false }),
                Arg::Short('V') | Arg::Long("version") => return Ok(Self { command: Command::Version, json: false }),
                Arg::Long("json") => json = true,
                Arg::Long("attempt") => attempt = Some(parser.value()?.parse::<u32>()?),
                Arg::Long("service") => service = Some(parser.value()?.string()?),
                Arg::Value(word) => words.push(word.string()?),
                option => return Err(option.unexpected().into()),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = match &words[..] {
            ["explain", services, method, path, status] => {
                let (services, path) = ((*services).to_owned(), (*path).to_owned());
                let (method, status) = (parse_method(method)?, parse_status(status)?);
                let attempt = attempt.take().unwrap_or(1);
                Command::Explain(Question { services, service: service.take(), method, path, status, attempt })
            }
            ["check", file] => Command::Check { file: (*file).to_owned() },
            ["schema"] => Command::Schema,
            _ => return Err(usage(&words)),
        };
        if attempt.is_some() || service.is_some() {
            return Err(refused("--attempt and --service are options of `explain`"));
        }
        if let Command::Explain(question) = &command {
            question.check()?;
        }
        Ok(Self { command, json })
    }
}

impl Question {
    fn check(&self) -> Result<(), Failure> {
        if !self.path.starts_with('/') {
            let path = &self.path;
            return Err(refused(&format!(
                "{path:?} is not a path: give the part after the base URL, such as /v1/orders"
            )));
        }
        if self.attempt == 0 {
            return Err(refused("--attempt 0: the first attempt is 1"));
        }
        Ok(())
    }
}

fn parse_method(text: &str) -> Result<Method, Failure> {
    // Methods are case-sensitive, and all that are registered are in capitals.
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| refused(&format!("{text:?} is not a method")))
}

fn parse_status(text: &str) -> Result<StatusCode, Failure> {
    let status = text.parse::<u16>().ok().and_then(|number| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| refused(&format!("{text:?} is not a status: expected a number from 100 to 999")))
}

/// The command is missing or unknown, or its arguments are too few or too many.
fn usage(words: &[&str]) -> Failure {
    refused(&match words.first() {
        None => "no command: expected check, explain or schema".to_owned(),
        Some(&"check") => "`check` takes a file: safe-retry check services.toml".to_owned(),
        Some(&"explain") => "`explain` takes a file or a service, a method, a path and a status: \
                             safe-retry explain metronome POST /v1/contracts/create 500"
            .to_owned(),
        Some(&"schema") => "`schema` takes no arguments".to_owned(),
        Some(command) => format!("unknown command {command:?}: expected check, explain or schema"),
    })
}

fn refused(message: &str) -> Failure {
    Failure::Refused(format!("{message}\n\nFor more, try --help."))
}
