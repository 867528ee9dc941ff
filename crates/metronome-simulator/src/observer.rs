//! Calls an observer for each request while it is served.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// It has been received whole, and is not executed yet.
    Received,
    /// Its response, or the end of its connection, is on its way. Left out if the client has disconnected before.
    Answered,
}

type Observe = dyn Fn(Stage, &Parts) + Send + Sync;

/// What is called, if anything.
#[derive(Default)]
pub(crate) struct Observer(Mutex<Option<Arc<Observe>>>);

impl Observer {
    pub(crate) fn set(&self, observe: impl Fn(Stage, &Parts) + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(observe));
    }

    pub(crate) fn observe(&self, stage: Stage, head: &Parts) {
        let observe = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(observe) = observe {
            observe(stage, head);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
