//! Executes calls: claims the key, lets the effect take place, stores the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::task::{AbortHandle, JoinHandle};

use super::admission::Call;
use super::answer::Answer;
use super::books::Books;
use super::course::{End, Execution, Extent};
use super::keys::{Claim, Keys};
use super::ledger::Ledger;
use super::pause::{now, pause};

/// How long nothing must have been executing for the application to count as settled.
const QUIET: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(super) struct Application {
    state: Mutex<State>,
    running: Mutex<Vec<AbortHandle>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Keys,
    books: Books,
    /// How often the application was restarted: what was claimed before does not take effect afterwards.
    restarts: u64,
}

/// What a call found under its key, and after how many restarts.
struct Ticket {
    claim: Claim,
    restarts: u64,
}

impl Application {
    /// Begins to execute on a task of its own, which the client's going away does not end. No answer where a restart
    /// has ended the execution.
    ///
    /// The key is claimed before this returns, unless the call is queued first.
    pub(super) fn begin(self: &Arc<Self>, call: Call, execution: Execution) -> JoinHandle<Option<Answer>> {
        let application = Arc::clone(self);
        let task = if execution.queued.is_zero() {
            let ticket = self.claim(&call);
            tokio::spawn(async move { application.go_on(call, ticket, execution).await })
        } else {
            tokio::spawn(async move {
                pause(execution.queued).await;
                let ticket = application.claim(&call);
                application.go_on(call, ticket, execution).await
            })
        };
        self.note(task.abort_handle());
        task
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.with(|state| state.books.ledger().clone())
    }

    /// Ends every execution that has not taken effect, and forgets what it had claimed.
    pub(super) fn restart(&self) {
        self.with(|state| {
            state.restarts += 1;
            state.keys.forget_claims();
        });
        for task in self.running().drain(..) {
            task.abort();
        }
    }

    pub(super) fn prune_keys(&self) {
        self.with(|state| state.keys.prune());
    }

    pub(super) fn retain_keys_for(&self, retention: Duration) {
        self.with(|state| state.keys.retain_for(retention));
    }

    /// Waits until nothing executes.
    pub(super) async fn settle(&self) {
        let mut is_quiet = false;
        loop {
            let runs = self.running().iter().any(|task| !task.is_finished());
            if is_quiet && !runs {
                return;
            }
            is_quiet = !runs;
            pause(QUIET).await;
        }
    }

    fn note(&self, task: AbortHandle) {
        let mut running = self.running();
        running.retain(|task| !task.is_finished());
        running.push(task);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, call: &Call) -> Ticket {
        self.with(|state| {
            let claim = match &call.key {
                Some(key) => state.keys.claim(key, call.parameters(), now()),
                None => Claim::Fresh,
            };
            Ticket { claim, restarts: state.restarts }
        })
    }

    async fn go_on(&self, call: Call, ticket: Ticket, execution: Execution) -> Option<Answer> {
        match ticket.claim {
            Claim::Fresh => {
                pause(execution.takes).await;
                self.with(|state| state.finish(&call, execution.end, ticket.restarts))
            }
            Claim::Replay(answer) => Some(answer),
            Claim::InProgress => Some(conflict(&call, "A request with this idempotency key is in progress")),
            Claim::Mismatch => Some(conflict(&call, "This idempotency key was used with different parameters")),
        }
    }

    /// The lock's scope: what is done with the state cannot wait for anything.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Effect and stored answer in one step.
    fn finish(&mut self, call: &Call, end: End, restarts: u64) -> Option<Answer> {
        // The restart has forgotten the claim; by now the key may be another request's.
        if restarts != self.restarts {
            return None;
        }
        let answer = match end {
            End::Complete => Some(self.books.execute(call)),
            End::Broken(extent) => {
                match extent {
                    Extent::Nothing => {}
                    Extent::Part => self.books.execute_part(call),
                    Extent::Whole => {
                        self.books.execute(call);
                    }
                }
                Some(Answer::broken())
            }
            End::Forgotten => None,
        };
        match (&call.key, &answer) {
            (Some(key), Some(answer)) => self.keys.store(key, answer.clone(), now()),
            (Some(key), None) => self.keys.release(key),
            (None, _) => {}
        }
        answer
    }
}

fn conflict(call: &Call, message: &str) -> Answer {
    call.refusal(StatusCode::CONFLICT, message)
}
