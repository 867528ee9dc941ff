//! The state that a limiter, its permits and its waiting calls share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    arrival::{Arrival, Granted, Next, Priority, Reading, Refusal, Ticket},
    concurrency_limit::ConcurrencyLimit,
    control::Control,
    feedback::{Change, Ended, Feedback, Start},
    gate::Gate,
    shared_limit::{LimitReport, LimitShare},
};
use crate::time::{self, Instant};

/// Clones are the same limit.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Gate,
    /// Whether an attempt in flight always keeps another one from starting.
    is_fixed: bool,
    state: Mutex<State>,
}

/// A limit that ends when nobody uses it any more.
#[derive(Clone, Debug)]
pub(super) struct WeakShared(Weak<Inner>);

/// The state, as long as it is locked; the gate is set by it afterwards. Never held across an await.
pub(super) struct Locked<'a> {
    gate: &'a Gate,
    /// When it was locked.
    now: Duration,
    state: MutexGuard<'a, State>,
}

#[derive(Debug)]
struct State {
    control: Control,
    queue: BTreeMap<Ticket, Arc<Notify>>,
    next_number: u64,
    /// Whether a write or a read probes next while the limit is closed.
    probes: Priority,
    began: Instant,
    /// When a call was last turned away for its deadline.
    turned_away: Option<Duration>,
    /// How often the queue was sent away because of a hint, and the last hint.
    sent_away: (u64, Duration),
    /// Of the task that reports to the other processes, if the limit is shared.
    reports: Option<Arc<Notify>>,
    /// Up to which number of the gate's successes are counted.
    counted: u32,
}

/// So long after a call was turned away, the limit may be too low.
pub(super) const TURNED_AWAY: Duration = Duration::from_secs(1);

impl WeakShared {
    pub(super) fn upgrade(&self) -> Option<Shared> {
        self.0.upgrade().map(Shared)
    }
}

impl Shared {
    pub(super) fn downgrade(&self) -> WeakShared {
        WeakShared(Arc::downgrade(&self.0))
    }

    pub(super) fn new(limit: &ConcurrencyLimit) -> Self {
        let control = Control::new(limit);
        let gate = Gate::default();
        gate.open_below(control.open_below(Duration::ZERO));
        gate.show(control.limit(Duration::ZERO), false);
        let state = State {
            control,
            queue: BTreeMap::new(),
            next_number: 0,
            probes: Priority::Write,
            began: time::now(),
            turned_away: None,
            sent_away: (0, Duration::ZERO),
            reports: None,
            counted: 0,
        };
        let is_fixed = matches!(limit, ConcurrencyLimit::Fixed(_));
        Self(Arc::new(Inner { gate, is_fixed, state: Mutex::new(state) }))
    }

    /// A panic elsewhere leaves numbers that are still numbers.
    pub(super) fn lock(&self) -> Locked<'_> {
        self.lock_at(time::now)
    }

    /// The clock is read once it is locked.
    fn lock_at(&self, now: impl FnOnce() -> Instant) -> Locked<'_> {
        let Inner { gate, state, .. } = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { gate, now: now().saturating_duration_since(state.began), state }
    }

    /// The limit when the state was last looked at.
    pub(super) fn last_limit(&self) -> usize {
        self.0.gate.limit()
    }

    /// Whether it was closed then.
    pub(super) fn is_closed(&self) -> bool {
        self.0.gate.is_closed()
    }

    /// Starts an attempt at once, if nobody waits and the limit is open, or the call's deadline leaves the time.
    pub(super) fn try_start(&self, now: Instant, deadline: Option<Instant>) -> Option<Granted> {
        if self.0.gate.enter() {
            return Some(Granted { probe: false, scarce: self.0.is_fixed });
        }
        self.lock_at(|| now).try_start(now, deadline)
    }

    /// An attempt has ended.
    pub(super) fn end(&self, now: Instant, sent: Instant, probe: bool, feedback: Feedback) -> Option<Change> {
        let gate = &self.0.gate;
        let in_flight = gate.leave();
        let is_of_interest = match feedback {
            Feedback::Response => gate.accept(),
            Feedback::NoResponse | Feedback::Failed => false,
            Feedback::Throttled | Feedback::Unavailable => true,
        };
        if is_of_interest || gate.needs_a_look(in_flight == 1) {
            self.lock_at(|| now).end(sent, probe, feedback, in_flight)
        } else {
            None
        }
    }
}

