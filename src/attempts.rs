//! The attempts of a call: the outcome of each, and what followed.

use std::{fmt, time::Duration};

use http::StatusCode;
use smallvec::SmallVec;

use crate::{
    decide::{
        key::KeyAction,
        outcome::{Failure, Outcome, Redirect, ResponseFacts},
    },
    key::IdempotencyKey,
};

/// The attempts of one call, in order; in every response and every error of the layer.
///
/// A response has them among its extensions:
///
/// ```
/// use reqwest_safe_retry::{Attempts, SafeRetry, Service, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([504, 200]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let response = client.get("https://api.metronome.com/v1/plans").send().await.unwrap();
/// let attempts = response.extensions().get::<Attempts>().unwrap();
/// assert_eq!(attempts.count(), 2);
/// assert!(attempts.to_string().starts_with("504 > waited "), "{attempts}"); // 504 > waited 400ms > 200, in 400ms
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Attempts {
    /// Most calls have one, few have more than two.
    list: SmallVec<[Attempt; 2]>,
    /// In nanoseconds: a call is kept small.
    elapsed: u64,
    /// Few calls end with any.
    #[allow(clippy::box_collection)] // A slice would take twice the room in every call.
    keys: Option<Box<Vec<IdempotencyKey>>>,
}

/// One attempt: its outcome, and what followed.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Attempts, KeyAction, SafeRetry, Service, testing::{Reply, ScriptedTransport}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let script = [Reply::response(503, [("retry-after", "7")], ""), Reply::status(200)];
/// let client = ScriptedTransport::new(script).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let response = client.post("https://api.metronome.com/v1/contracts/create").body("{}").send().await.unwrap();
/// let first = response.extensions().get::<Attempts>().unwrap().iter().next().unwrap();
/// assert_eq!((first.status().map(|status| status.as_u16()), first.key_action()), (Some(503), KeyAction::Preserve));
/// assert!(first.wait() >= Some(Duration::from_secs(7)), "what the server asked for");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Attempt {
    outcome: AttemptOutcome,
    key: u32,
    replayed: bool,
    redirect: Redirect,
    verdict: Option<VerdictKind>,
    wait: Option<Duration>,
    action: KeyAction,
}

/// The outcome of an attempt.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{AttemptOutcome, Failure};
///
/// assert_eq!(AttemptOutcome::Status(StatusCode::BAD_GATEWAY).to_string(), "502");
/// assert_eq!(AttemptOutcome::Failure(Failure::Ambiguous).to_string(), "no response");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// A response with this status.
    Status(#[cfg_attr(feature = "serde", serde(with = "status"))] StatusCode),
    /// No response.
    Failure(Failure),
}

/// What the verifier found out, without the response that came with it.
///
/// ```
/// use reqwest_safe_retry::{Error, RequestBuilderExt, SafeRetry, Service, Verdict, VerdictKind};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([500, 500]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let request = client.post("https://api.metronome.com/v1/contracts/create").body("{}");
/// let error = request.verifier_fn(|_| async { Verdict::Unknown }).send().await.unwrap_err();
/// let last = Error::find(&error).unwrap().attempts().iter().last().unwrap();
/// assert_eq!(last.verdict(), Some(VerdictKind::Unknown));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum VerdictKind {
    /// The write was found: the call has ended in a success.
    Applied,
    /// It was not found, and could not come any more.
    NotApplied,
    /// The verifier cannot tell, failed, or took too long.
    Unknown,
}

/// A status as its number.
#[cfg(feature = "serde")]
mod status {
    use http::StatusCode;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
        status.as_u16().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl AttemptOutcome {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Response(response) => Self::Status(response.status),
            Outcome::Failure(failure) => Self::Failure(*failure),
        }
    }
}

impl VerdictKind {
    /// The word for it in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "not_applied",
            Self::Unknown => "unknown",
        }
    }
}

