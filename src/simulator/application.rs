//! Executes calls: claims the key, lets the effect take place, stores the answer.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use tokio::task::JoinHandle;

use super::admission::Call;
use super::answer::Answer;
use super::books::Books;
use super::fault::{Execution, Moment};
use super::keys::{Claim, Keys};
use super::ledger::Ledger;
use super::pause::pause;

#[derive(Debug, Default)]
pub(super) struct Application {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: Keys,
    books: Books,
}

impl Application {
    /// Begins to execute on a task of its own, which the client's going away does not end.
    ///
    /// The key is claimed before this returns, unless the call is queued first.
    pub(super) fn begin(self: &Arc<Self>, call: Call, execution: Execution) -> JoinHandle<Answer> {
        let application = Arc::clone(self);
        if execution.queued.is_zero() {
            let claim = self.claim(&call);
            return tokio::spawn(async move { application.go_on(call, claim, execution).await });
        }
        tokio::spawn(async move {
            pause(execution.queued).await;
            let claim = application.claim(&call);
            application.go_on(call, claim, execution).await
        })
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.with(|state| state.books.ledger().clone())
    }

    fn claim(&self, call: &Call) -> Claim {
        match &call.key {
            Some(key) => self.with(|state| state.keys.claim(key, call.parameters())),
            None => Claim::Fresh,
        }
    }

    async fn go_on(&self, call: Call, claim: Claim, execution: Execution) -> Answer {
        match claim {
            Claim::Fresh => {
                pause(execution.takes).await;
                self.with(|state| state.finish(&call, execution.breaks))
            }
            Claim::Replay(answer) => answer,
            Claim::InProgress => conflict(&call, "A request with this idempotency key is in progress"),
            Claim::Mismatch => conflict(&call, "This idempotency key was used with different parameters"),
        }
    }

    /// The lock's scope: what is done with the state cannot wait for anything.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn finish(&mut self, call: &Call, breaks: Option<Moment>) -> Answer {
        let answer = match breaks {
            None => self.books.execute(call),
            Some(Moment::Before) => Answer::broken(),
            Some(Moment::After) => {
                self.books.execute(call);
                Answer::broken()
            }
        };
        if let Some(key) = &call.key {
            self.keys.store(key, answer.clone());
        }
        answer
    }
}

fn conflict(call: &Call, message: &str) -> Answer {
    call.refusal(StatusCode::CONFLICT, message)
}