impl Locked<'_> {
    fn since_began(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.state.began)
    }

    /// Starts an attempt, if nobody waits and the call's deadline leaves the time.
    fn try_start(&mut self, now: Instant, deadline: Option<Instant>) -> Option<Granted> {
        let is_limited = self.state.control.is_limited();
        if !self.state.queue.is_empty() || (is_limited && !self.is_in_time(now, deadline)) {
            return None;
        }
        match self.start(is_limited && self.has_turned_away()) {
            Ok(granted) => Some(granted),
            Err(_) => {
                self.state.control.queue_is_empty(self.now);
                None
            }
        }
    }

    /// Starts an attempt if it may start now; otherwise says when.
    fn start(&mut self, turned_away: bool) -> Result<Granted, Start> {
        let (in_flight, waiting) = (self.gate.in_flight(), self.state.queue.len());
        let start = self.state.control.start(self.now, in_flight, waiting, turned_away);
        let most = self.state.control.most();
        match start {
            // Of a fixed limit, another call may have come first since.
            Start::Now | Start::Probe if self.gate.enter_below(most) => {
                let probe = start == Start::Probe;
                if probe {
                    self.state.probes = self.state.probes.other();
                }
                Ok(Granted { probe, scarce: self.state.control.is_scarce() })
            }
            Start::Now | Start::Probe => Err(Start::WhenReleased),
            other => Err(other),
        }
    }

    fn is_in_time(&self, now: Instant, deadline: Option<Instant>) -> bool {
        deadline.is_none_or(|deadline| now + self.state.control.needed() <= deadline)
    }

    fn has_turned_away(&self) -> bool {
        self.state.turned_away.is_some_and(|at| self.now.saturating_sub(at) < TURNED_AWAY)
    }

    /// Joins the queue, unless the wait is known to be too long.
    pub(super) fn join(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        wake: &Arc<Notify>,
    ) -> Result<(Ticket, u64), Refusal> {
        let began = self.since_began(arrival.began);
        let state = &mut *self.state;
        let ticket = (arrival.priority, began, state.next_number);
        let is_last = state.queue.keys().next_back().is_none_or(|last| *last < ticket);
        let ahead = if is_last { state.queue.len() } else { state.queue.range(..ticket).count() };
        let wait = state.control.expected_wait(ahead);
        // Somewhat more: who joins with just the time that is needed may be in flight when it has passed.
        let wait = wait.saturating_add(wait / 8).saturating_add(arrival.needed(&state.control));
        let is_too_long = |deadline| now.checked_add(wait).is_none_or(|ends| ends > deadline);
        if arrival.deadline.is_some_and(is_too_long) && !arrival.is_repeat && !state.control.is_closed() {
            state.turned_away = Some(self.now);
            return Err(Refusal::Deadline);
        }
        state.next_number += 1;
        state.queue.insert(ticket, Arc::clone(wake));
        let (is_first, joined) = (state.queue.len() == 1, state.sent_away.0);
        if is_first {
            self.report_soon();
        }
        Ok((ticket, joined))
    }

    pub(super) fn next(&mut self, now: Instant, ticket: Ticket, joined: u64, arrival: &Arrival) -> Next {
        let (times, hint) = self.state.sent_away;
        if times > joined && hint > arrival.longest_hint {
            return Next::Refuse(Refusal::RetryAfter(hint));
        }
        let control = &self.state.control;
        let needed = arrival.needed(control);
        let last_start = arrival.deadline.map(|deadline| deadline.checked_sub(needed).unwrap_or(now));
        let opens = control.closed_until().and_then(|until| self.state.began.checked_add(until));
        if last_start.is_some_and(|last| last <= now || opens.is_some_and(|opens| last < opens)) {
            self.state.turned_away = Some(self.now);
            return Next::Refuse(Refusal::Deadline);
        }
        if self.first() != Some(ticket) {
            return Next::Wait(last_start);
        }
        match self.start(self.has_turned_away()) {
            Ok(granted) => Next::Start(granted),
            Err(Start::At(at)) => {
                let at = self.state.began.checked_add(at);
                Next::Wait(last_start.into_iter().chain(at).min())
            }
            Err(_) => Next::Wait(last_start),
        }
    }

    /// Leaves the queue; the one who is first then looks anew.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        // If this one has become the probe, the other kind has its turn, and another one is first already.
        let was_first = self.state.control.is_closed() || self.first() == Some(ticket);
        self.state.queue.remove(&ticket);
        if self.state.queue.is_empty() {
            self.state.control.queue_is_empty(self.now);
        } else if was_first {
            self.notify_first();
        }
    }

    /// Who starts next. Writes and reads take turns to probe: those of one kind may hang for a reason of their own.
    fn first(&self) -> Option<Ticket> {
        let State { queue, probes, control, .. } = &*self.state;
        let of_turn = || queue.range((*probes, Duration::ZERO, 0)..).next();
        let first = if control.is_closed() { of_turn() } else { None };
        first.or_else(|| queue.iter().next()).map(|(ticket, _)| *ticket)
    }

    fn end(&mut self, sent: Instant, probe: bool, feedback: Feedback, in_flight: usize) -> Option<Change> {
        let (sent, accepted) = (self.since_began(sent), self.newly_accepted());
        let change = self.state.control.end(self.now, &Ended { sent, probe, feedback, in_flight, accepted });
        self.notify_first();
        if probe || matches!(feedback, Feedback::Throttled | Feedback::Unavailable) {
            self.report_soon();
        }
        change
    }

    fn newly_accepted(&mut self) -> u32 {
        let all = self.gate.accepted();
        all.wrapping_sub(std::mem::replace(&mut self.state.counted, all))
    }

    /// Shares the limit from now on, if it can be shared.
    pub(super) fn join_fleet(&mut self, reports: &Arc<Notify>) -> bool {
        let can_be_shared = self.state.control.join(self.now);
        if can_be_shared {
            self.state.reports = Some(Arc::clone(reports));
        }
        can_be_shared
    }

    fn report_soon(&self) {
        if let Some(reports) = &self.state.reports {
            reports.notify_one();
        }
    }

    /// What the process has seen since its last report.
    pub(super) fn report(&mut self, report: &mut LimitReport) {
        let accepted = self.newly_accepted();
        report.waiting = self.state.queue.len();
        self.state.control.report(self.now, accepted, report);
    }

    /// The share that the store gives, or none.
    pub(super) fn receive(&mut self, share: Option<&LimitShare>) -> Option<Change> {
        let change = self.state.control.receive(self.now, share);
        self.notify_first();
        change
    }

    /// The service asks for a wait. One that is longer than the call may wait is told to all that wait: it may be for them.
    pub(super) fn hint(&mut self, hint: Duration, longest: Duration) {
        let is_told = if hint > longest {
            self.state.sent_away = (self.state.sent_away.0 + 1, hint);
            true
        } else {
            self.state.control.hint(self.now, hint)
        };
        // Some may not have the time: they leave at once.
        if is_told {
            self.state.queue.values().for_each(|waiting| waiting.notify_one());
        }
    }

    fn notify_first(&self) {
        if let Some(first) = self.first().and_then(|first| self.state.queue.get(&first)) {
            first.notify_one();
        }
    }

    #[cfg(test)]
    pub(super) fn time_for(&self, starts: usize) -> Duration {
        self.state.control.time_for(starts)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.gate.in_flight() == 0 && self.state.queue.is_empty() && !self.state.control.is_closed()
    }

    pub(super) fn reading(&self) -> Reading {
        let (now, control) = (self.now, &self.state.control);
        Reading {
            limit: control.limit(now),
            in_flight: self.gate.in_flight(),
            waiting: self.state.queue.len(),
            paused: control.closed_until().map(|until| until.saturating_sub(now)),
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let (now, control) = (self.now, &self.state.control);
        let open_below = control.open_below(now);
        // While the limit is open, the two are the same.
        let limit = if open_below > 0 { open_below } else { control.limit(now) };
        self.gate.open_below(if self.state.queue.is_empty() { open_below } else { 0 });
        self.gate.watch(control.is_watching());
        self.gate.show(limit, control.is_closed());
    }
}
