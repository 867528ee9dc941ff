//! What becomes of an entry: the rules of the journal, as a function of the entry and the store's time.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::{
    answer::{Answer, Held, JournalAnswer, JournalOutcome},
    entry::{EndedApplied, EndedBy, Ending, JournalEntry, Key, Millis, millis},
};
use crate::decide::stop::Applied;

/// One step of an operation, for the adapter of a store: it applies the step to the operation's entry within a transaction.
///
/// ```
/// use std::time::SystemTime;
/// use reqwest_safe_retry::async_trait;
/// use reqwest_safe_retry::durable::{Journal, JournalAnswer, JournalEntry, JournalError, JournalStep, testing};
///
/// /// A store that forgets: it shows which row a step is about.
/// struct Forgetful;
///
/// #[async_trait]
/// impl Journal for Forgetful {
///     async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
///         assert_eq!((step.service(), step.scope(), step.operation()), ("billing", "", "invoice-7"));
///         Ok(step.apply(None, SystemTime::now()).answer)
///     }
/// #     async fn in_doubt(&self, _: usize) -> Result<Vec<JournalEntry>, JournalError> { Ok(Vec::new()) }
/// #     async fn purge(&self) -> Result<u64, JournalError> { Ok(0) }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(testing::begin(&Forgetful, "billing", "invoice-7").await.unwrap(), Some(1));
/// assert_eq!(testing::begin(&Forgetful, "billing", "invoice-7").await.unwrap(), Some(1), "its row is lost");
/// # });
/// ```
#[derive(Clone)]
pub struct JournalStep {
    service: String,
    scope: String,
    operation: String,
    kind: Kind,
}

/// Without the operation, from which its first key can be computed.
impl fmt::Debug for JournalStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalStep").field("service", &self.service).field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
enum Kind {
    Begin(Begin),
    Rotate { fence: u64, key: Key, proof: Proof },
    End { fence: u64, ended: Ended },
    Resolve { fence: u64, applied: Applied },
}

/// A process begins an operation, for the first time or again.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) request: Uuid,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) key: Option<Key>,
    /// How long ago the key was first sent, if it was and the write is in doubt: counts where the journal knows nothing.
    pub(crate) sent: Option<Duration>,
    pub(crate) lease: Duration,
    pub(crate) longest_attempt: Duration,
    /// `Duration::MAX` if the service never forgets a key.
    pub(crate) retention: Option<Duration>,
}

/// How a call has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) applied: Applied,
    pub(crate) by: EndedBy,
    /// In the words of metrics; empty for a success.
    pub(crate) stop: &'static str,
    /// Whether an attempt of the call may still be executed.
    pub(crate) remains: Remains,
}

/// What of a call may still be executed once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    Nothing,
    Attempts,
}

impl Ended {
    /// Of which nothing is known but this.
    pub(crate) const fn new(applied: Applied) -> Self {
        Self { applied, by: EndedBy::Call, stop: "", remains: Remains::Attempts }
    }
}

/// Why a key may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The service has said that the key is used up.
    UsedUp,
    /// The verifier has said "not applied", which says nothing about an attempt that may still be executed.
    Verdict,
}

/// So much behind a recorded time the store's clock may be: clocks are adjusted by steps of less than a second.
const CLOCK_STEPS: u64 = 60_000;

impl JournalStep {
    pub(crate) fn begin(name: (&str, &str, &str), begin: Begin) -> Self {
        Self::new(name, Kind::Begin(begin))
    }

    pub(crate) fn rotate(name: (&str, &str, &str), fence: u64, key: String, proof: Proof) -> Self {
        Self::new(name, Kind::Rotate { fence, key: Key(key), proof })
    }

    pub(crate) fn end(name: (&str, &str, &str), fence: u64, ended: Ended) -> Self {
        Self::new(name, Kind::End { fence, ended })
    }

    pub(super) fn resolve(entry: &JournalEntry, applied: Applied) -> Self {
        let name = (entry.service(), entry.scope(), entry.operation());
        Self::new(name, Kind::Resolve { fence: entry.fence, applied })
    }

    fn new((service, scope, operation): (&str, &str, &str), kind: Kind) -> Self {
        Self { service: service.to_owned(), scope: scope.to_owned(), operation: operation.to_owned(), kind }
    }

    /// The name of the service: with [`scope`](Self::scope) and [`operation`](Self::operation) the key of the row.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The scope of the operation; may be empty.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The id of the operation.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What becomes of the entry, which is `None` if there is no row; `now` is the time of the store's clock.
    pub fn apply(&self, entry: Option<JournalEntry>, now: SystemTime) -> JournalOutcome {
        let now = Millis::of(now);
        let applied = match (&self.kind, entry) {
            (Kind::Begin(begin), None) => Ok(self.first(begin, now)),
            (Kind::Begin(begin), Some(entry)) => begin.again(entry, now),
            (Kind::Rotate { fence, key, proof }, Some(entry)) => rotate(entry, *fence, key, *proof, now),
            (Kind::End { fence, ended }, Some(entry)) => end(entry, *fence, *ended, now),
            (Kind::Resolve { fence, applied }, Some(entry)) => resolve(entry, *fence, *applied, now),
            // The row was lost.
            (_, None) => Err(Answer::Fenced),
        };
        match applied {
            Ok((entry, answer)) => JournalOutcome { entry: Some(entry), answer: JournalAnswer(answer) },
            Err(answer) => JournalOutcome { entry: None, answer: JournalAnswer(answer) },
        }
    }

