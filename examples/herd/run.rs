//! Runs a scenario.

use std::time::Duration;

use reqwest::Response;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{Applied, ConfigError, Error};
use tokio::sync::mpsc;

use crate::{
    clock::{self, Clock},
    error::BoxError,
    policies::Policy,
    scenario::Scenario,
    service::{Service, Unsettled},
};

/// The times at which requests reached the service, in order, and how the calls ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) arrivals: Vec<Duration>,
    pub(crate) endings: Vec<Ending>,
}

/// How and when a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) came: Duration,
    pub(crate) ended: Duration,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    /// Failed, and the caller cannot tell whether it took effect.
    InDoubt,
}

impl Ending {
    pub(crate) fn succeeded(&self) -> bool {
        self.outcome == Outcome::Succeeded
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.outcome == Outcome::InDoubt
    }
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
        Ok(clock::simulated(|clock| self.calls(policy, clock))??)
    }

    async fn calls(self, policy: Policy, clock: Clock) -> Result<Run, ConfigError> {
        let service = Service::new(self, clock);
        let processes = policy.clients(self, &service, clock)?;
        let (ended, mut endings) = mpsc::unbounded_channel();
        for (number, process) in (0..self.crowd()).zip(processes.iter().cycle()) {
            let comes = self.model.comes(number, self.calls);
            if comes > clock.now() {
                clock.sleep_until(comes).await;
            }
            let call = Call::new(self, policy, process);
            let ended = ended.clone();
            tokio::spawn(async move {
                let came = clock.now();
                let outcome = call.outcome().await;
                // The receiver is there until the last sender is gone.
                let _ = ended.send(Ending { came, ended: clock.now(), outcome });
            });
        }
        drop(ended);
        let mut all = Vec::new();
        while let Some(ending) = endings.recv().await {
            all.push(ending);
        }
        Ok(Run { arrivals: service.arrivals(), endings: all })
    }
}

struct Call {
    request: RequestBuilder,
    /// After which the caller gives up; `None` if the policy does.
    timeout: Option<Duration>,
    write: bool,
    unsettled: Unsettled,
}

impl Call {
    fn new(scenario: Scenario, policy: Policy, process: &ClientWithMiddleware) -> Self {
        let write = scenario.model.writes();
        // What a client has to do without a key is not asked here: every policy may send it again.
        let request = if write { process.post(Service::URL).body("{}") } else { process.get(Service::URL) };
        let timeout = scenario.model.deadline().filter(|_| !policy.has_deadlines());
        Self { request, timeout, write, unsettled: Unsettled::default() }
    }

    async fn outcome(self) -> Outcome {
        let sent = self.request.with_extension(self.unsettled.clone()).send();
        let answer = match self.timeout {
            Some(timeout) => clock::within(timeout, sent).await,
            None => Some(sent.await),
        };
        match answer {
            Some(Ok(answer)) if answer.status().is_success() => Outcome::Succeeded,
            answer if self.write && is_in_doubt(&answer, &self.unsettled) => Outcome::InDoubt,
            _ => Outcome::Failed,
        }
    }
}

/// The layer says whether a write took effect; for other policies, what it sent does.
fn is_in_doubt(answer: &Option<reqwest_middleware::Result<Response>>, unsettled: &Unsettled) -> bool {
    match answer.as_ref().and_then(|answer| answer.as_ref().err()).and_then(Error::find) {
        Some(error) => error.applied() == Applied::Unknown,
        None => unsettled.any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn same_seed_is_the_same_run() {
        let run = |policy, seed| {
            let scenario = Scenario { model: Model::Noise, processes: 3, ..Scenario::first(200, seed) };
            scenario.run(policy).unwrap()
        };
        for policy in Policy::ALL {
            assert_eq!(run(policy, 1), run(policy, 1), "{}", policy.name());
            // The faults are others, even if the policy draws no numbers.
            assert_ne!(run(policy, 1), run(policy, 2), "{}", policy.name());
        }
    }

    #[test]
    fn processes_draw_different_numbers() {
        let scenario = Scenario { model: Model::Outage(60), processes: 10, ..Scenario::first(10, 1) };
        let mut arrivals = scenario.run(Policy::REQWEST_RETRY_UNLIMITED).unwrap().arrivals;
        arrivals.truncate(20);
        arrivals.dedup();
        assert!(arrivals.len() > 8, "first all at once, then each after a wait of its own: {arrivals:?}");
    }

    #[test]
    fn abandoned_writes_arrive_and_are_in_doubt() {
        let scenario = Scenario { model: Model::Deadline, round_trip: Duration::from_secs(6), ..Scenario::first(1, 1) };
        let run = scenario.run(Policy::REQWEST_RETRY_UNLIMITED).unwrap();
        assert!(run.endings.iter().all(Ending::is_in_doubt));
        // What the last 500 calls have sent is on its way when the last of them gives up.
        assert_eq!(run.arrivals.len(), run.endings.len() - 500);
    }

    #[test]
    fn refused_writes_are_not_in_doubt() {
        let scenario = Scenario { model: Model::Deadline, ..Scenario::first(1, 1) };
        let run = scenario.run(Policy::REQWEST_RETRY_UNLIMITED).unwrap();
        let failed = run.endings.iter().filter(|call| !call.succeeded()).count();
        let in_doubt = run.endings.iter().filter(|call| call.is_in_doubt()).count();
        assert!(failed > 300 && in_doubt < failed / 10, "{in_doubt} of {failed}");
    }
}
