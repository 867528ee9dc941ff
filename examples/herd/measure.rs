//! One run, and what it comes to.

use std::time::Duration;

use reqwest_safe_retry::ConfigError;
use tokio::sync::mpsc;

use crate::{
    Failed,
    clock::{self, Clock, Dice},
    policies::Policy,
    service::{Model, Service},
};

/// The interval in which the largest burst is looked for.
const BURST: Duration = Duration::from_millis(100);

/// Who calls whom, over which distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) model: Model,
    pub(crate) round_trip: Duration,
    pub(crate) calls: u64,
    pub(crate) seed: u64,
}

/// What happened: when requests reached the service, in their order, and how the calls ended.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) arrivals: Vec<Duration>,
    endings: Vec<Ending>,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    came: Duration,
    ended: Duration,
    succeeded: bool,
}

/// What a run comes to. A number that does not exist, since no call succeeded, is `None`.
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

impl Course {
    /// When the last call ended.
    pub(crate) fn finished(&self) -> Duration {
        self.endings.iter().map(|call| call.ended).max().unwrap_or_default()
    }
}

impl Scenario {
    /// The whole crowd with one policy, from the first call to the end of the last one.
    pub(crate) fn run(self, policy: Policy) -> Result<Course, Failed> {
        Ok(clock::simulated(|clock| self.crowd(policy, clock))??)
    }

    async fn crowd(self, policy: Policy, clock: Clock) -> Result<Course, ConfigError> {
        let service = Service::new(self.model, self.round_trip, clock);
        let client = policy.client(service.clone(), clock, Dice::new(self.seed))?;
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
        Ok(Course { arrivals: service.arrivals(), endings: all })
    }

    pub(crate) fn figures(self, course: &Course) -> Figures {
        let mut waits: Vec<Duration> =
            course.endings.iter().filter(|call| call.succeeded).map(|call| call.ended - call.came).collect();
        waits.sort_unstable();
        let (calls, successes) = (course.endings.len(), waits.len());
        let floor = self.model.floor(calls as u64, successes as u64, self.round_trip);
        Figures {
            requests_per_success: (successes > 0).then(|| course.arrivals.len() as f64 / successes as f64),
            time_ratio: floor.map(|floor| course.finished().as_secs_f64() / floor.as_secs_f64()),
            failed_pct: 100.0 * (calls - successes) as f64 / calls as f64,
            peak_100ms: largest_burst(&course.arrivals),
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
