//! One client's run against a simulator of its own.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;
use metronome_simulator::Metronome;
use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    audit::{Record, Report},
    client::{Client, Kind},
    endpoint::{BoxError, Endpoint},
    fault_mix::{FaultMix, KEY_RETENTION, RESTARTS},
    load::{ADD_ENTRY, Account, CREATE_CONTRACT, CUSTOMERS, Load, Message},
};

/// How many calls are under way at once.
const AT_ONCE: usize = 64;

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
    let accounts = accounts(&simulator).await?;
    simulator.retain_keys_for(KEY_RETENTION);
    simulator.inject(FaultMix { seed, percent }.faults());

    let client = Client::new(kind, &simulator)?;
    let calls = load.numbers().map(|number| {
        let (client, accounts) = (&client, &accounts);
        async move {
            let message = Message::new(number, accounts);
            let started = now();
            let ending = client.carry(&message).await;
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

async fn accounts(simulator: &Metronome) -> Result<Vec<Account>, BoxError> {
    let endpoint = Endpoint::spared(simulator)?;
    let mut accounts = Vec::with_capacity(ACCOUNTS);
    for number in 0..ACCOUNTS {
        let customer = create(&endpoint, CUSTOMERS, json!({ "name": format!("account-{number}") })).await?;
        let contract = json!({ "customer_id": customer, "starting_at": "2026-01-01T00:00:00Z" });
        let contract = create(&endpoint, CREATE_CONTRACT, contract).await?;
        // A balance exists from its first entry on.
        let opening = json!({
            "customer_id": customer, "id": "prepaid", "segment_id": "2026", "amount": 0, "reason": "opening",
        });
        post(&endpoint, ADD_ENTRY, opening).await?;
        accounts.push(Account { customer, contract });
    }
    Ok(accounts)
}

async fn create(endpoint: &Endpoint, path: &str, body: Value) -> Result<String, BoxError> {
    let answer: Value = post(endpoint, path, body).await?.json().await?;
    answer["data"]["id"].as_str().map(str::to_owned).ok_or_else(|| format!("{path} answered without an id").into())
}

async fn post(endpoint: &Endpoint, path: &str, body: Value) -> reqwest::Result<Response> {
    endpoint.http.post(endpoint.url(path)).json(&body).send().await?.error_for_status()
}

// The crate itself reads the clock in one file only; a program may where it likes.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
