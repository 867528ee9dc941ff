//! A story: which process runs when, what becomes of its attempts, and where it stops.

use super::{
    delivery::Delivery,
    scenario::{LONGEST_ATTEMPT, RETENTION},
    service::Millis,
};

/// A process runs until it ends or stops.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) who: Who,
    pub(super) after: Gap,
    /// What becomes of its attempts.
    pub(super) script: Vec<Delivery>,
    pub(super) stop: Option<Stop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// A process that begins.
    New,
    /// The one that was held up goes on.
    HeldUp,
}

/// How much time passes before a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Gap {
    AtOnce,
    /// The lease of the process before passes.
    Lease,
    /// Everything that the process before has sent is over.
    Over,
    /// The service forgets the keys that were used until now.
    Forgotten,
}

/// A process stops at one of the events of its turn, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    pub(super) at: usize,
    pub(super) event: Event,
    pub(super) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    Dies,
    /// It is not run for a while.
    Suspended,
    /// Its machine sleeps: its monotonic clock stands still too.
    Asleep,
}

/// A point at which a process can stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A step is on its way to the journal.
    Commits,
    /// The journal has recorded it.
    Committed,
    /// A request has been sent: it was answered, or is under way.
    Sent,
    /// It waits.
    Waits,
    /// The verifier is about to look.
    Looks,
    /// The verifier has looked.
    HasLooked,
}

impl How {
    /// For how long a process is held up: one that is suspended for longer than its lease has no time left afterwards.
    pub(super) fn lasts(self) -> &'static [Gap] {
        match self {
            Self::Dies => &[],
            Self::Suspended => &[Gap::AtOnce, Gap::Over],
            Self::Asleep => &[Gap::Lease, Gap::Over, Gap::Forgotten],
        }
    }
}

impl Gap {
    /// When the turn begins.
    pub(super) fn begins(self, now: Millis, lease_until: Millis) -> Millis {
        match self {
            Self::AtOnce => now,
            Self::Lease => now.max(lease_until),
            Self::Over => now.max(lease_until + LONGEST_ATTEMPT),
            Self::Forgotten => now.max(lease_until) + RETENTION,
        }
    }
}

impl Turn {
    pub(super) fn new(who: Who, after: Gap) -> Self {
        Self { who, after, script: Vec::new(), stop: None }
    }
}