impl Attempts {
    /// How often the request was sent.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The attempts in the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Attempt> {
        self.list.iter()
    }

    /// The time from the start of the call to its end.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed)
    }

    /// The keys of the call in the order in which they were used, each with its
    /// [generation](IdempotencyKey::generation) and the time at which it was first sent.
    ///
    /// There are none if the request had none, or if it succeeded with a key that the layer has made for it: that key is of
    /// no use to anyone any more.
    pub fn keys(&self) -> &[IdempotencyKey] {
        self.keys.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether the verifier found that the write had taken effect. A response is then the verifier's: the write's own was
    /// lost.
    pub fn is_verified_applied(&self) -> bool {
        self.list.last().is_some_and(|last| last.verdict == Some(VerdictKind::Applied))
    }

    pub(crate) fn push_response(&mut self, response: &ResponseFacts, key: u32) {
        let ResponseFacts { status, replayed, redirect, .. } = *response;
        self.list.push(Attempt { replayed, redirect, ..Attempt::new(AttemptOutcome::Status(status), key) });
    }

    pub(crate) fn push_failure(&mut self, failure: Failure, key: u32) {
        self.list.push(Attempt::new(AttemptOutcome::Failure(failure), key));
    }

    /// The wait after the last one, if another follows.
    pub(crate) fn last_wait(&self) -> Duration {
        self.list.last().and_then(|last| last.wait).unwrap_or_default()
    }

    pub(crate) fn waited(&mut self, wait: Duration, action: KeyAction) {
        if let Some(last) = self.list.last_mut() {
            (last.wait, last.action) = (Some(wait), action);
        }
    }

    pub(crate) fn asked(&mut self, verdict: VerdictKind) {
        if let Some(last) = self.list.last_mut() {
            last.verdict = Some(verdict);
        }
    }

    pub(crate) fn used_keys(&mut self, keys: Vec<IdempotencyKey>) {
        self.keys = (!keys.is_empty()).then(|| Box::new(keys));
    }

    pub(crate) fn finish(&mut self, elapsed: Duration) {
        self.elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    }
}

impl<'a> IntoIterator for &'a Attempts {
    type Item = &'a Attempt;
    type IntoIter = std::slice::Iter<'a, Attempt>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Attempt {
    fn new(outcome: AttemptOutcome, key: u32) -> Self {
        let action = KeyAction::Preserve;
        Self { outcome, key, replayed: false, redirect: Redirect::NotFollowed, verdict: None, wait: None, action }
    }

    /// The outcome of the attempt.
    pub fn outcome(&self) -> &AttemptOutcome {
        &self.outcome
    }

    /// The status of the response, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        match self.outcome {
            AttemptOutcome::Status(status) => Some(status),
            AttemptOutcome::Failure(_) => None,
        }
    }

    /// Which key it carried: 1 for the first one, 2 for the one that replaced it, and so on, also if another process has
    /// replaced it; 0 for none.
    pub fn key_generation(&self) -> u32 {
        self.key
    }

    /// Whether the response was marked as a stored one.
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// Whether the client followed a redirect to the response, and whether that led to another origin. A redirect back to
    /// the same URL cannot be seen.
    pub fn redirect(&self) -> Redirect {
        self.redirect
    }

    /// What the verifier found out after this attempt, if it was asked.
    pub fn verdict(&self) -> Option<VerdictKind> {
        self.verdict
    }

    /// The wait that followed; `None` after the last attempt.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// What became of the key after the wait.
    pub fn key_action(&self) -> KeyAction {
        self.action
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.write_str(status.as_str()),
            Self::Failure(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied => "verified: applied",
            Self::NotApplied => "verified: not applied",
            Self::Unknown => "verified: unknown",
        })
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = self.list.first().map_or(0, |attempt| attempt.key);
        for (index, attempt) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str(" > ")?;
            }
            if attempt.key != key {
                f.write_str("new key > ")?;
                key = attempt.key;
            }
            write!(f, "{}", attempt.outcome)?;
            if attempt.replayed {
                f.write_str(" (replayed)")?;
            }
            match attempt.redirect {
                Redirect::NotFollowed => {}
                Redirect::SameOrigin => f.write_str(" (redirected)")?,
                Redirect::OtherOrigin => f.write_str(" (redirected to another origin)")?,
            }
            if let Some(wait) = attempt.wait {
                write!(f, " > waited {}ms", wait.as_millis())?;
            }
            if let Some(verdict) = attempt.verdict {
                write!(f, " > {verdict}")?;
            }
        }
        write!(f, ", in {}ms", self.elapsed().as_millis())
    }
}
