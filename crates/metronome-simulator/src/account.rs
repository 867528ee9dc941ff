//! The account, and the copy of it that lists are read from while they are behind.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::dispatch::{execute, read};
use crate::ledger::Ledger;
use crate::operation::Prepared;
use crate::reply::Reply;
use crate::runtime::{Instant, now, wall_clock};
use crate::state::State;

#[derive(Debug, Default)]
pub(crate) struct Account {
    state: State,
    replica: Option<Replica>,
}

/// A copy of the account that executes every write again, later. Execution depends on nothing but the account, the call
/// and its time, so the copy becomes the same.
#[derive(Debug)]
struct Replica {
    state: State,
    lag: Duration,
    /// What it has not executed yet, oldest first.
    writes: VecDeque<Executed>,
}

/// A write that was executed, or the part of it that was.
#[derive(Debug)]
struct Executed {
    write: Prepared,
    time: SystemTime,
    at: Instant,
}

impl Account {
    pub(crate) fn ledger(&self) -> &Ledger {
        self.state.ledger()
    }

    pub(crate) fn execute(&mut self, prepared: &Prepared) -> Reply {
        if !prepared.operation.is_write() {
            return self.read(prepared);
        }
        let time = wall_clock();
        self.replicate(prepared.clone(), time);
        execute(&mut self.state, prepared, time)
    }

    /// Applies the first part of a write. A write without parts is applied whole.
    pub(crate) fn execute_part(&mut self, whole: &Prepared) {
        if !whole.operation.is_write() {
            return;
        }
        let part = Prepared { call: self.state.part_of(&whole.call), operation: whole.operation };
        let (first, time) = (self.ledger().entries().len(), wall_clock());
        self.replicate(part.clone(), time);
        execute(&mut self.state, &part, time);
        if part.call.body != whole.call.body {
            self.state.mark_parts(first);
        }
    }

    pub(crate) fn set_list_lag(&mut self, lag: Duration) {
        match &mut self.replica {
            _ if lag.is_zero() => self.replica = None,
            Some(replica) => replica.lag = lag,
            None => self.replica = Some(Replica { state: self.state.clone(), lag, writes: VecDeque::new() }),
        }
    }

    fn read(&mut self, prepared: &Prepared) -> Reply {
        match self.replica.as_mut().filter(|_| prepared.operation.is_list()) {
            Some(replica) => {
                replica.catch_up();
                read(&replica.state, prepared)
            }
            None => read(&self.state, prepared),
        }
    }

    fn replicate(&mut self, write: Prepared, time: SystemTime) {
        if let Some(replica) = &mut self.replica {
            replica.catch_up();
            replica.writes.push_back(Executed { write, time, at: now() });
        }
    }
}

impl Replica {
    /// Executes the writes that are old enough.
    fn catch_up(&mut self) {
        let now = now();
        while self.writes.front().is_some_and(|write| now.saturating_duration_since(write.at) >= self.lag) {
            if let Some(executed) = self.writes.pop_front() {
                execute(&mut self.state, &executed.write, executed.time);
            }
        }
    }
}
