//! Real errors of the transport, provoked once and returned many times.

use std::{fmt, sync::Arc};

use super::{URL, delivery::Observed};
use crate::support::faults::{self, Fault};

#[derive(Clone)]
pub(super) struct Errors {
    refused: Arc<reqwest::Error>,
    reset: Arc<reqwest::Error>,
}

impl Errors {
    pub(super) fn provoked() -> Self {
        // Real sockets need a clock that is not paused.
        let real = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let provoke = |fault| Arc::new(real.block_on(faults::provoke(fault)).with_url(URL.parse().unwrap()));
        Self { refused: provoke(Fault::ConnectRefused), reset: provoke(Fault::ResetBeforeResponse) }
    }

    pub(super) fn of(&self, observed: Observed) -> reqwest_middleware::Error {
        let error = if observed == Observed::NotSent { &self.refused } else { &self.reset };
        reqwest_middleware::Error::middleware(Again(Arc::clone(error)))
    }
}

/// The same error once more: it cannot be cloned.
#[derive(Debug)]
struct Again(Arc<reqwest::Error>);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it happened again")
    }
}

/// Its source is the error itself, and no pointer to it.
impl std::error::Error for Again {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
