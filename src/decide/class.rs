//! Which class of outcome an attempt falls into: the rows of the table "What is retried".

use std::fmt;

use http::StatusCode;

use super::{
    effect::Effect,
    history::History,
    key::{KeyPlace, Meaning},
    outcome::{Failure, Outcome, Redirect, ResponseFacts},
    rules::Rules,
};

/// The class of an outcome; it decides whether the request may have been executed, and whether a repeat could help.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::{Effect, Failure, KeyKind, RetryPolicy};
/// use reqwest_safe_retry::decide::{History, KeyPlace, OutcomeClass, Outcome, ResponseFacts, Rules};
///
/// let policy = RetryPolicy::new().resolve();
/// let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
/// let of = |outcome: Outcome| OutcomeClass::of(&rules, &History::default(), &outcome);
/// let of_status = |status| of(ResponseFacts::new(status).into());
/// assert_eq!(of(Failure::NotSent.into()), OutcomeClass::NotSent);
/// assert_eq!(of_status(StatusCode::INTERNAL_SERVER_ERROR), OutcomeClass::Internal);
/// assert_eq!(of_status(StatusCode::GATEWAY_TIMEOUT), OutcomeClass::Gateway);
/// assert_eq!(of_status(StatusCode::NOT_FOUND), OutcomeClass::Final { may_have_executed: false });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutcomeClass {
    /// Never sent, or provably not processed.
    NotSent,
    /// 429 and 425, and what the description calls [throttled](Meaning::Throttled).
    Throttled,
    /// A timeout, a reset, a truncated response; 408, 424 and 499.
    NoResponse,
    /// An earlier request with this key is still executing.
    InProgress,
    /// A 409 of unknown meaning while an earlier attempt of this call, or one of another process under the same key, may still
    /// be executing.
    EarlierAttemptRunning,
    /// The service says that an earlier error has made the key unusable: [`Meaning::KeyInvalidated`].
    KeyInvalidated,
    /// The service says that the request had no effect, and needs a new key: [`Meaning::NotApplied`].
    NotApplied,
    /// Any 5xx but 500 that may be retried, and what the description calls [unavailable](Meaning::Unavailable): it may come
    /// from something in front of the service, and proves nothing about the service itself.
    Gateway,
    /// 500: the service's own error.
    Internal,
    /// A 4xx that the policy lists as retryable.
    PolicyStatus,
    /// Anything else, what the description calls [final](Meaning::Final), and any error after a redirect that the client
    /// followed for a write: a repeat would not help.
    Final {
        /// Whether the request may have been executed.
        may_have_executed: bool,
    },
}

/// Whether a response with this status is a failed attempt. A status below 200 or above 599 counts as a server error, never
/// as a success (RFC 9110, section 15).
pub(crate) fn is_error(status: StatusCode) -> bool {
    !(200..400).contains(&status.as_u16())
}

/// Whether it is a 4xx that does not say what became of the request: someone on the way gave up while it was being
/// executed, or something that it depends on failed.
pub(super) fn leaves_doubt(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 424 | 499)
}

/// Whether the request may have been executed that is answered with this status.
fn may_have_executed(rules: &Rules<'_>, status: StatusCode) -> bool {
    match status.as_u16() {
        429 | 425 => !rules.limiter_precedes_execution,
        500.. | ..200 => true,
        _ => leaves_doubt(status),
    }
}

