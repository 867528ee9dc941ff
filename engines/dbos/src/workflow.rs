//! The workflow: one step that sends one write, and a report of what became of it.

use std::time::Duration;

use dbos::StepOptions;
use reqwest_safe_retry::Advice;
use serde::{Deserialize, Serialize};

use crate::billing::{Billing, DEADLINE, StepError};

pub(crate) const WORKFLOW: &str = "create-customer";
const STEP: &str = "create";

/// The input of a workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// A customer without a name is refused by the service.
    pub(crate) name: Option<String>,
}

/// What a workflow reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Applied,
    NotApplied,
    InDoubt(String),
}

pub(crate) async fn run(billing: Billing, order: Order) -> dbos::Result<Told, StepError> {
    let workflow_id = dbos::workflow_id().ok_or(dbos::Error::NotInWorkflow { operation: STEP.into() })?;
    // Both are the same in every run of the step, in whichever process.
    let operation = format!("{workflow_id}/{STEP}");
    let created = dbos::step_with(STEP, options(), || {
        let (billing, order, operation) = (billing.clone(), order.clone(), operation.clone());
        async move { Ok(billing.create(operation, order.name.as_deref()).await?) }
    });
    match created.await {
        Ok(_) => Ok(Told::Applied),
        Err(error) => told(error),
    }
}

fn options() -> StepOptions<StepError> {
    StepOptions {
        max_attempts: 8,
        interval: Duration::from_millis(100),
        backoff_rate: 1.5,
        max_interval: Duration::from_secs(1),
        // Longer than the call's own deadline: a step that is cut off reports nothing.
        timeout: Some(DEADLINE * 2),
        ..StepOptions::default()
    }
    .should_retry(|error: &dbos::Error<StepError>| match error {
        dbos::Error::Application(error) => matches!(error.advice, Advice::SameKeyAfter { .. }),
        _ => true,
    })
}

/// What the last error of the step says. An error of the engine is passed on: it says nothing about the write.
fn told(error: dbos::Error<StepError>) -> dbos::Result<Told, StepError> {
    match error {
        dbos::Error::Application(error) => Ok(match error.advice {
            Advice::Done => Told::Applied,
            Advice::Never if error.is_refused => Told::NotApplied,
            // "Not applied" is about one call. A run of the step that was killed may have sent the write too.
            _ => Told::InDoubt(error.message),
        }),
        dbos::Error::MaxStepRetriesExceeded { mut errors, step, attempts } => match errors.pop() {
            Some(last) => told(last),
            None => Err(dbos::Error::MaxStepRetriesExceeded { errors, step, attempts }),
        },
        other => Err(other),
    }
}
