//! The limiters of a service: one for all calls, one for each limit group of its routes, and one for each limit key
//! that was refused on its own.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    arrival::{Arrival, Reading, Refusal},
    concurrency_limit::ConcurrencyLimit,
    feedback::{Change, Feedback},
    fleet::Fleet,
    held::{self, Lent},
    limiter::Limiter,
    permit::Permit,
};
use crate::time::{self, Instant};

/// A service's limiters. A limit key has its own only after a refusal that named it, so that nothing is kept of keys
/// that stay within their limit.
#[derive(Debug)]
pub(crate) struct Limiters {
    /// Of the calls that are in no group.
    all: Limiter,
    groups: Box<[Limiter]>,
    partitions: Mutex<Partitions>,
    /// Of a limit that other processes share.
    fleet: OnceLock<Fleet>,
    /// Read without the lock: while there are none, limit keys are not extracted.
    count: AtomicUsize,
}

/// The position of a limit group in the service's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) usize);

#[derive(Debug, Default)]
struct Partitions {
    /// By the hash of the limit key: that is short, and not what the caller may want to keep for itself. Its seed is
    /// random, so that nobody can choose keys that share a limiter.
    by_key: HashMap<u64, Partition>,
    hashes: RandomState,
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
/// While there is no room, so long passes before it is looked for again.
const LOOKED_FOR_ROOM: Duration = Duration::from_secs(1);

/// Whose limit an attempt reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The service's, or that of the call's limit group.
    All,
    LimitKey,
}

/// The permits of an attempt.
#[derive(Debug, Default)]
#[must_use]
pub(crate) enum Permits<'a> {
    #[default]
    None,
    /// That of the service, or of its limit group.
    One(Permit<'a>),
    /// And that of its limit key; in a box, since few calls have one.
    Two(Box<(Permit<'a>, Permit<'static>)>),
    /// That of the call around this one, in place of an own one.
    Lent { _permit: Lent },
}

impl Limiters {
    /// `None` if there is no limit.
    pub(crate) fn new(limit: &ConcurrencyLimit, groups: usize) -> Option<Self> {
        let new = || Limiter::new(limit);
        (*limit != ConcurrencyLimit::Off).then(|| Self {
            all: new(),
            groups: (0..groups).map(|_| new()).collect(),
            partitions: Mutex::default(),
            fleet: OnceLock::new(),
            count: AtomicUsize::new(0),
        })
    }

    /// The limiter of a limit group, or that of all other calls.
    fn of(&self, group: Option<Group>) -> &Limiter {
        group.and_then(|Group(position)| self.groups.get(position)).unwrap_or(&self.all)
    }

