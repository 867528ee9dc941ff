//! The simulated service, on a thread of this process.

use std::{sync::mpsc::Sender, time::Duration};

use http::request::Parts;
use metronome_simulator::{Ledger, Metronome, Stage};
use tokio::runtime::{Builder, Runtime};

use crate::{
    accounts::{Account, create_accounts},
    endpoint::{BoxError, Endpoint, OPERATION, SPARED, WORKER},
    faults::{faults, outage},
    supervisor::Event,
};

/// The number of customers that have contracts and balances.
const ACCOUNTS: usize = 32;

pub(crate) struct Host {
    pub(crate) metronome: Metronome,
    pub(crate) accounts: Vec<Account>,
    /// Last, so that it outlives the simulator.
    pub(crate) runtime: Runtime,
}

/// A request of a worker, as the service sees it.
pub(crate) struct Request {
    pub(crate) stage: Stage,
    pub(crate) worker: usize,
    pub(crate) operation: usize,
    /// None if it is one of the verifier.
    pub(crate) key: Option<String>,
}

impl Host {
    /// A service with accounts, and without faults.
    pub(crate) fn start() -> Result<Self, BoxError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (metronome, accounts) = runtime.block_on(async {
            let metronome = Metronome::start().await?;
            let endpoint = Endpoint::new(metronome.base_url(), metronome.token(), Duration::from_secs(5), &[])?;
            let accounts = create_accounts(&endpoint, ACCOUNTS).await?;
            Ok::<_, BoxError>((metronome, accounts))
        })?;
        Ok(Self { metronome, accounts, runtime })
    }

    /// From now on the requests of workers are reported.
    pub(crate) fn report(&self, events: Sender<Event>) {
        self.metronome.observe(move |stage, head| {
            // A supervisor that is gone does not need to know.
            let _ = request(stage, head).map(|request| events.send(Event::Request(request)));
        });
    }

    /// From now on requests meet faults.
    pub(crate) fn fail(&self, seed: u64, is_outage: bool) {
        self.metronome.inject(if is_outage { outage() } else { faults(seed) });
    }

    /// What took effect, once nothing is executed any more.
    pub(crate) fn ledger(&self) -> Ledger {
        self.runtime.block_on(self.metronome.settle());
        self.metronome.ledger()
    }
}

fn request(stage: Stage, head: &Parts) -> Option<Request> {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name| text(name)?.parse().ok();
    let is_question = text(SPARED).is_some();
    let key = if is_question { None } else { Some(text("idempotency-key")?.to_owned()) };
    Some(Request { stage, worker: number(WORKER)?, operation: number(OPERATION)?, key })
}