impl OutcomeClass {
    /// The class of an outcome that comes after `history`.
    pub fn of(rules: &Rules<'_>, history: &History, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Failure(failure) => Self::of_failure(*failure),
            Outcome::Response(response) => Self::of_response(rules, history, response),
        }
    }

    const fn of_failure(failure: Failure) -> Self {
        match failure {
            Failure::NotSent | Failure::NotProcessed => Self::NotSent,
            Failure::Ambiguous => Self::NoResponse,
            Failure::Tls | Failure::InvalidRequest => Self::Final { may_have_executed: false },
            Failure::RedirectLoop | Failure::Middleware => Self::Final { may_have_executed: true },
        }
    }

    fn of_response(rules: &Rules<'_>, history: &History, response: &ResponseFacts) -> Self {
        // It is not the response to the request itself, which was sent and may have been executed.
        if response.redirect != Redirect::NotFollowed && rules.effect != Effect::Read {
            return Self::Final { may_have_executed: true };
        }
        let has_key = rules.key != KeyPlace::Absent;
        match response.meaning {
            Some(Meaning::InProgress) => return Self::InProgress,
            Some(Meaning::Throttled) => return Self::throttled(rules, response),
            Some(Meaning::Unavailable) => return Self::Gateway,
            Some(Meaning::Final) => return Self::final_status(rules, response.status),
            Some(Meaning::KeyInvalidated) if has_key => return Self::KeyInvalidated,
            Some(Meaning::NotApplied) if has_key => return Self::NotApplied,
            // Behind an error of the server the request itself may have made what exists.
            Some(Meaning::AlreadyExists) if may_have_executed(rules, response.status) => {
                return Self::Final { may_have_executed: true };
            }
            // What exists, or the request that differs, may be that of another process.
            Some(_) => return Self::Final { may_have_executed: rules.key_is_shared() },
            None => {}
        }
        // A stored 409 is the result of the request itself.
        let may_be_another = history.is_in_doubt() || (has_key && rules.key_is_shared());
        if response.status == StatusCode::CONFLICT && may_be_another && !response.replayed {
            return Self::EarlierAttemptRunning;
        }
        Self::of_status(rules, response.status)
    }

    fn throttled(rules: &Rules<'_>, response: &ResponseFacts) -> Self {
        match Self::final_status(rules, response.status) {
            Self::Final { may_have_executed: true } if response.is_classified => Self::Gateway,
            _ => Self::Throttled,
        }
    }

    fn of_status(rules: &Rules<'_>, status: StatusCode) -> Self {
        let retryable = rules.retryable.contains(status);
        let leaves_doubt = leaves_doubt(status);
        match status.as_u16() {
            429 | 425 if retryable => Self::Throttled,
            _ if retryable && leaves_doubt => Self::NoResponse,
            500 if retryable => Self::Internal,
            501.. if retryable => Self::Gateway,
            _ if retryable => Self::PolicyStatus,
            _ => Self::final_status(rules, status),
        }
    }

    fn final_status(rules: &Rules<'_>, status: StatusCode) -> Self {
        Self::Final { may_have_executed: may_have_executed(rules, status) }
    }

    /// The word for it in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Throttled => "rate_limited",
            Self::NoResponse => "no_response",
            Self::InProgress => "in_progress",
            Self::EarlierAttemptRunning => "earlier_attempt_running",
            Self::KeyInvalidated => "key_invalidated",
            Self::NotApplied => "not_applied",
            Self::Gateway => "gateway",
            Self::Internal => "http_500",
            Self::PolicyStatus => "policy_status",
            Self::Final { .. } => "final",
        }
    }

    /// What it means for the request, as half a sentence.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::NotSent => "it was never sent, or provably not processed",
            Self::Throttled => "it was refused before it was executed",
            Self::NoResponse => "there was no response in time, and it may have been executed",
            Self::InProgress => "an earlier request with this key is still executing",
            Self::EarlierAttemptRunning => "an earlier attempt of this call may still be executing",
            Self::KeyInvalidated => "the key has become unusable",
            Self::NotApplied => "it had no effect, and needs a new key",
            Self::Gateway => "a gateway could not tell: it may have been executed",
            Self::Internal => "an internal error: it may have been executed, and the error may be stored",
            Self::PolicyStatus => "the policy lists this status as retryable",
            Self::Final { may_have_executed: true } => "it may have been executed, and a repeat would not help",
            Self::Final { may_have_executed: false } => "it was not executed, and a repeat would get the same response",
        }
    }
}

impl fmt::Display for OutcomeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
