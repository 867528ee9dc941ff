//! The service, as the last middleware of a chain: it answers without a socket and notes when it was asked.
//!
//! A request arrives half a round trip after it was sent; it is admitted or refused there and then, and the answer
//! takes the other half. The service counts requests per second from the start of the run. A request whose caller
//! gives up arrives all the same.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Extensions, StatusCode, header::RETRY_AFTER};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{Error, Middleware, Next};
use reqwest_safe_retry::async_trait;

use crate::{
    admission::Admission,
    clock::{self, Clock, SeededRng, locked},
    scenario::Scenario,
};

/// What fails at random, each as often as the others; a tenth of it is refused.
const FAULTS: [StatusCode; 10] = [
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
    StatusCode::GATEWAY_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
];

#[derive(Clone, Debug)]
pub(crate) struct Service {
    clock: Clock,
    scenario: Scenario,
    faults: SeededRng,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    admission: Admission,
    arrivals: Vec<Duration>,
}

/// How many requests of a call may have been executed, as far as the caller knows: all but those that were refused. It
/// is among the extensions of the call's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsettled(Arc<AtomicU32>);

impl Unsettled {
    pub(crate) fn any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }

    fn sent(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn refused(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Service {
    pub(crate) const URL: &'static str = "http://service.invalid";

    pub(crate) fn new(scenario: Scenario, clock: Clock) -> Self {
        let state = State { admission: Admission::new(scenario.model), arrivals: Vec::new() };
        // Apart from the callers' random numbers: how often they draw changes no fault.
        let faults = SeededRng::new(!scenario.seed);
        Self { clock, scenario, faults, state: Arc::new(Mutex::new(state)) }
    }

    /// When requests arrived, in their order.
    pub(crate) fn arrivals(&self) -> Vec<Duration> {
        std::mem::take(&mut locked(&self.state).arrivals)
    }

    fn receive(&self) -> StatusCode {
        let Scenario { model, .. } = self.scenario;
        let now = self.clock.now();
        let mut state = locked(&self.state);
        state.arrivals.push(now);
        if now < model.outage() {
            StatusCode::SERVICE_UNAVAILABLE
        } else if !state.admission.admits(now) {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            self.fault().unwrap_or(StatusCode::OK)
        }
    }

    fn fault(&self) -> Option<StatusCode> {
        let share = self.scenario.model.faults();
        if share == 0.0 {
            return None;
        }
        // From 0.0 to 1.0 for those that fail.
        let place = self.faults.sample() / share;
        FAULTS.get((place * FAULTS.len() as f64) as usize).copied()
    }
}

#[async_trait]
impl Middleware for Service {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let Scenario { model, round_trip, .. } = self.scenario;
        let unsettled = extensions.get::<Unsettled>();
        unsettled.inspect(|unsettled| unsettled.sent());
        let status = Delivery::new(self).arrive().await;
        clock::sleep(model.execution()).await;
        clock::sleep(round_trip / 2).await;
        let mut answer = http::Response::builder().status(status).url(request.url().clone());
        if status == StatusCode::TOO_MANY_REQUESTS {
            unsettled.inspect(|unsettled| unsettled.refused());
            // The next second begins within one second; hints are whole ones, and a bucket has no better answer.
            answer = answer.header(RETRY_AFTER, "1");
        }
        answer.body(Body::default()).map(Response::from).map_err(Error::middleware)
    }
}

/// A request on its way, which arrives even if its caller gives up.
struct Delivery<'a> {
    service: &'a Service,
    arrives: Duration,
    arrived: bool,
}

impl<'a> Delivery<'a> {
    fn new(service: &'a Service) -> Self {
        let arrives = service.clock.now() + service.scenario.round_trip / 2;
        Self { service, arrives, arrived: false }
    }

    async fn arrive(mut self) -> StatusCode {
        self.service.clock.sleep_until(self.arrives).await;
        self.arrived = true;
        self.service.receive()
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if !self.arrived {
            let (service, arrives) = (self.service.clone(), self.arrives);
            tokio::spawn(async move {
                service.clock.sleep_until(arrives).await;
                service.receive();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn three_tenths_fail_and_a_tenth_of_them_is_refused() {
        let scenario = Scenario { model: Model::Noise, ..Scenario::first(1, 1) };
        let statuses = clock::simulated(|clock| async move {
            let service = Service::new(scenario, clock);
            (0..10_000).filter_map(|_| service.fault()).collect::<Vec<_>>()
        })
        .unwrap();
        assert!((2_850..3_150).contains(&statuses.len()), "{}", statuses.len());
        let refused = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
        assert!((250..350).contains(&refused), "{refused}");
        for fault in FAULTS {
            let [share, weight] = [&statuses[..], &FAULTS].map(|all| all.iter().filter(|one| **one == fault).count());
            assert!((260 * weight..340 * weight).contains(&share), "{fault}: {share}");
        }
    }
}
