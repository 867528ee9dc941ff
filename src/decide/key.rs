//! What a service does with an idempotency key, and what becomes of it between two attempts.

use std::fmt;

/// What a service stores under a key, and so what the same key gets after an error.
///
/// ```
/// use reqwest_safe_retry::KeyKind;
///
/// assert_eq!(KeyKind::ReplayAll.to_string(), "replay_all");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum KeyKind {
    /// Only a success is stored; after a failure the same key executes again. A new key could double the write.
    ReplaySuccess,
    /// The first executed result is stored, a 500 included: the same key returns it from then on.
    ReplayAll,
    /// A header of the response says whether the same key will execute again.
    Signalled,
    /// An internal error makes the key unusable. If another attempt may still be executing, the same key is sent once more,
    /// and only the service's word that it is invalid settles it.
    InvalidatedByError,
    /// The key is a lasting, unique attribute of what was created; a repeat finds it there.
    ResourceKey,
    /// The service documents no keys.
    Unsupported,
}

impl KeyKind {
    /// Whether a new key can be right after an error: otherwise the same one executes again, or finds what was created.
    pub(crate) const fn may_be_rotated(self) -> bool {
        !matches!(self, Self::ReplaySuccess | Self::ResourceKey)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReplaySuccess => "replay_success",
            Self::ReplayAll => "replay_all",
            Self::Signalled => "signalled",
            Self::InvalidatedByError => "invalidated_by_error",
            Self::ResourceKey => "resource_key",
            Self::Unsupported => "unsupported",
        })
    }
}

/// Whether a 500 is followed by one attempt with the same key before anything else is done.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, KeyAction, KeyKind, Probe, RetryPolicy};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, ResponseFacts, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let key_after_500 = |probe| {
///     let mut rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
///     (rules.probe, rules.has_verifier) = (probe, true);
///     let outcome = ResponseFacts::new(StatusCode::INTERNAL_SERVER_ERROR).into();
///     match step(&rules, &mut History::default(), &outcome, Moment::default()).decision {
///         Decision::Retry { key, .. } => Some(key),
///         _ => None,
///     }
/// };
/// assert_eq!(key_after_500(Probe::Once), Some(KeyAction::Preserve));
/// assert_ne!(key_after_500(Probe::Never), Some(KeyAction::Preserve));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Probe {
    /// Once: if the request never began to execute, the same key executes it now.
    #[default]
    Once,
    /// Never: a 500 is known to be stored.
    Never,
}

/// What a service does with a request while it still executes another one with the same key.
///
/// ```
/// use reqwest_safe_retry::{ConcurrentRequests, Effect, Failure, KeyKind, RetryPolicy, StopReason};
/// use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let mut rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let after_no_response = |rules: &Rules<'_>| {
///     step(rules, &mut History::default(), &Failure::Ambiguous.into(), Moment::default()).decision
/// };
/// assert!(matches!(after_no_response(&rules), Decision::Retry { .. }));
/// rules.concurrent_requests = ConcurrentRequests::Executed;
/// assert_eq!(after_no_response(&rules), Decision::Fail(StopReason::NotIdempotent), "the first may still be executed");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ConcurrentRequests {
    /// It is documented that it refuses the second request, or lets it wait.
    Refused,
    /// Nothing is documented, and it is assumed to refuse the second request, or to let it wait.
    #[default]
    Assumed,
    /// It may execute both. The same key is then sent again only after
    /// [`longest_execution`](crate::Idempotency::longest_execution), or not at all if that is unknown.
    Executed,
}

impl fmt::Display for ConcurrentRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Assumed => "assumed to be refused",
            Self::Executed => "may be executed",
        })
    }
}

