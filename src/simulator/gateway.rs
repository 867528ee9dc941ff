//! Meets every request: picks its fault, lets it through or not, and decides what the client sees.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio::task::JoinHandle;

use super::admission::Arrival;
use super::answer::Answer;
use super::application::Application;
use super::course::{Course, Execution, Seen, Way};
use super::fault::Close;
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
    Running(JoinHandle<Option<Answer>>),
}

impl Gateway {
    /// Answers a request, or says how to close its connection.
    pub(super) async fn serve(&self, request: Request<Body>) -> Result<Response, Close> {
        let arrival = Arrival::read(request).await.ok_or(Close::Orderly)?;
        let fault = self.with_schedule(|schedule| schedule.meet(&arrival));
        let course = fault.map_or(Course::HONEST, |fault| fault.course);
        self.follow(course, &arrival).await
    }

    pub(super) fn application(&self) -> &Application {
        &self.application
    }

    pub(super) fn with_schedule<T>(&self, act: impl FnOnce(&mut Schedule) -> T) -> T {
        act(&mut self.schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn follow(&self, course: Course, arrival: &Arrival) -> Result<Response, Close> {
        match course {
            Course::Answered { execution, way } => self.answer(arrival, execution, way).await,
            Course::Hidden { execution, seen } => {
                if let Some(execution) = execution {
                    self.execute_unseen(arrival, execution).await;
                }
                show(seen).await.map(Response::from)
            }
        }
    }

    async fn answer(&self, arrival: &Arrival, execution: Execution, way: Way) -> Result<Response, Close> {
        let execution = match way {
            Way::Twice => {
                self.execute_unseen(arrival, execution).await;
                Execution::PROMPT
            }
            Way::Straight | Way::Late(_) | Way::Cut => execution,
        };
        // A restart takes the connections of what it ends with it.
        let answer = self.begin(arrival, execution).answer().await.ok_or(Close::Reset)?;
        match way {
            Way::Straight | Way::Twice => Ok(answer.into()),
            Way::Cut => Ok(answer.cut_short()),
            Way::Late(by) => {
                pause(by).await;
                Ok(answer.into())
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

/// What the client sees in place of the application's answer, or how its connection is closed.
async fn show(seen: Seen) -> Result<Answer, Close> {
    match seen {
        Seen::Gateway(status) => Ok(Answer::gateway(status)),
        Seen::Throttled(limit, retry_after) => Ok(Answer::throttled(limit, retry_after)),
        Seen::Closed(close) => Err(close),
        // The client's going away ends the connection, and this with it.
        Seen::Nothing => std::future::pending().await,
    }
}

impl Progress {
    /// No answer where a restart has ended the execution.
    async fn answer(self) -> Option<Answer> {
        match self {
            Self::Refused(answer) => Some(answer),
            Self::Running(task) => task.await.unwrap_or(None),
        }
    }
}
