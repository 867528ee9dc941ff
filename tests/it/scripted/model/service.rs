//! The model of the service: what it stores under each key, and what took effect.

use super::{
    delivery::{Delivery, Observed},
    scenario::{KeyHandling, Repeat, Scenario},
};

/// How an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Execution {
    Succeeds,
    Fails { with_effect: bool },
    FailsTransiently,
    IsDeclined,
    LosesLock,
}

/// What is stored under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stored {
    Nothing,
    Running {
        completes: bool,
    },
    /// The effect of a failed execution, to be completed.
    HalfDone,
    Result(Observed),
}

impl Stored {
    /// What the same key gets; `None` if it is executed.
    pub(super) fn response(self, keys: KeyHandling) -> Option<Observed> {
        match self {
            Self::Nothing | Self::HalfDone => None,
            Self::Running { .. } if keys == KeyHandling::Signalled => {
                Some(Observed::Status { status: 409, message: "still running", transient: true, replayed: false })
            }
            Self::Running { .. } => Some(Observed::STILL_RUNNING),
            Self::Result(Observed::Status { status, message, transient, .. }) => {
                let replayed = keys == KeyHandling::ReplayAllMarked;
                Some(Observed::Status { status, message, transient, replayed })
            }
            Self::Result(observed) => Some(observed),
        }
    }
}

impl Execution {
    /// Its answer.
    pub(super) fn response(self) -> Observed {
        match self {
            Self::Succeeds => Observed::Success,
            Self::Fails { .. } => Observed::status(500, "failed"),
            Self::FailsTransiently => {
                Observed::Status { status: 500, message: "failed", transient: true, replayed: false }
            }
            Self::IsDeclined => Observed::status(402, "declined"),
            Self::LosesLock => Observed::status(409, "lost lock"),
        }
    }
}

/// An attempt that goes on although its client has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pending {
    key: Option<usize>,
    began: bool,
    outlives_call: bool,
}

/// The service. Keys are numbered in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServiceModel {
    stored: Vec<Stored>,
    applied: u32,
    recognises_repeats: bool,
    pending: Vec<Pending>,
}

impl ServiceModel {
    pub(super) fn new() -> Self {
        Self { stored: Vec::new(), applied: 0, recognises_repeats: false, pending: Vec::new() }
    }

    /// How often the write took effect.
    pub(super) fn applied(&self) -> u32 {
        self.applied
    }

    pub(super) fn add_key(&mut self) {
        self.stored.push(Stored::Nothing);
    }

    /// Everything still under way arrives.
    pub(super) fn settle(&mut self, scenario: Scenario) {
        while !self.pending.is_empty() {
            self.land(scenario, 0);
        }
    }

    pub(super) fn arrive(&mut self, scenario: Scenario, delivery: Delivery, key: Option<usize>) -> Observed {
        let due = self.pending.iter().filter(|pending| !pending.outlives_call).count();
        let observed = self.deliver(scenario, delivery, key);
        for _ in 0..due {
            let place = self.pending.iter().position(|pending| !pending.outlives_call).unwrap();
            self.land(scenario, place);
        }
        observed
    }

