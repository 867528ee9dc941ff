//! What is simulated: which models, with how many calls from how many processes.

use std::{fmt, time::Duration};

use crate::model::Model;

const FAST: Duration = Duration::from_millis(20);
const ROUND_TRIPS: [Duration; 2] = [FAST, Duration::from_millis(200)];
const MODELS: [Model; 7] =
    [Model::Window, Model::Bucket, Model::Outage(5), Model::Outage(60), Model::Overload, Model::Deadline, Model::Noise];
const FLEETS: [(Model, u64); 4] =
    [(Model::Window, 50), (Model::Window, 200), (Model::Outage(5), 50), (Model::Outage(5), 200)];

/// The service, the calls that are made to it, and the processes that make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) model: Model,
    pub(crate) round_trip: Duration,
    /// What was asked for; [`Scenario::crowd`] is what comes.
    pub(crate) calls: u64,
    pub(crate) processes: u64,
    pub(crate) seed: u64,
}

impl Scenario {
    /// 10,000 calls of one process to [`Model::Window`] unless given otherwise.
    pub(crate) fn first(calls: u64, seed: u64) -> Self {
        Self { model: Model::Window, round_trip: FAST, calls, processes: 1, seed }
    }

    /// All scenarios, with `calls` at once.
    pub(crate) fn all(calls: u64, seed: u64) -> Vec<Self> {
        let first = Self::first(calls, seed);
        let one_process =
            MODELS.into_iter().flat_map(|model| ROUND_TRIPS.map(|round_trip| Self { model, round_trip, ..first }));
        let slow = [calls.min(33), calls.div_ceil(10), calls].map(|calls| Self { model: Model::Slow, calls, ..first });
        let fleets = FLEETS.into_iter().flat_map(|(model, processes)| {
            ROUND_TRIPS.map(|round_trip| Self { model, processes, round_trip, ..first })
        });
        one_process.chain(slow).chain(fleets).collect()
    }

    /// How many calls come.
    pub(crate) fn crowd(self) -> u64 {
        self.model.calls(self.calls)
    }

    /// Whether the calls come from many processes.
    pub(crate) fn is_fleet(self) -> bool {
        self.processes > 1
    }
}

/// The name of the model, which those of a fleet share.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.model {
            Model::Window if self.is_fleet() => f.write_str("fleet"),
            model if self.is_fleet() => write!(f, "fleet-{model}"),
            model => model.fmt(f),
        }
    }
}
