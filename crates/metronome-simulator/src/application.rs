//! Executes calls: claims the key, applies the effect, stores the reply.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::task::{AbortHandle, JoinHandle};

use crate::account::Account;
use crate::call::Call;
use crate::keys::{Claim, Keys};
use crate::ledger::Ledger;
use crate::operation::Prepared;
use crate::reply::Reply;
use crate::runtime::{now, sleep};
use crate::scenario::{Execution, ExecutionEnd, Extent, FailedKey};

/// How often `settle` checks that nothing executes. It returns when two checks in a row agree.
const SETTLE_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Application {
    store: Mutex<Store>,
    running: Mutex<Vec<AbortHandle>>,
}

#[derive(Debug, Default)]
struct Store {
    keys: Keys,
    account: Account,
    /// The number of restarts. A call claimed before a restart has no effect after it.
    restarts: u64,
}

/// The claim of a call, and the number of restarts before it.
struct Ticket {
    claim: Claim,
    restarts: u64,
}

impl Application {
    /// Starts to execute on a task of its own, which continues if the client disconnects. The task returns `None` if a
    /// restart kills the execution.
    ///
    /// The key is claimed before this returns, unless the call is queued.
    pub(crate) fn start(self: &Arc<Self>, prepared: Prepared, execution: Execution) -> JoinHandle<Option<Reply>> {
        let application = Arc::clone(self);
        let task = if execution.queued.is_zero() {
            let ticket = self.claim(&prepared.call);
            tokio::spawn(async move { application.execute(prepared, ticket, execution).await })
        } else {
            tokio::spawn(async move {
                sleep(execution.queued).await;
                let ticket = application.claim(&prepared.call);
                application.execute(prepared, ticket, execution).await
            })
        };
        self.track(task.abort_handle());
        task
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.with_store(|store| store.account.ledger().clone())
    }

    /// Kills every execution that has not taken effect, and releases its key.
    pub(crate) fn restart(&self) {
        self.with_store(|store| {
            store.restarts += 1;
            store.keys.forget_claims();
        });
        for task in self.running().drain(..) {
            task.abort();
        }
    }

    pub(crate) fn prune_keys(&self) {
        self.with_store(|store| store.keys.prune());
    }

    pub(crate) fn retain_keys_for(&self, retention: Duration) {
        self.with_store(|store| store.keys.retain_for(retention));
    }

    /// From now on lists show a write only after this time.
    pub(crate) fn set_list_lag(&self, lag: Duration) {
        self.with_store(|store| store.account.set_list_lag(lag));
    }

    /// Waits until nothing executes.
    pub(crate) async fn settle(&self) {
        let mut was_idle = false;
        loop {
            let is_idle = self.running().iter().all(AbortHandle::is_finished);
            if was_idle && is_idle {
                return;
            }
            was_idle = is_idle;
            sleep(SETTLE_INTERVAL).await;
        }
    }

    fn track(&self, task: AbortHandle) {
        let mut running = self.running();
        running.retain(|task| !task.is_finished());
        running.push(task);
    }

    fn running(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, call: &Call) -> Ticket {
        self.with_store(|store| {
            let claim = match &call.key {
                Some(key) => store.keys.claim(key, call.parameters(), now()),
                None => Claim::Fresh,
            };
            Ticket { claim, restarts: store.restarts }
        })
    }

    async fn execute(&self, prepared: Prepared, ticket: Ticket, execution: Execution) -> Option<Reply> {
        match ticket.claim {
            Claim::Fresh => {
                sleep(execution.takes).await;
                self.with_store(|store| store.finish(&prepared, execution.end, ticket.restarts))
            }
            Claim::Replay(reply) => Some(reply),
            Claim::InProgress => Some(conflict(&prepared.call, "A request with this idempotency key is in progress")),
            Claim::Mismatch => {
                Some(conflict(&prepared.call, "This idempotency key was used with different parameters"))
            }
        }
    }

    /// Locks the store. The closure cannot await while it holds the lock.
    fn with_store<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        act(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store {
    /// Applies the effect and stores the reply in one step.
    fn finish(&mut self, prepared: &Prepared, end: ExecutionEnd, restarts: u64) -> Option<Reply> {
        // The restart released the key; another request may have claimed it since.
        if restarts != self.restarts {
            return None;
        }
        let reply = match end {
            ExecutionEnd::Completed => Some(self.account.execute(prepared)),
            ExecutionEnd::Failed(extent, _) => {
                match extent {
                    Extent::Nothing => {}
                    Extent::Part => self.account.execute_part(prepared),
                    Extent::Whole => {
                        self.account.execute(prepared);
                    }
                }
                Some(Reply::internal_error())
            }
            ExecutionEnd::Killed => None,
        };
        match (&prepared.call.key, &reply) {
            (Some(key), Some(_)) if matches!(end, ExecutionEnd::Failed(_, FailedKey::Stuck)) => {
                self.keys.leave_stuck(key, now());
            }
            (Some(key), Some(reply)) => self.keys.store(key, reply.clone(), now()),
            (Some(key), None) => self.keys.release(key),
            (None, _) => {}
        }
        reply
    }
}

fn conflict(call: &Call, message: &str) -> Reply {
    call.rejection(StatusCode::CONFLICT, message)
}
