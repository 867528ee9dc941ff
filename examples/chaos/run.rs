//! One client's run against a simulator of its own.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;
use metronome_simulator::Metronome;

use crate::{
    accounts::create_accounts,
    audit::{Record, Report},
    client::{Client, Kind},
    endpoint::{BoxError, Endpoint, within},
    fault_mix::{FaultMix, KEY_RETENTION, LIST_LAG, RESTARTS},
    load::{Load, Message, Number},
};

/// How many calls are under way at once.
const AT_ONCE: usize = 64;

/// So many calls of a hundred are dropped by their caller, within this time, if they have not ended by then.
const DROPPED_PCT: u64 = 5;
const DROPPED_WITHIN: Duration = Duration::from_millis(60);

/// The number of customers, created before the faults start.
const ACCOUNTS: usize = 16;

/// Carries the whole load, waits for what still executes, and looks at what truly took effect.
pub(crate) async fn run(
    kind: Kind,
    load: Load,
    seed: u64,
    percent: u8,
    progress: &ProgressBar,
) -> Result<Report, BoxError> {
    let simulator = Metronome::start().await?;
    let accounts = create_accounts(&Endpoint::spared(&simulator)?, ACCOUNTS).await?;
    simulator.retain_keys_for(KEY_RETENTION);
    simulator.set_list_lag(LIST_LAG);
    simulator.inject(FaultMix { seed, percent }.faults());

    let client = Client::new(kind, &simulator)?;
    let calls = load.numbers().map(|number| {
        let (client, accounts) = (&client, &accounts);
        async move {
            let message = Message::new(number, accounts);
            let started = now();
            // Dropped where it is: in the queue, during an attempt, in a wait, while a verifier is asked.
            let ending = within(dropped_after(number, seed), client.carry(&message)).await;
            Record { number, ending, took: started.elapsed() }
        }
    });
    let mut ended = stream::iter(calls).buffer_unordered(AT_ONCE);
    let mut records = Vec::with_capacity(load.writes + load.reads);
    let between_restarts = ((load.writes + load.reads) / (RESTARTS + 1)).max(1);
    while let Some(record) = ended.next().await {
        records.push(record);
        progress.inc(1);
        if records.len() % between_restarts == 0 {
            simulator.restart();
        }
    }
    drop(ended);
    simulator.settle().await;
    Ok(Report::new(kind, load, &records, client.sent(), &simulator.ledger()))
}

/// The time after which the caller drops the call: the same for every client.
fn dropped_after(number: Number, seed: u64) -> Duration {
    let (kind, number) = match number {
        Number::Write(number) => (0, number as u64),
        Number::Read(number) => (1, number as u64),
    };
    let mut random = fastrand::Rng::with_seed(seed ^ (2 * number + kind));
    match random.u64(..100) {
        ..DROPPED_PCT => DROPPED_WITHIN.mul_f64(random.f64()),
        _ => Duration::MAX,
    }
}

// The crate itself reads the clock in one file only; a program may where it likes.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
