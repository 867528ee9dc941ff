//! The transport and the verifier: both look at the model of the service.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{Error, InDoubtWrite, SafeRetry, Verdict, Verifier};

use super::{
    URL,
    checks::{Ended, Told},
    delivery::{Delivery, Observed},
    faults::Errors,
    scenario::{Asked, Scenario},
    service::ServiceModel,
};
use crate::support::{clock::FixedClock, transport::unused};

/// What the layer has seen, with which of its keys, and the state of the service.
pub(super) type State = (Vec<(Observed, Option<usize>)>, ServiceModel);

/// The transport and the verifier of a scenario.
#[derive(Clone)]
pub(super) struct Simulation {
    scenario: Scenario,
    errors: Errors,
    call: Arc<Mutex<CallState>>,
}

/// The current call.
struct CallState {
    script: Vec<Delivery>,
    keys: Vec<String>,
    model: ServiceModel,
    observed: Vec<(Observed, Option<usize>)>,
    /// After each attempt.
    states: Vec<State>,
}

impl CallState {
    fn new(script: &[Delivery]) -> Self {
        let (script, model) = (script.to_vec(), ServiceModel::new());
        Self { script, keys: Vec::new(), model, observed: Vec::new(), states: Vec::new() }
    }

    fn arrive(&mut self, scenario: Scenario, key: Option<String>) -> Observed {
        let key = key.map(|key| self.number_of(key));
        let delivery = self.script.get(self.observed.len()).copied().unwrap_or(Delivery::Normal);
        let observed = self.model.arrive(scenario, delivery, key).at_attempt(self.observed.len());
        self.observed.push((observed, key));
        let merged = self.observed.iter().map(|(observed, key)| (observed.merged(scenario.keys), *key));
        self.states.push((merged.collect(), self.model.clone()));
        observed
    }

    fn number_of(&mut self, key: String) -> usize {
        self.keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.model.add_key();
            self.keys.len() - 1
        })
    }
}

impl Simulation {
    pub(super) fn new(scenario: Scenario, errors: &Errors) -> Self {
        Self { scenario, errors: errors.clone(), call: Arc::new(Mutex::new(CallState::new(&[]))) }
    }

    pub(super) fn client(&self) -> ClientWithMiddleware {
        let layer = SafeRetry::new([self.scenario.service(self.clone())]).clock(FixedClock::at(0.0));
        ClientBuilder::new(unused()).with(layer).with(self.clone()).build()
    }

    /// A call whose attempts are delivered so; those after the script are delivered normally.
    pub(super) async fn play(&self, client: &ClientWithMiddleware, script: &[Delivery]) -> Ended {
        *self.call.lock().unwrap() = CallState::new(script);
        let told = match client.post(URL).body(r#"{"id":"1"}"#).send().await {
            Ok(_) => Told::Success,
            Err(error) => {
                let error = Error::find(&error).expect("the layer's error");
                Told::Failure(error.stop(), error.applied())
            }
        };
        let mut call = self.call.lock().unwrap();
        let at_the_end = call.model.applied();
        call.model.settle(self.scenario);
        Ended {
            told,
            applied: [at_the_end, call.model.applied()],
            observed: call.observed.iter().map(|(observed, _)| *observed).collect(),
            keys: call.keys.len(),
            states: std::mem::take(&mut call.states),
        }
    }
}

#[async_trait]
impl Middleware for Simulation {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let observed = self.call.lock().unwrap().arrive(self.scenario, key);
        observed.response().ok_or_else(|| self.errors.of(observed))
    }
}

#[async_trait]
impl Verifier for Simulation {
    async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict {
        let applied = self.call.lock().unwrap().model.applied() > 0;
        match self.scenario.asked {
            // Longer than the layer waits.
            Asked::Slow => tokio::time::sleep(Duration::from_secs(11)).await,
            Asked::Unsure => return Verdict::Unknown,
            Asked::NoVerifier | Asked::Truthful => {}
        }
        if !applied {
            return Verdict::NotApplied;
        }
        Verdict::Applied((write.attempts().count() % 2 == 0).then(|| http::Response::new("found").into()))
    }
}
