//! The simulator as a program. The crate's README lists what it does.

use std::process::ExitCode;
use std::time::Duration;

use metronome_simulator::{Faults, Metronome, Script};

type BoxError = Box<dyn std::error::Error>;

const HELP: &str = "\
A simulated Metronome billing API on 127.0.0.1, with faults on request. Serves until Ctrl-C or SIGTERM.

Usage: metronome-simulator [OPTIONS]

Options:
      --port <N>       Port [default: 4010; 0 for any free one]
      --token <T>      The bearer token to accept [default: metronome-simulator-token]
      --seed <N>       Seed of random faults; the same seed gives the same faults [default: 0]
      --fault-pct <N>  How many of a hundred requests meet a fault [default: 0]
      --script <FILE>  The faults of the first requests: a line each, such as `504 after` or `none`
      --list-lag <T>   Lists show a write only after this time, such as `500ms` [default: 0s]
  -h, --help           Print this help

Requests to the simulator itself, without a token. Bodies are text unless JSON is said:
  GET    /_simulator/ledger         The writes that took effect, as JSON
  GET    /_simulator/requests       The requests that arrived, with their faults, as JSON
  POST   /_simulator/script         Append these lines to the script
  POST   /_simulator/faults         Inject faults: {\"seed\": 1, \"percent\": 20, \"kinds\": [\"504 after\"]}; also
                                    only_writes, drawn_by_header, sparing_headers, sparing_paths
  DELETE /_simulator/faults         Remove the script and the injected faults
  POST   /_simulator/restart        Reset what executes; keys that execute are released
  POST   /_simulator/prune-keys     Forget all stored results
  POST   /_simulator/key-retention  Forget stored results after this time, such as `24h`
  POST   /_simulator/list-lag       Lists show a write only after this time
  POST   /_simulator/settle         Answers once nothing executes

Exit status: 0; 1 if the port is taken or the script cannot be read; 2 if the options are wrong.";

struct Options {
    port: u16,
    token: Option<String>,
    seed: u64,
    fault_pct: Option<f64>,
    script: Option<String>,
    list_lag: Duration,
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
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// None where help is asked for.
fn options() -> Result<Option<Options>, BoxError> {
    use lexopt::prelude::*;

    let mut options =
        Options { port: 4010, token: None, seed: 0, fault_pct: None, script: None, list_lag: Duration::ZERO };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("port") => options.port = arguments.value()?.parse()?,
            Long("token") => options.token = Some(arguments.value()?.string()?),
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("fault-pct") => options.fault_pct = Some(arguments.value()?.parse()?),
            Long("script") => options.script = Some(arguments.value()?.string()?),
            Long("list-lag") => options.list_lag = arguments.value()?.parse_with(humantime::parse_duration)?,
            other => return Err(other.unexpected().into()),
        }
    }
    if options.fault_pct.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        return Err("--fault-pct must be a number from 0 to 100".into());
    }
    Ok(Some(options))
}

async fn serve(options: Options) -> Result<(), BoxError> {
    let script = options.script.map(|file| read_script(&file)).transpose()?;
    // Waits for the signals before the port is open, so that none is lost.
    let stopped = stopped()?;
    let token = options.token.as_deref();
    let metronome = Metronome::start_on(options.port, token).await;
    let metronome = metronome.map_err(|error| format!("cannot listen on 127.0.0.1:{}: {error}", options.port))?;
    metronome.set_list_lag(options.list_lag);
    metronome.script(script.unwrap_or_default());
    if let Some(percent) = options.fault_pct {
        metronome.inject(Faults::seeded(options.seed).rate(percent / 100.0));
    }
    println!("listening on {} with the token {}", metronome.base_url(), metronome.token());
    stopped.await;
    Ok(())
}

fn read_script(file: &str) -> Result<Script, BoxError> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    text.parse().map_err(|error| format!("{file}: {error}").into())
}

/// Resolves at Ctrl-C or SIGTERM.
#[cfg(unix)]
fn stopped() -> Result<impl Future<Output = ()>, BoxError> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stopped() -> Result<impl Future<Output = ()>, BoxError> {
    Ok(async {
        // Without a handler the program is stopped by the system.
        let _ = tokio::signal::ctrl_c().await;
    })
}
