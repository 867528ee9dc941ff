//! The limiters of a service: one for all calls, and one for each limit key that was refused on its own.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    concurrency_limit::ConcurrencyLimit,
    feedback::{Change, Feedback},
    fleet::Fleet,
    held::{self, Lent},
    limiter::Limiter,
    permit::Permit,
    state::{Arrival, Reading, Refusal},
};
use crate::time::{self, Instant};

/// A service's limiters. A limit key has its own only after a refusal that named it, so that nothing is kept of keys
/// that stay within their limit.
#[derive(Debug)]
pub(crate) struct Limiters {
    all: Limiter,
    partitions: Mutex<Partitions>,
    /// Of a limit that other processes share.
    fleet: OnceLock<Fleet>,
    /// Read without the lock: while there are none, limit keys are not extracted.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Partitions {
    by_key: HashMap<String, Partition>,
    /// When those that are not used any more were last removed.
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Partition {
    limiter: Limiter,
    used: Instant,
}

/// However many limit keys a service has, no more are kept.
const MOST_PARTITIONS: usize = 1024;
/// A limit key that was not used for so long starts anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// Whose limit an attempt reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    LimitKey,
}

/// The permits of an attempt: the service's, and its limit key's if that has a limiter.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Permits {
    /// None if there is no limit.
    all: Option<Permit>,
    /// In a box, since few calls have one.
    limit_key: Option<Box<Permit>>,
    /// That of the call around this one, in place of an own one.
    _lent: Option<Lent>,
}

impl Limiters {
    /// `None` if there is no limit.
    pub(crate) fn new(limit: &ConcurrencyLimit) -> Option<Self> {
        let all = || Self {
            all: Limiter::new(limit),
            partitions: Mutex::default(),
            fleet: OnceLock::new(),
            count: AtomicUsize::new(0),
        };
        (*limit != ConcurrencyLimit::Off).then(all)
    }

    /// Shares the limit of all callers under this name. Returns whether it can be shared, and was not yet.
    pub(crate) fn share(&self, fleet: &Fleet, name: String) -> bool {
        // Limits of single keys are not: they are many, and few processes use the same.
        self.fleet.set(fleet.clone()).is_ok() && fleet.share(name, &self.all)
    }

    fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permits for an attempt, if they are available at once and no limit key has to be extracted.
    pub(crate) fn try_acquire(&self, now: Instant, deadline: Option<Instant>) -> Option<Permits> {
        if self.count.load(Relaxed) > 0 {
            return None;
        }
        Some(Permits { all: Some(self.all.try_acquire(now, deadline)?), ..Permits::default() })
    }

    /// Permits for an attempt. The limit key's comes first: a call that waits for it delays no others.
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`].
    pub(crate) async fn acquire(
        &self,
        arrival: &Arrival,
        limit_key: impl FnOnce() -> Option<String>,
    ) -> Result<Permits, Refusal> {
        if let Some(lent) = held::borrow(self.id()) {
            return Ok(Permits { _lent: Some(lent), ..Permits::default() });
        }
        let limit_key = match self.partition(limit_key) {
            Some(limiter) => Some(Box::new(limiter.acquire(arrival).await?)),
            None => None,
        };
        Ok(Permits { all: Some(self.all.acquire(arrival).await?), limit_key, _lent: None })
    }

    /// Tells the limiters of one service from those of another.
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn partition(&self, limit_key: impl FnOnce() -> Option<String>) -> Option<Limiter> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let (limit_key, now) = (limit_key(), time::now());
        let mut partitions = self.partitions();
        // Whoever calls: a limit key that was refused may never call again. When none is left, none is extracted.
        if partitions.swept.is_none_or(|swept| now - swept >= FORGOTTEN_AFTER) {
            partitions.sweep(now);
            self.count.store(partitions.by_key.len(), Relaxed);
        }
        let partition = partitions.by_key.get_mut(&limit_key?)?;
        partition.used = now;
        Some(partition.limiter.clone())
    }

    /// This limit key has reached its own limit: from now on it has a limiter. If too many have one it gets none, and its
    /// refusals count for all.
    pub(crate) fn refuse(&self, limit_key: String) -> Scope {
        let now = time::now();
        let mut partitions = self.partitions();
        if !partitions.has_room_for(&limit_key) {
            partitions.sweep(now);
        }
        if !partitions.has_room_for(&limit_key) {
            return Scope::All;
        }
        let new = || Partition { limiter: Limiter::new(&ConcurrencyLimit::Adaptive), used: now };
        partitions.by_key.entry(limit_key).or_insert_with(new);
        self.count.store(partitions.by_key.len(), Relaxed);
        Scope::LimitKey
    }

    /// The service asks for a wait, of all callers or of a limit key; the policy allows the longest.
    pub(crate) fn hint(
        &self,
        scope: Scope,
        hint: Duration,
        longest: Duration,
        limit_key: impl FnOnce() -> Option<String>,
    ) {
        match scope {
            Scope::All => self.all.hint(hint, longest),
            Scope::LimitKey => {
                if let Some(limiter) = self.partition(limit_key) {
                    limiter.hint(hint, longest);
                }
            }
        }
    }

    pub(crate) fn read(&self) -> Reading {
        self.all.read()
    }

    pub(crate) fn limit_keys(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Partitions {
    fn has_room_for(&self, limit_key: &str) -> bool {
        self.by_key.len() < MOST_PARTITIONS || self.by_key.contains_key(limit_key)
    }

    /// Forgets the limit keys that were not used for long.
    fn sweep(&mut self, now: Instant) {
        self.by_key.retain(|_, partition| !partition.limiter.is_idle() || now - partition.used < FORGOTTEN_AFTER);
        self.swept = Some(now);
    }
}

impl Permits {
    /// Whether a call within this one could wait for its place.
    pub(crate) fn is_scarce(&self) -> bool {
        self.limit_key.is_some() || self.all.as_ref().is_some_and(Permit::is_scarce)
    }

    /// Whether the attempt finds out if the service is back.
    pub(crate) fn is_probe(&self) -> bool {
        let of_limit_key = self.limit_key.as_ref().is_some_and(|permit| permit.is_probe());
        self.all.as_ref().is_some_and(Permit::is_probe) || of_limit_key
    }

    /// Releases the permits. A refusal counts for the limiter whose limit was reached; for the other it is a response.
    pub(crate) fn release(self, feedback: Feedback, scope: Scope, now: Instant) -> Option<Change> {
        let (all, limit_key) = match (feedback, scope) {
            (Feedback::Throttled, Scope::LimitKey) => (Feedback::Response, Feedback::Throttled),
            (Feedback::Throttled, Scope::All) => (Feedback::Throttled, Feedback::Response),
            (other, _) => (other, other),
        };
        let of_limit_key = self.limit_key.and_then(|permit| permit.release(limit_key, now));
        self.all.and_then(|permit| permit.release(all, now)).or(of_limit_key)
    }
}
