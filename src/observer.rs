//! The observer: the user's hook that sees what becomes of calls.

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use reqwest::Url;

use crate::{
    attempts::{AttemptOutcome, Attempts},
    decide::{
        class::OutcomeClass,
        decision::{Decision, Step},
        effect::Effect,
        key::KeyAction,
    },
    error::error::Error,
    service::service::Service,
};

/// Sees what becomes of each call: its attempts, what is sent again, new keys, and how it ends.
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
/// use reqwest_safe_retry::{CallFacts, EndFacts, Observer, RetryFacts, SafeRetry, Service, testing::ScriptedTransport};
///
/// struct Log(Sender<String>);
///
/// impl Observer for Log {
///     fn on_retry(&self, call: &CallFacts<'_>, retry: &RetryFacts) {
///         let _ = self.0.send(format!("{} {}: sent again: {}", call.method(), call.path(), retry.reason()));
///     }
///     fn on_end(&self, call: &CallFacts<'_>, end: &EndFacts<'_>) {
///         let _ = self.0.send(format!("{} after {} attempts", end.outcome(), call.attempts().count()));
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let (log, lines) = channel();
/// let layer = SafeRetry::new([Service::metronome()]).observer(Log(log));
/// let client = ScriptedTransport::new([503, 200]).client(layer).unwrap();
/// client.get("https://api.metronome.com/v1/plans").send().await.unwrap();
/// let lines: Vec<_> = lines.try_iter().collect();
/// assert_eq!(lines, ["GET /v1/plans: sent again: gateway", "recovered after 2 attempts"]);
/// # });
/// ```
///
/// For a single event a closure does: [`SafeRetry::on_retry_fn`](crate::SafeRetry::on_retry_fn) and its siblings. What the
/// metrics of [`telemetry`](crate::telemetry) count, they count as an observer.
///
/// The methods are called while the call waits for them: they must return soon, and must not panic. A layer that passes a
/// request through, because it covers no service of its or because an outer layer carries it, shows it to no observer.
///
/// A middleware *below* the layer cannot count attempts in the extensions of a request: each attempt sees them as the
/// caller gave them. Count here, or in the [`Attempts`] of a response or an error.
pub trait Observer: Send + Sync + 'static {
    /// An attempt has ended, and it is decided what follows.
    fn on_attempt(&self, call: &CallFacts<'_>, attempt: &AttemptFacts<'_>) {
        let _ = (call, attempt);
    }

    /// The request is about to be sent again, after its wait.
    fn on_retry(&self, call: &CallFacts<'_>, retry: &RetryFacts) {
        let _ = (call, retry);
    }

    /// It is about to be sent again with a new key; after [`on_retry`](Self::on_retry).
    fn on_rotate(&self, call: &CallFacts<'_>, rotation: &RotationFacts) {
        let _ = (call, rotation);
    }

    /// The call has ended, or was dropped.
    fn on_end(&self, call: &CallFacts<'_>, end: &EndFacts<'_>) {
        let _ = (call, end);
    }
}

/// A call as an [`Observer`] sees it.
///
/// ```
/// use reqwest_safe_retry::{CallFacts, SafeRetry, Service};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let (note, notes) = std::sync::mpsc::channel();
/// let layer = SafeRetry::new([Service::metronome()]).on_end_fn(move |call: &CallFacts<'_>, _| {
///     note.send(format!("{} {} {}", call.service(), call.path(), call.attempts().count())).unwrap();
/// });
/// let client = ScriptedTransport::new([503, 200]).client(layer).unwrap();
/// client.get("https://api.metronome.com/v1/plans").send().await.unwrap();
/// assert_eq!(notes.try_iter().collect::<Vec<_>>(), ["metronome /v1/plans 2"]);
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct CallFacts<'a> {
    pub(crate) service: &'a Service,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    pub(crate) effect: Effect,
    pub(crate) attempts: &'a Attempts,
}

impl<'a> CallFacts<'a> {
    /// The name of the service.
    pub fn service(&self) -> &'a str {
        self.service.name()
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The path of the request's URL.
    pub fn path(&self) -> &'a str {
        self.url.path()
    }

    /// The template of the path, if one of the service's routes matches; found when it is asked for.
    pub fn template(&self) -> Option<String> {
        self.service.template(self.method, self.url).map(|template| template.into_text())
    }

    /// What sending the request again does, without looking at its body.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The attempts that have ended.
    pub fn attempts(&self) -> &'a Attempts {
        self.attempts
    }
}

/// The path is shown as its template: it may have secrets.
impl fmt::Debug for CallFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFacts")
            .field("service", &self.service())
            .field("method", self.method)
            .field("template", &self.template())
            .field("effect", &self.effect)
            .field("attempts", self.attempts)
            .finish()
    }
}

/// An attempt that has ended.
///
/// ```
/// use reqwest_safe_retry::{AttemptFacts, SafeRetry, Service};
/// use reqwest_safe_retry::decide::OutcomeClass;
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let (note, notes) = std::sync::mpsc::channel();
/// let layer = SafeRetry::new([Service::metronome()]).on_attempt_fn(move |_, facts: &AttemptFacts<'_>| {
///     note.send((facts.status().map(|status| status.as_u16()), facts.class())).unwrap();
/// });
/// let client = ScriptedTransport::new([503, 200]).client(layer).unwrap();
/// client.get("https://api.metronome.com/v1/plans").send().await.unwrap();
/// assert_eq!(notes.try_iter().collect::<Vec<_>>(), [(Some(503), Some(OutcomeClass::Gateway)), (Some(200), None)]);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AttemptFacts<'a> {
    pub(crate) outcome: &'a AttemptOutcome,
    /// None if its response is the call's.
    pub(crate) step: Option<&'a Step>,
    pub(crate) replayed: bool,
    pub(crate) duration: Duration,
    pub(crate) queued: Option<Duration>,
}

