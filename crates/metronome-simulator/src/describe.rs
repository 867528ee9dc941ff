//! Descriptions of faults, for reports and for the messages of failed tests.

use std::fmt;

use crate::fault::Fault;
use crate::scenario::{Delivery, Execution, ExecutionEnd, FailedKey, GatewayBody, Replacement, Scenario};

/// A short description, such as `504 after the effect` or `stored 500 before the effect`.
///
/// ```
/// use metronome_simulator::{Close, Fault, Moment};
///
/// assert_eq!(Fault::gateway(504, Moment::After).to_string(), "504 after the effect");
/// assert_eq!(Fault::dropped(Close::Reset, Moment::Before).to_string(), "connection reset before the effect");
/// ```
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::truncated() {
            return f.write_str("answer cut short");
        }
        match self.scenario {
            Scenario::Answered { execution, delivery } => answered(f, execution, delivery),
            Scenario::Replaced { execution, replacement } => replaced(f, execution, replacement),
        }?;
        f.write_str(if self.truncated { ", answer cut short" } else { "" })
    }
}

fn answered(f: &mut fmt::Formatter<'_>, execution: Execution, delivery: Delivery) -> fmt::Result {
    match (execution.end, delivery) {
        (ExecutionEnd::Failed(extent, FailedKey::Stored), _) => write!(f, "stored 500 {}", extent.describe()),
        (ExecutionEnd::Failed(extent, FailedKey::Stuck), _) => write!(f, "500 {}, key stuck", extent.describe()),
        (ExecutionEnd::Killed, _) => f.write_str("restart before the effect"),
        (ExecutionEnd::Completed, Delivery::Delayed(by)) => write!(f, "answer {by:?} late"),
        (ExecutionEnd::Completed, Delivery::Duplicated) => f.write_str("delivered twice"),
        (ExecutionEnd::Completed, Delivery::Normal) if execution.is_immediate() => f.write_str("no fault"),
        (ExecutionEnd::Completed, Delivery::Normal) if execution.queued.is_zero() => {
            write!(f, "slow by {:?}", execution.takes)
        }
        (ExecutionEnd::Completed, Delivery::Normal) => write!(f, "queued for {:?}", execution.queued),
    }
}

fn replaced(f: &mut fmt::Formatter<'_>, execution: Option<Execution>, replacement: Replacement) -> fmt::Result {
    match replacement {
        Replacement::Gateway(status, GatewayBody::Json) => f.write_str(status.as_str())?,
        Replacement::Gateway(status, GatewayBody::Html) => write!(f, "{} as HTML", status.as_str())?,
        Replacement::RateLimited(limit, _) => return write!(f, "429 ({})", limit.as_str()),
        Replacement::Closed(close) => f.write_str(close.describe())?,
        Replacement::Stalled => f.write_str("stalled")?,
    }
    match execution {
        None => f.write_str(" before the effect"),
        Some(execution) if execution.takes.is_zero() => f.write_str(" after the effect"),
        Some(execution) => write!(f, " {:?} ahead of the effect", execution.takes),
    }
}
