//! What the processes say to each other: a line of JSON each.

use reqwest_safe_retry::Applied;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// To a worker: run this job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// From a worker: the job has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reported {
    pub(crate) number: usize,
    pub(crate) applied: Answer,
    /// Whether another process works on the operation.
    pub(crate) running_elsewhere: bool,
    /// What the caller would log.
    pub(crate) text: String,
}

/// Whether the write took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    No,
    Yes,
    Unknown,
}

impl From<Applied> for Answer {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::No => Self::No,
            Applied::Yes => Self::Yes,
            Applied::Unknown => Self::Unknown,
        }
    }
}