impl<'a> AttemptFacts<'a> {
    /// The outcome.
    pub fn outcome(&self) -> &'a AttemptOutcome {
        self.outcome
    }

    /// The status, if there was a response.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            AttemptOutcome::Status(status) => Some(*status),
            AttemptOutcome::Failure(_) => None,
        }
    }

    /// The class of a failed attempt; `None` if its response is the call's.
    pub fn class(&self) -> Option<OutcomeClass> {
        self.step.map(|step| step.class)
    }

    /// What follows a failed attempt; `None` if its response is the call's.
    pub fn decision(&self) -> Option<&'a Decision> {
        self.step.map(|step| &step.decision)
    }

    /// Whether the response was marked as a stored one.
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// From sending it to the head of its response, or of an error to its body.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// How long it waited in the queue of the concurrency limit; `None` if the service has no limit.
    pub fn queued(&self) -> Option<Duration> {
        self.queued
    }
}

/// A request that is about to be sent again.
///
/// ```
/// use reqwest_safe_retry::{KeyAction, RetryFacts, SafeRetry, Service};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let (note, notes) = std::sync::mpsc::channel();
/// let layer = SafeRetry::new([Service::metronome()]).on_retry_fn(move |_, retry: &RetryFacts| {
///     note.send((retry.reason().to_string(), retry.key())).unwrap();
/// });
/// let client = ScriptedTransport::new([503, 200]).client(layer).unwrap();
/// client.get("https://api.metronome.com/v1/plans").send().await.unwrap();
/// assert_eq!(notes.try_iter().collect::<Vec<_>>(), [("gateway".to_owned(), KeyAction::Preserve)]);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RetryFacts {
    pub(crate) reason: OutcomeClass,
    pub(crate) wait: Duration,
    pub(crate) key: KeyAction,
}

impl RetryFacts {
    /// The class of the attempt that failed, such as `gateway` for a 502.
    pub fn reason(&self) -> OutcomeClass {
        self.reason
    }

    /// The wait before it, without the time in the queue of the concurrency limit.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// What becomes of its key.
    pub fn key(&self) -> KeyAction {
        self.key
    }
}

/// A new key.
///
/// ```
/// use reqwest_safe_retry::{RotationFacts, Verdict, SafeRetry, Service};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let (note, notes) = std::sync::mpsc::channel();
/// let service = Service::metronome().verifier_fn(|_| async { Verdict::NotApplied });
/// let layer = SafeRetry::new([service]).on_rotate_fn(move |_, rotation: &RotationFacts| {
///     note.send((rotation.reason().to_string(), rotation.generation())).unwrap();
/// });
/// let client = ScriptedTransport::new([500, 500, 200]).client(layer).unwrap();
/// client.post("https://api.metronome.com/v1/contracts/create").body("{}").send().await.unwrap();
/// assert_eq!(notes.try_iter().collect::<Vec<_>>(), [("http_500".to_owned(), 2)]);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RotationFacts {
    pub(crate) reason: OutcomeClass,
    pub(crate) generation: u32,
}

impl RotationFacts {
    /// The class of the last attempt with the key before.
    pub fn reason(&self) -> OutcomeClass {
        self.reason
    }

    /// Which key it is: 2 for the one that replaces the first.
    pub fn generation(&self) -> u32 {
        self.generation
    }
}

/// A call that has ended.
///
/// ```
/// use reqwest_safe_retry::{CallOutcome, EndFacts, ErrorKind, SafeRetry, Service};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let (note, notes) = std::sync::mpsc::channel();
/// let layer = SafeRetry::new([Service::metronome()]).on_end_fn(move |_, end: &EndFacts<'_>| {
///     note.send((end.outcome(), end.error().map(|error| error.kind()))).unwrap();
/// });
/// let client = ScriptedTransport::new([404]).client(layer).unwrap();
/// client.get("https://api.metronome.com/v1/plans").send().await.unwrap_err();
/// assert_eq!(notes.try_iter().collect::<Vec<_>>(), [(CallOutcome::Failed, Some(ErrorKind::NotFound))]);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EndFacts<'a> {
    pub(crate) outcome: CallOutcome,
    pub(crate) error: Option<&'a Error>,
    pub(crate) elapsed: Duration,
    /// Of a call that ended without another attempt.
    pub(crate) queued: Option<Duration>,
}

impl<'a> EndFacts<'a> {
    /// How it ended.
    pub fn outcome(&self) -> CallOutcome {
        self.outcome
    }

    /// The error of a call that failed.
    pub fn error(&self) -> Option<&'a Error> {
        self.error
    }

    /// The time from its start to its end.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// How a call has ended.
///
/// ```
/// use reqwest_safe_retry::CallOutcome;
///
/// assert_eq!(CallOutcome::VerifiedApplied.to_string(), "verified_applied");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallOutcome {
    /// In the response of its first attempt.
    Ok,
    /// In the response of a later attempt.
    Recovered,
    /// The verifier has found that the write had taken effect.
    VerifiedApplied,
    /// In an error; whether the write took effect is known.
    Failed,
    /// In an error, and no response settles whether the write took effect.
    InDoubt,
    /// It was dropped before it ended.
    Cancelled,
}

impl CallOutcome {
    /// The word for it in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Recovered => "recovered",
            Self::VerifiedApplied => "verified_applied",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for CallOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The observers of a layer, in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Observer) {
        self.0.push(Arc::new(observer));
    }

    #[inline(always)]
    pub(crate) fn each(&self, show: impl Fn(&dyn Observer)) {
        for observer in &self.0 {
            show(&**observer);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}
