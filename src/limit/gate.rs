//! What an open limit needs: numbers that are read and changed without a lock.

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// How many attempts are in flight, and below how many another one starts without a look at the state.
///
/// A call that finds the gate shut takes the lock of the state, and so does an attempt that ends while it is shut. A call
/// that joins the queue shuts the gate and then reads `in_flight`; an attempt that ends changes `in_flight` and then reads
/// the gate. All threads see these four in one order (`SeqCst`), so at least one of the two sees the other: the call that
/// there is a place, or the attempt that a call waits.
#[derive(Debug, Default)]
pub(super) struct Gate {
    in_flight: AtomicUsize,
    /// 0 while it is shut.
    open_below: AtomicUsize,
    /// Whether the state watches: it is updated whenever an attempt ends.
    watching: AtomicBool,
    /// The limit when the state was last looked at, and whether it was closed.
    limit: AtomicUsize,
    closed: AtomicBool,
    /// Successes since the limiter began; wraps around.
    accepted: AtomicU32,
}

/// After a pause so many start without a look at the state.
const IDLE: usize = 16;
/// The first success is looked at, and then one in so many.
pub(super) const ONE_IN: u32 = 16;

impl Gate {
    /// One more in flight, if the gate is open.
    pub(super) fn enter(&self) -> bool {
        self.enter_below(self.open_below.load(SeqCst))
    }

    /// One more in flight, if there are fewer than that.
    pub(super) fn enter_below(&self, most: usize) -> bool {
        let enter = |in_flight| (in_flight < most).then_some(in_flight + 1);
        self.in_flight.fetch_update(SeqCst, SeqCst, enter).is_ok()
    }

    /// One fewer in flight. Returns how many there were.
    pub(super) fn leave(&self) -> usize {
        self.in_flight.fetch_sub(1, SeqCst)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    /// Whether the state has to be updated when an attempt ends. While it watches, or while the gate is shut: always.
    /// Otherwise only when the last attempt in flight ends and the gate is open for more than [`IDLE`].
    pub(super) fn needs_a_look(&self, none_in_flight: bool) -> bool {
        let open_below = self.open_below.load(SeqCst);
        open_below == 0 || self.watching.load(Relaxed) || (none_in_flight && open_below > IDLE)
    }

    /// Says whether the state watches from now on. It may miss an attempt that ends at the same time; the next one tells it
    /// as much.
    pub(super) fn watch(&self, watching: bool) {
        self.watching.store(watching, Relaxed);
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(super) fn show(&self, limit: usize, closed: bool) {
        self.limit.store(limit, Relaxed);
        self.closed.store(closed, Relaxed);
    }

    /// 0 shuts it. While none is in flight it is not wide open: what was known of the service may be long ago.
    pub(super) fn open_below(&self, most: usize) {
        let most = if self.in_flight() == 0 { most.min(IDLE) } else { most };
        self.open_below.store(most, SeqCst);
    }

    /// Counts a success. Returns whether it is one of those that the state looks at.
    pub(super) fn accept(&self) -> bool {
        self.accepted.fetch_add(1, Relaxed) % ONE_IN == 0
    }

    /// The successes counted so far.
    pub(super) fn accepted(&self) -> u32 {
        self.accepted.load(Relaxed)
    }
}
