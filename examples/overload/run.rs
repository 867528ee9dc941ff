//! Plays a scenario, and looks at the limit meanwhile.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest_safe_retry::Health;

use crate::{
    client::{Call, Client},
    clock,
    error::BoxError,
    load::{self, Load},
    scenario::{ADMITTED, FIXED, Scenario, Stream},
    server::Server,
};

const LONGEST: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 100;
/// How long it is measured what a fixed limit allows for.
const MEASURED_FOR: Duration = Duration::from_secs(2);
/// How often the limit is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// A scenario that was played.
pub(crate) struct Run {
    /// None if all calls came at once.
    pub(crate) stream: Option<Stream>,
    /// How many calls could succeed in a second, however many come.
    pub(crate) possible: f64,
    pub(crate) calls: Vec<Call>,
    /// By how much the latest call came late.
    pub(crate) latest: Duration,
    pub(crate) requests: u64,
    pub(crate) samples: Vec<Sample>,
}

/// What is seen of the limit at a moment.
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) health: Health,
    /// How many requests were sent since the load began.
    pub(crate) sent: u64,
}

pub(crate) async fn play(scenario: Scenario, round_trip: Duration) -> Result<Run, BoxError> {
    let server = Server::start(scenario.behaviour(round_trip))?;
    let client = Client::new(scenario, server.base_url())?;
    let run = clock::within(LONGEST, run(scenario, &client)).await;
    run.map_err(|error| format!("{}: {error}", scenario.name()))?
}

async fn run(scenario: Scenario, client: &Client) -> Result<Run, BoxError> {
    client.open(CONNECTIONS).await?;
    let possible = match scenario {
        Scenario::Window => ADMITTED as f64,
        Scenario::Fixed => client.possible(FIXED, MEASURED_FOR).await?,
        Scenario::Crowd => f64::INFINITY,
    };
    let began = clock::now();
    let samples = Arc::<Mutex<Vec<Sample>>>::default();
    let looking = tokio::spawn(look(client.clone(), began, samples.clone()));
    let stream = scenario.stream();
    let Load { calls, latest } = match stream {
        Some(stream) => load::stream(client, began, stream).await?,
        None => load::crowds(client, began).await?,
    };
    looking.abort();
    let samples = std::mem::take(&mut *samples.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Run { stream, possible, calls, latest, requests: client.sent(), samples })
}

async fn look(client: Client, began: Instant, samples: Arc<Mutex<Vec<Sample>>>) {
    loop {
        let sample = Sample { at: began.elapsed(), health: client.service.health(), sent: client.sent() };
        samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        clock::sleep(LOOKS_EVERY).await;
    }
}