    fn deliver(&mut self, scenario: Scenario, delivery: Delivery, key: Option<usize>) -> Observed {
        use Execution::{Fails, FailsTransiently, IsDeclined, LosesLock, Succeeds};
        let gateway = Observed::status(504, "gateway");
        let mut execute = |execution| self.execute(scenario, key, execution);
        match delivery {
            Delivery::Normal => return execute(Succeeds),
            Delivery::FailedBefore => return execute(Fails { with_effect: false }),
            Delivery::FailedAfter => return execute(Fails { with_effect: true }),
            Delivery::FailedTransiently => return execute(FailsTransiently),
            Delivery::LostLock => return execute(LosesLock),
            Delivery::LostAfter | Delivery::GatewayAfter => _ = execute(Succeeds),
            Delivery::FailedAfterLost => _ = execute(Fails { with_effect: true }),
            Delivery::DeclinedLost => _ = execute(IsDeclined),
            Delivery::Running => self.go_on(scenario, Pending { key, began: true, outlives_call: false }),
            Delivery::RunningAfterCall => self.go_on(scenario, Pending { key, began: true, outlives_call: true }),
            Delivery::Delayed => self.go_on(scenario, Pending { key, began: false, outlives_call: false }),
            Delivery::DelayedAfterCall => self.go_on(scenario, Pending { key, began: false, outlives_call: true }),
            Delivery::Throttled => return Observed::status(429, "too many"),
            Delivery::Unauthorized => return Observed::status(401, "unauthorized"),
            Delivery::NotSent => return Observed::NotSent,
            Delivery::LostBefore | Delivery::GatewayBefore => {}
        }
        if matches!(delivery, Delivery::GatewayBefore | Delivery::GatewayAfter) { gateway } else { Observed::Lost }
    }

    fn go_on(&mut self, scenario: Scenario, pending: Pending) {
        if pending.began {
            if self.stored_result(scenario, pending.key).is_some() {
                return;
            }
            if let Some(key) = pending.key {
                self.stored[key] = Stored::Running { completes: self.stored[key] == Stored::HalfDone };
            }
        }
        self.pending.push(pending);
    }

    fn land(&mut self, scenario: Scenario, place: usize) {
        let Pending { key, began, .. } = self.pending.remove(place);
        if let Some(key) = key.filter(|_| began) {
            let completes = self.stored[key] == Stored::Running { completes: true };
            self.stored[key] = if completes { Stored::HalfDone } else { Stored::Nothing };
        }
        self.execute(scenario, key, Execution::Succeeds);
    }

    fn stored_result(&self, scenario: Scenario, key: Option<usize>) -> Option<Observed> {
        self.stored[key?].response(scenario.keys)
    }

    fn execute(&mut self, scenario: Scenario, key: Option<usize>, execution: Execution) -> Observed {
        if let Some(observed) = self.stored_result(scenario, key) {
            return observed;
        }
        let half_done = key.is_some_and(|key| self.stored[key] == Stored::HalfDone);
        if scenario.repeat == Repeat::Refused && self.recognises_repeats && !half_done {
            return Observed::EXISTS;
        }
        if matches!(execution, Execution::Succeeds | Execution::Fails { with_effect: true }) && !half_done {
            self.take_effect(scenario.repeat);
        }
        self.recognises_repeats |= self.applied > 0;
        let observed = execution.response();
        if let Some(key) = key {
            self.stored[key] = store(scenario.keys, self.stored[key], execution, observed);
        }
        observed
    }

    fn take_effect(&mut self, repeat: Repeat) {
        match repeat {
            Repeat::Nothing => {}
            Repeat::SameState => self.applied = 1,
            Repeat::Deduplicated if self.recognises_repeats => {}
            Repeat::Deduplicated | Repeat::Refused | Repeat::Doubles => self.applied += 1,
        }
    }
}

/// What is stored under a key after an execution.
pub(super) fn store(keys: KeyHandling, before: Stored, execution: Execution, observed: Observed) -> Stored {
    match (keys, execution) {
        (KeyHandling::ResourceKey, Execution::Succeeds | Execution::Fails { with_effect: true }) => {
            Stored::Result(Observed::EXISTS)
        }
        (KeyHandling::ReplaySuccess, Execution::Fails { with_effect: true }) => Stored::HalfDone,
        (KeyHandling::InvalidatedByError, Execution::Fails { .. }) => Stored::Result(Observed::UNUSABLE),
        (KeyHandling::LockedByError, Execution::Fails { .. }) => Stored::Result(Observed::STILL_RUNNING),
        (_, Execution::Succeeds) => Stored::Result(observed),
        (_, Execution::FailsTransiently) => before,
        (keys, _) if keys.stores_errors() => Stored::Result(observed),
        _ => before,
    }
}