    /// Shares the service's limit under its name, and those of its groups. Returns whether they can be shared, and were not
    /// yet.
    pub(crate) fn share<'a>(&self, fleet: &Fleet, name: &str, groups: impl Iterator<Item = &'a str>) -> bool {
        // Limits of single keys are not: they are many, and few processes use the same.
        if self.fleet.set(fleet.clone()).is_err() || !fleet.share(name.to_owned(), &self.all) {
            return false;
        }
        groups.zip(&self.groups).all(|(group, limiter)| fleet.share(format!("{name}/{group}"), limiter))
    }

    fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permits for an attempt, if they are available at once and no limit key has to be extracted.
    pub(crate) fn try_acquire(
        &self,
        group: Option<Group>,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Option<Permits<'_>> {
        if self.count.load(Relaxed) > 0 {
            return None;
        }
        self.of(group).try_acquire(now, deadline).map(Permits::One)
    }

    /// Permits for an attempt. The limit key's comes first: a call that waits for it delays no others.
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`].
    pub(crate) async fn acquire(
        &self,
        group: Option<Group>,
        arrival: &Arrival,
        limit_key: impl FnOnce() -> Option<String>,
    ) -> Result<Permits<'_>, Refusal> {
        if let Some(lent) = held::borrow(self.id()) {
            return Ok(Permits::Lent { _permit: lent });
        }
        let Some(of_key) = self.partition(limit_key) else {
            return self.of(group).acquire(arrival).await.map(Permits::One);
        };
        let of_key = of_key.acquire(arrival).await?.into_owned();
        Ok(Permits::Two(Box::new((self.of(group).acquire(arrival).await?, of_key))))
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
        let hash = partitions.hash(&limit_key?);
        let partition = partitions.by_key.get_mut(&hash)?;
        partition.used = now;
        Some(partition.limiter.clone())
    }

    /// This limit key has reached its own limit: from now on it has a limiter. If too many have one it gets none, and its
    /// refusals count for all.
    pub(crate) fn refuse(&self, limit_key: &str) -> Scope {
        let now = time::now();
        let mut partitions = self.partitions();
        let hash = partitions.hash(limit_key);
        if !partitions.has_room_for(hash) && partitions.swept.is_none_or(|swept| now - swept >= LOOKED_FOR_ROOM) {
            partitions.sweep(now);
        }
        if !partitions.has_room_for(hash) {
            return Scope::All;
        }
        let new = || Partition { limiter: Limiter::new(&ConcurrencyLimit::Adaptive), used: now };
        partitions.by_key.entry(hash).or_insert_with(new);
        self.count.store(partitions.by_key.len(), Relaxed);
        Scope::LimitKey
    }

    /// The service asks for a wait, of all callers or of a limit key. The policy allows the longest, which comes
    /// second.
    pub(crate) fn hint(
        &self,
        group: Option<Group>,
        scope: Scope,
        (hint, longest): (Duration, Duration),
        limit_key: impl FnOnce() -> Option<String>,
    ) {
        match scope {
            Scope::All => self.of(group).hint(hint, longest),
            Scope::LimitKey => {
                if let Some(limiter) = self.partition(limit_key) {
                    limiter.hint(hint, longest);
                }
            }
        }
    }

    /// What can be seen of the limiter that a call in this group uses.
    pub(crate) fn read(&self, group: Option<Group>) -> Reading {
        self.of(group).read()
    }

    /// The service's limit when its state was last looked at.
    pub(crate) fn last_limit(&self) -> usize {
        self.of(None).last_limit()
    }

    /// Whether the limit of this group is closed.
    pub(crate) fn is_closed(&self, group: Option<Group>) -> bool {
        self.of(group).is_closed()
    }

    pub(crate) fn limit_keys(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Partitions {
    fn hash(&self, limit_key: &str) -> u64 {
        self.hashes.hash_one(limit_key)
    }

    fn has_room_for(&self, hash: u64) -> bool {
        self.by_key.len() < MOST_PARTITIONS || self.by_key.contains_key(&hash)
    }

    /// Forgets the limit keys that were not used for long.
    fn sweep(&mut self, now: Instant) {
        self.by_key.retain(|_, partition| !partition.limiter.is_idle() || now - partition.used < FORGOTTEN_AFTER);
        self.swept = Some(now);
    }
}

impl Permits<'_> {
    /// Whether a call within this one could wait for its place.
    pub(crate) fn is_scarce(&self) -> bool {
        match self {
            Self::None | Self::Lent { .. } => false,
            Self::One(permit) => permit.is_scarce(),
            Self::Two(_) => true,
        }
    }

    /// Whether the attempt finds out if the service is back.
    pub(crate) fn is_probe(&self) -> bool {
        match self {
            Self::None | Self::Lent { .. } => false,
            Self::One(permit) => permit.is_probe(),
            Self::Two(both) => both.0.is_probe() || both.1.is_probe(),
        }
    }

    /// Releases the permits. A refusal counts for the limiter whose limit was reached; for the other it is a response.
    pub(crate) fn release(self, feedback: Feedback, scope: Scope, now: Instant) -> Option<Change> {
        let (all, limit_key) = match (feedback, scope) {
            (Feedback::Throttled, Scope::LimitKey) => (Feedback::Response, Feedback::Throttled),
            (Feedback::Throttled, Scope::All) => (Feedback::Throttled, Feedback::Response),
            (other, _) => (other, other),
        };
        match self {
            Self::None | Self::Lent { .. } => None,
            Self::One(permit) => permit.release(all, now),
            Self::Two(both) => {
                let (permit, of_key) = *both;
                let of_key = of_key.release(limit_key, now);
                permit.release(all, now).or(of_key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{arrival::Priority, test_calls::arrival};

    fn limiters() -> Limiters {
        Limiters::new(&ConcurrencyLimit::Adaptive, 0).unwrap()
    }

    /// A million customers are refused: those that get no limiter of their own count for the service.
    #[tokio::test(start_paused = true)]
    async fn limit_keys_are_bounded() {
        let limiters = limiters();
        for number in 0..1_000_000 {
            let expected = if number < MOST_PARTITIONS { Scope::LimitKey } else { Scope::All };
            assert_eq!(limiters.refuse(&format!("customer-{number}")), expected, "{number}");
        }
        assert_eq!(limiters.limit_keys(), MOST_PARTITIONS);
        // One that has a limiter keeps it.
        assert_eq!(limiters.refuse("customer-0"), Scope::LimitKey);
        // Once the others are forgotten there is room, which is not looked for each time.
        time::sleep(FORGOTTEN_AFTER - LOOKED_FOR_ROOM / 2).await;
        assert_eq!(limiters.refuse("another"), Scope::All);
        time::sleep(LOOKED_FOR_ROOM / 2).await;
        assert_eq!(limiters.refuse("another"), Scope::All);
        time::sleep(LOOKED_FOR_ROOM / 2).await;
        assert_eq!((limiters.refuse("another"), limiters.limit_keys()), (Scope::LimitKey, 1));
    }

    /// A probe of the limit key's limit is one, though the service's limit is open.
    #[tokio::test(start_paused = true)]
    async fn probe_of_a_limit_key_is_a_probe() {
        let limiters = limiters();
        assert_eq!(limiters.refuse("customer"), Scope::LimitKey);
        let arrival = arrival(Priority::Write, Duration::from_secs(60));
        for _ in 0..100 {
            let permits = limiters.acquire(None, &arrival, || Some("customer".to_owned())).await.unwrap();
            if permits.is_probe() {
                assert!(!limiters.is_closed(None));
                return;
            }
            time::sleep(Duration::from_millis(20)).await;
            permits.release(Feedback::Throttled, Scope::LimitKey, time::now());
        }
        unreachable!("every attempt was refused");
    }
}