/// What an error response means, by the service's description; unless one applies, its status alone decides.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{
///     Effect, KeyKind, Meaning, RetryPolicy,
///     decide::{History, KeyPlace, OutcomeClass, ResponseFacts, Rules},
/// };
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplaySuccess, &policy);
/// let mut quota = ResponseFacts::new(StatusCode::TOO_MANY_REQUESTS);
/// quota.meaning = Some(Meaning::Final);
/// let class = OutcomeClass::of(&rules, &History::default(), &quota.into());
/// assert_eq!(class, OutcomeClass::Final { may_have_executed: false });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Meaning {
    /// An earlier request with this key is still executing.
    InProgress,
    /// The key was used before with another request.
    PayloadMismatch,
    /// What the write would create exists already. After an attempt that may have been executed, or with a status that leaves
    /// that open, such as a 5xx, this proves nothing: the object may be somebody else's.
    AlreadyExists,
    /// The key became unusable after an internal error.
    KeyInvalidated,
    /// The write had no effect and must be sent with a new key. For a request without a key it means nothing. A service whose
    /// keys are never replaced ([`KeyKind::ReplaySuccess`], [`KeyKind::ResourceKey`]) is not built with such a rule.
    NotApplied,
    /// There are too many requests, whatever the status: handled as a 429. The request was not executed, unless the
    /// service's [limiter follows execution](crate::RateLimiting::limiter_follows_execution), or a
    /// [`Classifier`](crate::Classifier) says it of a status that leaves that open, such as a 5xx.
    Throttled,
    /// The service is overloaded or away, whatever the status: handled as a 503, which may come from something in front of the
    /// service. The request may have been executed.
    Unavailable,
    /// Sending the request again would not help, whatever the status: a 429 for a spent quota. Whether it may have been
    /// executed depends on the status; nothing says of a 5xx that it was not.
    Final,
}

impl Meaning {
    /// Whether the request, or an earlier one with the same key, may have been executed.
    pub(crate) const fn leaves_doubt(self) -> bool {
        matches!(self, Self::InProgress | Self::Unavailable)
    }

    /// Whether it is about the load of the service, and not about a key.
    pub(crate) const fn is_about_load(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Final)
    }
}

/// Whether and where a request carries a key.
///
/// ```
/// use reqwest_safe_retry::{Effect, KeyKind, RetryPolicy, decide::{KeyPlace, Rules}};
///
/// let policy = RetryPolicy::new().resolve();
/// let is_keyed_write = |place| Rules::new(Effect::Write, place, KeyKind::ReplayAll, &policy).is_keyed_write();
/// assert!(is_keyed_write(KeyPlace::Body));
/// assert!(!is_keyed_write(KeyPlace::Absent));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPlace {
    /// There is no key. Either the endpoint takes none, or the layer makes none for it and the caller gave none.
    Absent,
    /// In a header, where it can be replaced.
    Header,
    /// In the URL's query, where it can be replaced.
    Query,
    /// In the body, where it is only ever preserved.
    Body,
}

impl KeyPlace {
    /// Whether another key may be sent in its place.
    pub(crate) const fn is_replaceable(self) -> bool {
        matches!(self, Self::Header | Self::Query)
    }
}

/// Which other processes may have used a key.
///
/// ```
/// use std::time::Duration;
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, KeyKind, RetryPolicy};
/// use reqwest_safe_retry::decide::{History, KeyPlace, KeySharing, Moment, ResponseFacts, Rules, step};
///
/// let policy = RetryPolicy::new().resolve();
/// let settled_after_two_500s = |sharing| {
///     let mut rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
///     rules.key_sharing = sharing;
///     let (mut history, stored) = (History::default(), ResponseFacts::new(StatusCode::INTERNAL_SERVER_ERROR).into());
///     for _ in 0..2 {
///         let _ = step(&rules, &mut history, &stored, Moment::default());
///     }
///     history.settled_from(&rules)
/// };
/// assert_eq!(settled_after_two_500s(KeySharing::Unshared), Some(Duration::ZERO));
/// assert_eq!(settled_after_two_500s(KeySharing::Derived), None, "another process may have sent the key");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySharing {
    /// None: the key is this call's own.
    #[default]
    Unshared,
    /// Every process that tries the same operation, at any time.
    Derived,
    /// Those that held the operation before: a journal says for how long what they sent may still be executed.
    Journaled,
}

/// What becomes of the key before the next attempt.
///
/// ```
/// use reqwest_safe_retry::{Attempts, KeyAction, RequestBuilderExt, SafeRetry, Service, Verdict};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([500, 500, 200]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let request = client.post("https://api.metronome.com/v1/contracts/create").body("{}");
/// let response = request.verifier_fn(|_| async { Verdict::NotApplied }).send().await.unwrap();
/// let actions: Vec<_> = response.extensions().get::<Attempts>().unwrap().iter().map(|one| one.key_action()).collect();
/// assert_eq!(actions[..2], [KeyAction::Preserve, KeyAction::VerifyThenRotate]);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum KeyAction {
    /// The same key, or none as before.
    Preserve,
    /// A new key: the last response, or the request itself, ensures that nothing is doubled.
    Rotate,
    /// A new key once the verifier has said, after the wait, that the write was not applied.
    VerifyThenRotate,
}
