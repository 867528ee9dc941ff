//! The model of the service over the lives of several processes: it executes late, and forgets its keys.

use super::{
    super::{
        delivery::Observed,
        service::{Execution, Stored, store},
    },
    delivery::{Arrival, Delivery},
    scenario::{RETENTION, Scenario},
};

/// The time since the first process began, in milliseconds.
pub(super) type Millis = u64;

/// What is kept of a key, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct KeyRecord {
    stored: Stored,
    since: Option<Millis>,
}

/// A request as the service sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) key: Option<usize>,
    /// The process that has sent it.
    pub(super) life: usize,
    /// When it was sent.
    pub(super) sent: Millis,
    /// Until when it may be executed at the latest.
    pub(super) latest: Millis,
}

/// A request that is under way although its client has given up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    request: Request,
    began: bool,
    due: Millis,
    /// A caller was told that it never takes effect.
    is_denied: bool,
}

/// The service. Keys are numbered in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ServiceModel {
    keys: Vec<KeyRecord>,
    pending: Vec<Pending>,
    /// The processes whose requests took effect.
    applied_by: Vec<usize>,
    /// What a caller was told never to take effect did so.
    denied_took_effect: bool,
}

impl ServiceModel {
    /// How often the write took effect.
    pub(super) fn applied(&self) -> usize {
        self.applied_by.len()
    }

    /// How often it took effect by a request of this process.
    pub(super) fn applied_by(&self, life: usize) -> usize {
        self.applied_by.iter().filter(|by| **by == life).count()
    }

    pub(super) fn denied_took_effect(&self) -> bool {
        self.denied_took_effect
    }

    pub(super) fn add_key(&mut self) {
        self.keys.push(KeyRecord { stored: Stored::Nothing, since: None });
    }

    /// A caller was told that nothing that was sent takes effect: by this process, or by any.
    pub(super) fn deny(&mut self, life: Option<usize>) {
        for pending in &mut self.pending {
            pending.is_denied |= life.is_none_or(|life| pending.request.life == life);
        }
    }

    /// The process has recorded its end: what it has sent is not executed later than this.
    pub(super) fn ends_by(&mut self, life: usize, latest: Millis) {
        for pending in self.pending.iter_mut().filter(|pending| pending.request.life == life) {
            pending.due = pending.due.min(latest);
        }
    }

    /// What is due until now arrives, and what is old is forgotten.
    pub(super) fn pass_time(&mut self, scenario: Scenario, now: Millis) {
        while let Some(place) = (0..self.pending.len()).min_by_key(|place| self.pending[*place].due) {
            if self.pending[place].due > now {
                break;
            }
            self.land(scenario, place);
        }
        if scenario.forgets_keys() {
            for key in &mut self.keys {
                let is_old = key.since.is_some_and(|since| since + RETENTION <= now);
                if is_old && !matches!(key.stored, Stored::Running { .. }) {
                    *key = KeyRecord { stored: Stored::Nothing, since: None };
                }
            }
        }
    }

    /// Everything still under way arrives.
    pub(super) fn settled(&self, scenario: Scenario) -> Self {
        let mut settled = self.clone();
        let last = self.pending.iter().map(|pending| pending.due).max().unwrap_or_default();
        settled.pass_time(scenario, last);
        settled
    }

    /// The same at another time: only how long ago and how far ahead something is counts.
    pub(super) fn relative_to(&self, now: Millis) -> Self {
        let mut relative = self.clone();
        for key in &mut relative.keys {
            key.since = key.since.map(|since| now.saturating_sub(since));
        }
        for pending in &mut relative.pending {
            pending.due = pending.due.saturating_sub(now);
            (pending.request.sent, pending.request.latest) = (0, 0);
        }
        relative
    }

    pub(super) fn arrive(&mut self, scenario: Scenario, delivery: Delivery, request: Request) -> Observed {
        use Execution::{Fails, FailsTransiently, IsDeclined, LosesLock, Succeeds};
        let (key, life) = (request.key, request.life);
        let mut execute = |execution| self.execute(scenario, key, life, request.sent, execution);
        match delivery {
            Delivery::Normal => execute(Succeeds),
            Delivery::FailedBefore => execute(Fails { with_effect: false }),
            Delivery::FailedAfter => execute(Fails { with_effect: true }),
            Delivery::FailedTransiently => execute(FailsTransiently),
            Delivery::LostLock => execute(LosesLock),
            Delivery::Declined => execute(IsDeclined),
            Delivery::FailedUnseen => Observed::status(500, "failed"),
            Delivery::Unauthorized => Observed::status(401, "unauthorized"),
            Delivery::NotSent => Observed::NotSent,
            Delivery::LostBefore => Observed::Lost,
            Delivery::GatewayBefore => Observed::status(504, "gateway"),
            Delivery::LostAfter => {
                execute(Succeeds);
                Observed::Lost
            }
            Delivery::GatewayAfter => {
                execute(Succeeds);
                Observed::status(504, "gateway")
            }
            Delivery::Running(arrival) => self.go_on(scenario, request, arrival, true),
            Delivery::Delayed(arrival) => self.go_on(scenario, request, arrival, false),
        }
    }

    fn go_on(&mut self, scenario: Scenario, request: Request, arrival: Arrival, began: bool) -> Observed {
        if began {
            if self.stored(scenario, request.key).is_some() {
                return Observed::Lost;
            }
            if let Some(key) = request.key.filter(|_| scenario.locks) {
                let key = &mut self.keys[key];
                key.stored = Stored::Running { completes: key.stored == Stored::HalfDone };
                key.since.get_or_insert(request.sent);
            }
        }
        let due = match arrival {
            // Between the next attempt and the one after it.
            Arrival::Soon => request.sent + 1_500,
            Arrival::AtLast => request.latest - 1,
        };
        self.pending.push(Pending { request, began, due, is_denied: false });
        Observed::Lost
    }

    fn land(&mut self, scenario: Scenario, place: usize) {
        let Pending { request, began, due, is_denied } = self.pending.remove(place);
        let before = self.applied();
        match request.key.filter(|_| began) {
            Some(key) if scenario.locks => {
                let completes = self.keys[key].stored == Stored::Running { completes: true };
                self.keys[key].stored = if completes { Stored::HalfDone } else { Stored::Nothing };
            }
            // It began before whatever is stored by now.
            Some(key) => self.keys[key].stored = Stored::Nothing,
            None => {}
        }
        self.execute(scenario, request.key, request.life, due, Execution::Succeeds);
        self.denied_took_effect |= is_denied && self.applied() > before;
    }

    fn stored(&self, scenario: Scenario, key: Option<usize>) -> Option<Observed> {
        self.keys[key?].stored.response(scenario.keys)
    }

    fn execute(
        &mut self,
        scenario: Scenario,
        key: Option<usize>,
        life: usize,
        now: Millis,
        execution: Execution,
    ) -> Observed {
        if let Some(observed) = self.stored(scenario, key) {
            return observed;
        }
        let half_done = key.is_some_and(|key| self.keys[key].stored == Stored::HalfDone);
        if matches!(execution, Execution::Succeeds | Execution::Fails { with_effect: true }) && !half_done {
            self.applied_by.push(life);
        }
        let observed = execution.response();
        if let Some(key) = key {
            let key = &mut self.keys[key];
            key.stored = store(scenario.keys, key.stored, execution, observed);
            key.since.get_or_insert(now);
        }
        observed
    }
}