    fn first(&self, begin: &Begin, now: Millis) -> (JournalEntry, Answer) {
        let entry = JournalEntry {
            request: Some(begin.request),
            key: begin.key.clone(),
            ..JournalEntry::new(&self.service, &self.scope, &self.operation)
        };
        let first_sent = Millis(now.0.saturating_sub(millis(begin.sent.unwrap_or_default())));
        let earlier_until = begin.sent.map(|_| now.after(millis(begin.longest_attempt)));
        begin.hold(JournalEntry { first_sent, earlier_until, ..entry }, now)
    }
}

/// What follows: the entry to be written, and the answer; or the answer alone.
type Applies = Result<(JournalEntry, Answer), Answer>;

impl Begin {
    fn again(&self, mut entry: JournalEntry, now: Millis) -> Applies {
        let ending = entry.ending.take();
        let Some(request) = entry.request else {
            return Err(Answer::Closed(ending.map_or(Applied::Unknown, |ending| ending.applied.into())));
        };
        let ended = ending.map(|ending| (ending.applied, ending.by));
        if request != self.request {
            let refused = matches!(ended, Some((EndedApplied::No, _)));
            return Err(Answer::OtherRequest(if refused { Applied::No } else { Applied::Unknown }));
        }
        match ended {
            Some((EndedApplied::Yes, EndedBy::Response)) => return Err(Answer::Applied(held(&entry, now))),
            // Nothing proves that the service has stored the success under the key: it might execute it again.
            Some((EndedApplied::Yes, _)) => return Err(Answer::Closed(Applied::Yes)),
            // Nothing that was sent can still take effect: it begins as if for the first time.
            Some((EndedApplied::No, _)) => {
                (entry.first_sent, entry.earlier_until) = (now, None);
                entry.key = entry.key.or_else(|| self.key.clone());
            }
            None if entry.lease_until > now => return Err(Answer::RunningElsewhere(entry.lease_until.since(now))),
            None | Some((EndedApplied::Unknown, _)) => {
                entry.earlier_until = entry.earlier_until.max(Some(entry.over_at()));
            }
        }
        let (entry, mut answer) = self.hold(entry, now);
        if let Answer::Begun(held) = &mut answer {
            held.is_resolved = ended == Some((EndedApplied::No, EndedBy::Person));
        }
        Ok((entry, answer))
    }

    fn hold(&self, mut entry: JournalEntry, now: Millis) -> (JournalEntry, Answer) {
        entry.fence = entry.fence.saturating_add(1);
        let held = held(&entry, now);
        entry.lease_until = now.after(millis(self.lease));
        entry.longest_attempt = millis(self.longest_attempt);
        entry.newest = entry.newest.max(now);
        entry.retention = self.retention.map(millis);
        (entry.method, entry.path) = (self.method.clone(), self.path.clone());
        (entry, Answer::Begun(held))
    }
}

fn held(entry: &JournalEntry, now: Millis) -> Held {
    Held {
        fence: entry.fence,
        key: entry.key.clone(),
        generation: entry.generation,
        age: now.since(entry.first_sent),
        earlier: entry.earlier_until.map(|until| until.since(now)),
        is_resolved: false,
        clock_is_behind: now.after(CLOCK_STEPS) < entry.newest,
    }
}

fn rotate(mut entry: JournalEntry, fence: u64, key: &Key, proof: Proof, now: Millis) -> Applies {
    if entry.fence != fence || entry.ending.is_some() {
        return Err(Answer::Fenced);
    }
    match entry.earlier_until {
        Some(until) if proof == Proof::Verdict && until > now => return Err(Answer::TooEarly(until.since(now))),
        // The earlier attempts carried the key that is replaced.
        _ => entry.earlier_until = None,
    }
    entry.generation = entry.generation.saturating_add(1);
    entry.key = Some(key.clone());
    entry.first_sent = now;
    entry.newest = entry.newest.max(now);
    Ok((entry, Answer::Rotated))
}

fn end(mut entry: JournalEntry, fence: u64, ended: Ended, now: Millis) -> Applies {
    if entry.fence != fence || entry.request.is_none() {
        return Err(Answer::Fenced);
    }
    // No attempt begins after the end.
    entry.lease_until = entry.lease_until.min(now);
    if ended.remains == Remains::Nothing {
        entry.longest_attempt = 0;
    }
    entry.newest = entry.newest.max(now);
    let Ended { applied, by, stop, .. } = ended;
    entry.ending = Some(Ending { applied: applied.into(), at: now, stop: stop.to_owned(), by });
    Ok((entry, Answer::Ended))
}

/// Somebody has looked. The process that began it, should it come back, must not overwrite that.
fn resolve(entry: JournalEntry, fence: u64, applied: Applied, now: Millis) -> Applies {
    // The process has come back meanwhile: what it has recorded is not in doubt.
    if entry.ending.as_ref().is_some_and(|ending| ending.applied != EndedApplied::Unknown) {
        return Err(Answer::Fenced);
    }
    let is_running = entry.ending.is_none() && entry.lease_until > now;
    if is_running {
        return Err(Answer::RunningElsewhere(entry.lease_until.since(now)));
    }
    let over_at = entry.over_at().max(entry.earlier_until.unwrap_or_default());
    if entry.fence == fence && applied == Applied::No && over_at > now {
        return Err(Answer::TooEarly(over_at.since(now)));
    }
    let resolved = Ended { by: EndedBy::Person, stop: "resolved", ..Ended::new(applied) };
    let (mut entry, answer) = end(entry, fence, resolved, now)?;
    entry.fence = entry.fence.saturating_add(1);
    Ok((entry, answer))
}
