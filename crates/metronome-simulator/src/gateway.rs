//! The gateway in front of the application: chooses the fault of each request and the response to the client.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio::task::JoinHandle;

use crate::application::Application;
use crate::close::Close;
use crate::observer::{Observer, Stage};
use crate::reply::Reply;
use crate::request::IncomingRequest;
use crate::runtime::sleep;
use crate::scenario::{Delivery, Execution, Replacement, Scenario};
use crate::schedule::Schedule;

/// The bearer token that the simulator accepts by default.
const TOKEN: &str = "metronome-simulator-token";

#[derive(Debug)]
pub(crate) struct Gateway {
    token: String,
    schedule: Mutex<Schedule>,
    observer: Observer,
    application: Arc<Application>,
}

/// The state of a call behind the gateway.
enum Progress {
    Rejected(Reply),
    Running(JoinHandle<Option<Reply>>),
}

impl Gateway {
    pub(crate) fn new(token: Option<&str>) -> Self {
        Self {
            token: token.unwrap_or(TOKEN).to_owned(),
            schedule: Mutex::default(),
            observer: Observer::default(),
            application: Arc::default(),
        }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Serves a request.
    ///
    /// # Errors
    /// Returns the response, or how to close the connection without one.
    pub(crate) async fn serve(&self, request: Request<Body>) -> Result<Response, Close> {
        let request = IncomingRequest::read(request).await.ok_or(Close::Orderly)?;
        if let Some(reply) = self.control(&request).await {
            return Ok(reply.into());
        }
        let fault = self.with_schedule(|schedule| schedule.next_fault(&request));
        self.observer.observe(Stage::Received, request.head());
        let reply = self.run(fault.map_or(Scenario::NORMAL, |fault| fault.scenario), &request).await;
        self.observer.observe(Stage::Answered, request.head());
        let reply = reply?;
        Ok(match fault {
            Some(fault) if fault.is_endless() => reply.into_endless(),
            Some(fault) if fault.truncated => reply.into_truncated(),
            _ => reply.into(),
        })
    }

    pub(crate) fn application(&self) -> &Application {
        &self.application
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    pub(crate) fn with_schedule<T>(&self, act: impl FnOnce(&mut Schedule) -> T) -> T {
        act(&mut self.schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn run(&self, scenario: Scenario, request: &IncomingRequest) -> Result<Reply, Close> {
        match scenario {
            Scenario::Answered { execution, delivery } => self.answer(request, execution, delivery).await,
            Scenario::Replaced { execution, replacement } => {
                if let Some(execution) = execution {
                    self.execute_hidden(request, execution).await;
                }
                replace(replacement, request).await
            }
        }
    }

    async fn answer(
        &self,
        request: &IncomingRequest,
        execution: Execution,
        delivery: Delivery,
    ) -> Result<Reply, Close> {
        let execution = match delivery {
            Delivery::Duplicated => {
                self.execute_hidden(request, execution).await;
                Execution::IMMEDIATE
            }
            Delivery::Normal | Delivery::Delayed(_) => execution,
        };
        // A restart closes the connections of the executions it kills.
        let reply = self.start(request, execution).reply().await.ok_or(Close::Reset)?;
        if let Delivery::Delayed(by) = delivery {
            sleep(by).await;
        }
        Ok(reply)
    }

    /// Executes a request and discards its response.
    ///
    /// Waits for an immediate effect, so that it has taken place when the client sees the fault. A slow one continues
    /// in the background.
    async fn execute_hidden(&self, request: &IncomingRequest, execution: Execution) {
        let progress = self.start(request, execution);
        if execution.is_immediate() {
            progress.reply().await;
        }
    }

    fn start(&self, request: &IncomingRequest, execution: Execution) -> Progress {
        match request.admit(&self.token) {
            Ok(prepared) => Progress::Running(self.application.start(prepared, execution)),
            Err(rejection) => Progress::Rejected(rejection),
        }
    }
}

/// The response that replaces the application's, or how to close the connection.
async fn replace(replacement: Replacement, request: &IncomingRequest) -> Result<Reply, Close> {
    match replacement {
        Replacement::Gateway(status, body) => Ok(Reply::gateway(status, body, &request.head().uri)),
        Replacement::RateLimited(limit, retry_after) => Ok(Reply::rate_limited(limit, retry_after)),
        Replacement::Closed(close) => Err(close),
        // Dropped with the connection when the client closes it.
        Replacement::Stalled => std::future::pending().await,
    }
}

impl Progress {
    /// `None` if a restart has killed the execution.
    async fn reply(self) -> Option<Reply> {
        match self {
            Self::Rejected(reply) => Some(reply),
            Self::Running(task) => task.await.unwrap_or(None),
        }
    }
}
