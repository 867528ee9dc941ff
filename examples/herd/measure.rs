//! Runs a scenario and computes its figures.

use std::time::Duration;

use reqwest_safe_retry::ConfigError;
use tokio::sync::mpsc;

use crate::{
    clock::{self, Clock, SeededRng},
    error::BoxError,
    policies::Policy,
    service::{Model, Service},
};

/// The interval of the largest burst.
const BURST: Duration = Duration::from_millis(100);

/// The calls of a run and the service that they are sent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) model: Model,
    pub(crate) round_trip: Duration,
    pub(crate) calls: u64,
    pub(crate) seed: u64,
}

/// The times at which requests reached the service, in order, and how the calls ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) arrivals: Vec<Duration>,
    endings: Vec<Ending>,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    came: Duration,
    ended: Duration,
    succeeded: bool,
}

/// The figures of a run. A figure is `None` if no call succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// All requests that reached the service, over the calls that succeeded.
    pub(crate) requests_per_success: Option<f64>,
    /// When the last call ended, over the earliest moment at which as many could have succeeded.
    pub(crate) time_ratio: Option<f64>,
    /// Calls that failed, of all calls.
    pub(crate) failed_pct: f64,
    /// The most requests in any interval of 100 ms.
    pub(crate) peak_100ms: usize,
    /// How long calls took that succeeded: the 99th percentile over the median.
    pub(crate) fairness: Option<f64>,
}

impl Run {
    /// When the last call ended.
    pub(crate) fn finished(&self) -> Duration {
        self.endings.iter().map(|call| call.ended).max().unwrap_or_default()
    }
}

impl Scenario {
    /// The whole crowd with one policy, from the first call to the end of the last one.
    pub(crate) fn run(self, policy: Policy) -> Result<Run, BoxError> {
        Ok(clock::simulated(|clock| self.crowd(policy, clock))??)
    }

    async fn crowd(self, policy: Policy, clock: Clock) -> Result<Run, ConfigError> {
        let service = Service::new(self.model, self.round_trip, clock);
        let client = policy.client(service.clone(), clock, SeededRng::new(self.seed))?;
        let (ended, mut endings) = mpsc::unbounded_channel();
        for call in 0..self.model.calls(self.calls) {
            let comes = self.model.comes(call);
            if comes > clock.now() {
                clock.sleep_until(comes).await;
            }
            // A read: every policy may send it again.
            let request = client.get(Service::URL);
            let ended = ended.clone();
            tokio::spawn(async move {
                let came = clock.now();
                let succeeded = request.send().await.is_ok_and(|answer| answer.status().is_success());
                // The receiver is there until the last sender is gone.
                let _ = ended.send(Ending { came, ended: clock.now(), succeeded });
            });
        }
        drop(ended);
        let mut all = Vec::new();
        while let Some(ending) = endings.recv().await {
            all.push(ending);
        }
        Ok(Run { arrivals: service.arrivals(), endings: all })
    }

    pub(crate) fn figures(self, run: &Run) -> Figures {
        let mut waits: Vec<Duration> =
            run.endings.iter().filter(|call| call.succeeded).map(|call| call.ended - call.came).collect();
        waits.sort_unstable();
        let (calls, successes) = (run.endings.len(), waits.len());
        let floor = self.model.floor(calls as u64, successes as u64, self.round_trip);
        Figures {
            requests_per_success: (successes > 0).then(|| run.arrivals.len() as f64 / successes as f64),
            time_ratio: floor.map(|floor| run.finished().as_secs_f64() / floor.as_secs_f64()),
            failed_pct: 100.0 * (calls - successes) as f64 / calls as f64,
            peak_100ms: largest_burst(&run.arrivals),
            fairness: quantile(&waits, 0.99)
                .zip(quantile(&waits, 0.5))
                .map(|(late, middle)| late.as_secs_f64() / middle.as_secs_f64()),
        }
    }
}

/// The most arrivals in any interval of [`BURST`].
fn largest_burst(arrivals: &[Duration]) -> usize {
    let mut first = 0;
    let mut largest = 0;
    for (last, arrival) in arrivals.iter().enumerate() {
        while arrivals[first] + BURST <= *arrival {
            first += 1;
        }
        largest = largest.max(last - first + 1);
    }
    largest
}

fn quantile(sorted: &[Duration], share: f64) -> Option<Duration> {
    let place = (sorted.len().checked_sub(1)? as f64 * share).round();
    sorted.get(place as usize).copied()
}
