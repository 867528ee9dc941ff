//! Calls an observer for each request while it is served.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;

/// How far a request is.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use metronome_simulator::{Metronome, Stage};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stages = Arc::new(Mutex::new(Vec::new()));
/// let seen = stages.clone();
/// let metronome = Metronome::start().await.unwrap();
/// metronome.observe(move |stage, _| seen.lock().unwrap().push(stage));
/// let request = reqwest::Client::new().post(format!("{}/v1/customers", metronome.base_url()));
/// let request = request.bearer_auth(metronome.token()).body(r#"{"name":"Acme"}"#);
/// request.send().await.unwrap();
/// assert_eq!(*stages.lock().unwrap(), [Stage::Received, Stage::Answered]);
/// # });
/// ```
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
