//! Meets every request: picks its fault, lets it through or not, and decides what the client sees.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio::task::JoinHandle;

use super::admission::Arrival;
use super::answer::Answer;
use super::application::Application;
use super::fault::{Close, Course, Execution};
use super::ledger::Ledger;
use super::pause::pause;
use super::schedule::Schedule;

/// The bearer token that the simulator accepts.
pub(super) const TOKEN: &str = "metronome-simulator-token";

#[derive(Debug, Default)]
pub(super) struct Gateway {
    schedule: Mutex<Schedule>,
    application: Arc<Application>,
}

/// A call that was let through: refused at the door, or executing.
enum Progress {
    Refused(Answer),
    Running(JoinHandle<Answer>),
}

impl Gateway {
    /// Answers a request, or says how to close its connection.
    pub(super) async fn serve(&self, request: Request<Body>) -> Result<Response, Close> {
        let arrival = Arrival::read(request).await.ok_or(Close::Orderly)?;
        let is_write = arrival.is_write();
        let fault = self.with_schedule(|schedule| schedule.meet(arrival.received(), is_write));
        let course = fault.map_or(Course::HONEST, |fault| fault.course);
        self.follow(course, &arrival).await.map(Response::from)
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.application.ledger()
    }

    pub(super) fn with_schedule<T>(&self, act: impl FnOnce(&mut Schedule) -> T) -> T {
        act(&mut self.schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn follow(&self, course: Course, arrival: &Arrival) -> Result<Answer, Close> {
        match course {
            Course::Answered { execution, late } => {
                let answer = self.begin(arrival, execution).answer().await;
                pause(late).await;
                Ok(answer)
            }
            Course::Hidden { execution, seen } => {
                if let Some(execution) = execution {
                    self.execute_unseen(arrival, execution).await;
                }
                seen.answer()
            }
        }
    }

    /// A prompt effect has taken place when the client sees the fault; a slow one goes on behind it.
    async fn execute_unseen(&self, arrival: &Arrival, execution: Execution) {
        let progress = self.begin(arrival, execution);
        if execution.is_prompt() {
            progress.answer().await;
        }
    }

    fn begin(&self, arrival: &Arrival, execution: Execution) -> Progress {
        match arrival.admit(TOKEN) {
            Ok(call) => Progress::Running(self.application.begin(call, execution)),
            Err(refusal) => Progress::Refused(refusal),
        }
    }
}

impl Progress {
    async fn answer(self) -> Answer {
        match self {
            Self::Refused(answer) => answer,
            Self::Running(task) => task.await.unwrap_or_else(|_| Answer::broken()),
        }
    }
}
