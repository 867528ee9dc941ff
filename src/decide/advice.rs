//! What to do about a call that has failed: its three facts put into one.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{
    effect::Effect,
    stop::{Applied, StopReason},
};

/// What to do about a call that has failed, for code that runs it again: a queue, or a durable engine.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::Advice;
///
/// /// How long to wait before the job runs again; `None` if it must not.
/// fn next_run(advice: Advice) -> Option<Duration> {
///     match advice {
///         Advice::SameKeyAfter { wait, .. } => Some(wait),
///         _ => None,
///     }
/// }
///
/// assert_eq!(next_run(Advice::Never), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Advice {
    /// The write took effect: there is nothing more to do.
    Done,
    /// The write did not take effect, and sending the same request again gets the same error. If that is about the program (a
    /// refused token, an address that no service covers) mend it, and make the same call again.
    Never,
    /// Make the same call again: with the same operation, or the same key of yours, or from the
    /// [record](crate::Error::record). For a call without a key: the same request.
    SameKeyAfter {
        /// After this wait. It does not grow from call to call: a queue that runs a call often waits longer each time.
        wait: Duration,
        /// Not later than this: the service may forget the key. With a journal or a record a later call is refused then
        /// ([`StopReason::KeyExpired`]); with an operation alone nothing checks it. `None` if there is no such time.
        not_after: Option<SystemTime>,
    },
    /// Find out whether the write took effect before it is sent again: a new call has a new key, or none, and nothing would
    /// keep the write from being applied twice. If the layer has made the key, you can also
    /// [resume](crate::RequestBuilderExt::resume) from the [record](crate::Error::record), which sends the same key again. The
    /// key lasts until [`Record::protected_until`](crate::Record::protected_until).
    LookFirst,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("nothing more to do"),
            Self::Never => f.write_str("do not send it again: it would fail again"),
            Self::SameKeyAfter { wait, .. } => write!(f, "make the same call again after {wait:.0?}"),
            Self::LookFirst => f.write_str("find out whether it took effect before it is sent again"),
        }
    }
}

/// What the advice depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub(crate) effect: Effect,
    pub(crate) applied: Applied,
    pub(crate) stop: StopReason,
    /// A later call can reach the same key: that of an operation, of the caller's, or of a record.
    pub(crate) reenterable: bool,
    /// The one execution under the key is over: sending it again brings nothing new.
    pub(crate) settled: bool,
    /// The last attempt was refused without being executed.
    pub(crate) refused: bool,
    /// A later call can go on with another key, if the verifier allows it.
    pub(crate) generation_left: bool,
    /// When the journal can say more.
    pub(crate) again_after: Option<Duration>,
    /// The server's hint, or the policy's wait.
    pub(crate) wait: Duration,
    pub(crate) protection: Protection,
}

/// Until when a key keeps a write from being applied twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// There is no key, or the service does not say how long it keeps keys.
    Unknown,
    Until(SystemTime),
    /// The time has passed.
    Over,
    Always,
}

impl Advice {
    /// The advice that needs no more than these two facts.
    pub(crate) fn at_once(applied: Applied, stop: StopReason) -> Option<Self> {
        match (applied, stop) {
            (Applied::Yes, _) => Some(Self::Done),
            (Applied::No, StopReason::Permanent) => Some(Self::Never),
            _ => None,
        }
    }
}

impl Situation {
    pub(crate) fn advice(&self) -> Advice {
        Advice::at_once(self.applied, self.stop).unwrap_or_else(|| match self.applied {
            Applied::Yes | Applied::No => self.not_applied(),
            Applied::Unknown => self.in_doubt(),
        })
    }

    fn not_applied(&self) -> Advice {
        if self.settled && !self.generation_left { Advice::Never } else { self.again(None) }
    }

    fn in_doubt(&self) -> Advice {
        if let Some(wait) = self.again_after {
            return Advice::SameKeyAfter { wait, not_after: None };
        }
        let may_be_elsewhere = matches!(self.stop, StopReason::JournalUnavailable | StopReason::RunningElsewhere);
        // What does no harm twice can be sent again, unless that would bring the same refusal.
        let is_harmless = self.effect != Effect::Write && self.stop != StopReason::Permanent;
        if may_be_elsewhere || is_harmless {
            return self.again(None);
        }
        let is_final = match self.stop {
            // Refused, the same key brings back what an earlier attempt may have done.
            StopReason::Permanent => !self.refused,
            stop => matches!(stop, StopReason::NotIdempotent | StopReason::KeyExpired),
        };
        match self.protection {
            _ if is_final || self.settled || !self.reenterable => Advice::LookFirst,
            Protection::Until(not_after) => self.again(Some(not_after)),
            Protection::Always => self.again(None),
            Protection::Unknown | Protection::Over => Advice::LookFirst,
        }
    }

