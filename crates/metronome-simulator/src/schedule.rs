//! Chooses the fault of each request and remembers the requests.

use std::collections::VecDeque;

use crate::fault::Fault;
use crate::faults::Faults;
use crate::received::Received;
use crate::request::IncomingRequest;

/// How many requests are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    script: VecDeque<Option<Fault>>,
    faults: Option<Faults>,
    received: VecDeque<Received>,
}

impl Schedule {
    pub(crate) fn script(&mut self, steps: impl IntoIterator<Item = Option<Fault>>) {
        self.script.extend(steps);
    }

    pub(crate) fn inject(&mut self, faults: Faults) {
        self.faults = Some(faults);
    }

    pub(crate) fn script_left(&self) -> usize {
        self.script.len()
    }

    pub(crate) fn clear(&mut self) {
        self.script.clear();
        self.faults = None;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.iter().cloned().collect()
    }

    /// Chooses the fault of this request and records both.
    pub(crate) fn next_fault(&mut self, request: &IncomingRequest) -> Option<Fault> {
        let fault = match self.script.pop_front() {
            Some(step) => step,
            None => self.faults.as_mut().and_then(|faults| faults.draw(request)),
        };
        if self.received.len() == REMEMBERED {
            self.received.pop_front();
        }
        self.received.push_back(received(request, fault));
        fault
    }
}

fn received(request: &IncomingRequest, fault: Option<Fault>) -> Received {
    Received {
        method: request.method().clone(),
        path: request.path().to_owned(),
        idempotency_key: request.idempotency_key(),
        fault,
    }
}
