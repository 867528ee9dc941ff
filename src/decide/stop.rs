//! Why retrying stopped, and whether the write took effect.

use std::fmt;

/// Why there was no further attempt. If several reasons hold, the first in this order is given.
///
/// ```
/// use reqwest_safe_retry::StopReason;
///
/// assert!(StopReason::Permanent < StopReason::BudgetExhausted);
/// assert_eq!(StopReason::AttemptsExhausted.to_string(), "all attempts are used up");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StopReason {
    /// Another attempt would not help.
    Permanent,
    /// The write may have been executed, and nothing would keep a repeat from doing it again.
    NotIdempotent,
    /// The request's body is a stream, which can be sent only once.
    BodyNotReplayable,
    /// All attempts that the policy allows were made.
    AttemptsExhausted,
    /// Only a new key could help, and nothing proves that the write was not applied.
    Unverified,
    /// The service may have forgotten the key, so that it would execute the write once more.
    KeyExpired,
    /// The journal could not be read or written.
    JournalUnavailable,
    /// Another process works on the operation, or has begun it since.
    RunningElsewhere,
    /// The server asks for a longer wait than the policy allows.
    RetryAfterTooLong,
    /// No further attempt fits into the deadline: the next wait is too long, or the time was used up in the queue.
    DeadlineExceeded,
    /// The service's retry budget is used up.
    BudgetExhausted,
}

impl StopReason {
    /// The word for it in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::NotIdempotent => "not_idempotent",
            Self::BodyNotReplayable => "body_not_replayable",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::Unverified => "unverified",
            Self::KeyExpired => "key_expired",
            Self::JournalUnavailable => "journal_unavailable",
            Self::RunningElsewhere => "running_elsewhere",
            Self::RetryAfterTooLong => "retry_after_too_long",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::BudgetExhausted => "budget_exhausted",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "another attempt would not help",
            Self::NotIdempotent => "not repeated: it could be applied twice",
            Self::BodyNotReplayable => "not repeated: its body is a stream",
            Self::AttemptsExhausted => "all attempts are used up",
            Self::Unverified => "not repeated with a new key: nothing proves that it was not applied",
            Self::KeyExpired => "not repeated: the service may have forgotten its key",
            Self::JournalUnavailable => "not sent: the journal is not available",
            Self::RunningElsewhere => "not sent while another process works on it",
            Self::RetryAfterTooLong => "the server asks for a longer wait than the policy allows",
            Self::DeadlineExceeded => "the deadline leaves no time for another attempt",
            Self::BudgetExhausted => "the retry budget is used up",
        })
    }
}

/// Whether a write took effect.
///
/// ```
/// use reqwest_safe_retry::Applied;
///
/// assert_eq!(Applied::No.to_string(), "it was not applied");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Applied {
    /// It did not: no attempt was executed, by its responses, or a verifier says so of a settled key. Always for a read.
    No,
    /// It did: a verifier has found it, or the journal knows of an earlier success.
    Yes,
    /// Unknown: an attempt may have been executed, and no response or verdict settles it.
    Unknown,
}

impl Applied {
    /// The word for it in logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "it was not applied",
            Self::Yes => "it was applied",
            Self::Unknown => "it may have been applied",
        })
    }
}
