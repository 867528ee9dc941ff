//! The account of a call: what each attempt met and what was done about it.

use std::{fmt, time::Duration};

use http::StatusCode;
use smallvec::SmallVec;

use crate::{
    decide::KeyAction,
    outcome::{Answer, Failure, Outcome, Redirected},
};

/// The attempts of one call, in order; carried by every response and every error of the layer.
///
/// A response has it among its extensions:
///
/// ```no_run
/// # async fn example(response: reqwest::Response) {
/// use reqwest_safe_retry::Attempts;
///
/// if let Some(attempts) = response.extensions().get::<Attempts>() {
///     println!("{attempts}"); // for example: 504 > waited 400ms > 200, in 1.2s
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Most calls have one, few have more than two.
    list: SmallVec<[Attempt; 2]>,
    elapsed: Duration,
    reconciled: bool,
}

/// One sending of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    met: Met,
    key: u32,
    replayed: bool,
    redirected: bool,
    verdict: Option<VerdictKind>,
    wait: Option<Duration>,
    action: KeyAction,
}

/// What an attempt met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Met {
    /// An answer with this status.
    Status(StatusCode),
    /// No answer.
    Failure(Failure),
}

/// What the verifier said, without the response that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerdictKind {
    /// The write took effect.
    Applied,
    /// It did not.
    NotApplied,
    /// The verifier cannot tell, failed, or took too long.
    Unknown,
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
        self.elapsed
    }

    /// Whether the response is the verifier's: the write had taken effect, and its own answer was lost.
    pub fn is_reconciled(&self) -> bool {
        self.reconciled
    }

    pub(crate) fn push(&mut self, outcome: Outcome, key: u32) {
        let (met, replayed, redirected) = match outcome {
            Outcome::Answer(Answer { status, replayed, redirected, .. }) => {
                (Met::Status(status), replayed, redirected == Redirected::OtherOrigin)
            }
            Outcome::Failure(failure) => (Met::Failure(failure), false, false),
        };
        let (verdict, wait, action) = (None, None, KeyAction::Preserve);
        self.list.push(Attempt { met, key, replayed, redirected, verdict, wait, action });
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

    pub(crate) fn finish(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    pub(crate) fn reconcile(&mut self) {
        self.reconciled = true;
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
    /// What the attempt met.
    pub fn met(&self) -> Met {
        self.met
    }

    /// The status of its answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        match self.met {
            Met::Status(status) => Some(status),
            Met::Failure(_) => None,
        }
    }

    /// Which of the call's keys it carried: 1 for the first, 2 for the one after the rotation, 0 for none.
    pub fn key_generation(&self) -> u32 {
        self.key
    }

    /// Whether the answer was marked as a stored one, repeated.
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// Whether a redirect took the request, and its key, to another origin.
    pub fn is_redirected(&self) -> bool {
        self.redirected
    }

    /// What the verifier said after this attempt, if it was asked.
    pub fn verdict(&self) -> Option<VerdictKind> {
        self.verdict
    }

    /// The wait that followed; `None` after the last attempt.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// What was to become of the key after the wait.
    pub fn key_action(&self) -> KeyAction {
        self.action
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.write_str(status.as_str()),
            Self::Failure(failure) => f.write_str(failure.name()),
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
            write!(f, "{}", attempt.met)?;
            if attempt.replayed {
                f.write_str(" (replayed)")?;
            }
            if attempt.redirected {
                f.write_str(" (redirected to another origin)")?;
            }
            if let Some(wait) = attempt.wait {
                write!(f, " > waited {}ms", wait.as_millis())?;
            }
            if let Some(verdict) = attempt.verdict {
                write!(f, " > {verdict}")?;
            }
        }
        if self.reconciled {
            f.write_str(" > reconciled")?;
        }
        write!(f, ", in {}ms", self.elapsed.as_millis())
    }
}
