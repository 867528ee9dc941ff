//! What a step does after an error of the layer.

use reqwest_safe_retry::{Applied, Error, ErrorKind, StopReason};
use serde::{Deserialize, Serialize};

/// What a step does after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Advice {
    /// The write took effect.
    Done,
    /// The same request ends the same way.
    Never,
    /// Run the step again, under the same operation.
    SameKey,
    /// Only a look at the service tells whether the write took effect.
    LookFirst,
}

impl Advice {
    pub(crate) fn of(error: &Error) -> Self {
        match (error.applied(), error.stop()) {
            (Applied::Yes, _) => Self::Done,
            // The request of an earlier run may still be executed. Its response can be had later, under the same key.
            (Applied::Unknown, _) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::KeyInProgress) => {
                Self::SameKey
            }
            (Applied::No, StopReason::Permanent) => Self::Never,
            (
                Applied::Unknown,
                StopReason::Permanent | StopReason::NotIdempotent | StopReason::Unverified | StopReason::KeyExpired,
            ) => Self::LookFirst,
            _ => Self::SameKey,
        }
    }
}