    fn again(&self, not_after: Option<SystemTime>) -> Advice {
        Advice::SameKeyAfter { wait: self.wait, not_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(2);
    const LATER: Duration = Duration::from_secs(90);

    fn in_doubt(stop: StopReason) -> Situation {
        Situation {
            effect: Effect::Write,
            applied: Applied::Unknown,
            stop,
            reenterable: true,
            settled: false,
            refused: false,
            generation_left: true,
            again_after: None,
            wait: WAIT,
            protection: Protection::Until(SystemTime::UNIX_EPOCH),
        }
    }

    fn not_applied(stop: StopReason) -> Situation {
        Situation { applied: Applied::No, protection: Protection::Unknown, ..in_doubt(stop) }
    }

    const AGAIN: Advice = Advice::SameKeyAfter { wait: WAIT, not_after: None };

    #[test]
    fn what_was_not_applied_is_sent_again_unless_it_fails_again() {
        use StopReason::*;
        for (stop, advice) in [
            (Permanent, Advice::Never),
            (AttemptsExhausted, AGAIN),
            (BudgetExhausted, AGAIN),
            (DeadlineExceeded, AGAIN),
            (RetryAfterTooLong, AGAIN),
            (BodyNotReplayable, AGAIN),
            (JournalUnavailable, AGAIN),
        ] {
            assert_eq!(not_applied(stop).advice(), advice, "{stop:?}");
        }
        let settled = Situation { settled: true, ..not_applied(Unverified) };
        assert_eq!(settled.advice(), AGAIN, "the next run rotates");
        assert_eq!(Situation { generation_left: false, ..settled }.advice(), Advice::Never);
    }

    #[test]
    fn what_is_in_doubt_is_sent_again_while_its_key_protects_it() {
        use StopReason::*;
        let protected = Advice::SameKeyAfter { wait: WAIT, not_after: Some(SystemTime::UNIX_EPOCH) };
        for (stop, advice) in [
            (Permanent, Advice::LookFirst),
            (NotIdempotent, Advice::LookFirst),
            (KeyExpired, Advice::LookFirst),
            (JournalUnavailable, AGAIN),
            (RunningElsewhere, AGAIN),
            (Unverified, protected),
            (AttemptsExhausted, protected),
            (DeadlineExceeded, protected),
            (BudgetExhausted, protected),
            (RetryAfterTooLong, protected),
            (BodyNotReplayable, protected),
        ] {
            assert_eq!(in_doubt(stop).advice(), advice, "{stop:?}");
        }
        let exhausted = in_doubt(AttemptsExhausted);
        for (situation, advice) in [
            (Situation { reenterable: false, ..exhausted }, Advice::LookFirst),
            (Situation { settled: true, ..exhausted }, Advice::LookFirst),
            (Situation { refused: true, ..in_doubt(Permanent) }, protected),
            (Situation { refused: true, reenterable: false, ..in_doubt(Permanent) }, Advice::LookFirst),
            (Situation { protection: Protection::Unknown, ..exhausted }, Advice::LookFirst),
            (Situation { protection: Protection::Over, ..exhausted }, Advice::LookFirst),
            (Situation { protection: Protection::Always, ..exhausted }, AGAIN),
            (Situation { effect: Effect::Idempotent, reenterable: false, ..exhausted }, AGAIN),
            // Sent again, it would be refused again.
            (Situation { effect: Effect::Idempotent, reenterable: false, ..in_doubt(Permanent) }, Advice::LookFirst),
            (
                Situation { again_after: Some(LATER), ..in_doubt(Unverified) },
                Advice::SameKeyAfter { wait: LATER, not_after: None },
            ),
        ] {
            assert_eq!(situation.advice(), advice, "{situation:?}");
        }
        assert_eq!(Situation { applied: Applied::Yes, ..exhausted }.advice(), Advice::Done);
    }
}
