//! Which fault meets which request, and what has arrived.

use std::collections::VecDeque;

use http::Method;

use super::admission::Arrival;
use super::fault::Fault;
use super::faults::Faults;

/// How many of the last requests are remembered.
const REMEMBERED: usize = 10_000;

/// One request that arrived, and the fault that met it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The request's method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The `Idempotency-Key` as it came.
    pub idempotency_key: Option<String>,
    /// The fault that met the request, if one did.
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
pub(super) struct Schedule {
    script: VecDeque<Option<Fault>>,
    faults: Option<Faults>,
    received: VecDeque<Received>,
}

impl Schedule {
    pub(super) fn script(&mut self, steps: impl IntoIterator<Item = Option<Fault>>) {
        self.script.extend(steps);
    }

    pub(super) fn inject(&mut self, faults: Faults) {
        self.faults = Some(faults);
    }

    pub(super) fn script_left(&self) -> usize {
        self.script.len()
    }

    pub(super) fn clear(&mut self) {
        self.script.clear();
        self.faults = None;
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.iter().cloned().collect()
    }

    /// Chooses the fault for an arriving request and notes both.
    pub(super) fn meet(&mut self, arrival: &Arrival) -> Option<Fault> {
        let fault = match self.script.pop_front() {
            Some(step) => step,
            None => self.faults.as_mut().and_then(|faults| faults.draw(arrival)),
        };
        if self.received.len() == REMEMBERED {
            self.received.pop_front();
        }
        self.received.push_back(Received { fault, ..arrival.received() });
        fault
    }
}
