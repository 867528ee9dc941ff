//! A process that calls a service, and its limit.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::Duration,
};

use super::{
    super::{
        control::Control,
        feedback::{Change, Ended, Feedback, Start},
        fleet::{INTERVAL, SHORTEST_INTERVAL},
        fleet_state::FleetState,
        gate::ONE_IN,
        member,
        shared_limit::{LimitReport, LimitShare},
        state::TURNED_AWAY,
    },
    MS, REPORT_TAKES,
    scenarios::Scenario,
    service::{Answer, Service},
};

pub(super) struct Process<'a> {
    scenario: &'a Scenario,
    number: usize,
    control: Control,
    /// By when they end, and their number.
    in_flight: BTreeMap<(Duration, u64), Attempt>,
    /// When each call has to have ended.
    waiting: VecDeque<Duration>,
    turned_away: Option<Duration>,
    next_arrival: Duration,
    next_start: Duration,
    /// If the limit is shared: when to report, and the answer that is on its way.
    next_report: Duration,
    has_joined: bool,
    reported: Duration,
    answer: Option<(Duration, Option<LimitShare>)>,
    /// Successes, and those that were not counted before.
    accepted: u32,
    uncounted: u32,
    seen: Seen,
    /// What the last line said about the limit.
    last_line: String,
}

struct Attempt {
    sent: Duration,
    probe: bool,
    answer: Answer,
}

/// Since the last line.
#[derive(Default)]
struct Seen {
    started: u64,
    refused: u32,
    away: u32,
    last_start: Option<Duration>,
    changes: Vec<Change>,
}

impl<'a> Process<'a> {
    pub(super) fn new(scenario: &'a Scenario, number: usize) -> Self {
        let control = Control::new(&scenario.limit);
        let joins = if number + 1 == scenario.processes.len() { scenario.last_joins } else { Duration::ZERO };
        Self {
            scenario,
            number,
            control,
            in_flight: BTreeMap::new(),
            waiting: VecDeque::new(),
            turned_away: None,
            next_arrival: Duration::ZERO,
            next_start: Duration::MAX,
            next_report: if scenario.processes.len() > 1 { joins + MS(number as u64) } else { Duration::MAX },
            has_joined: false,
            reported: Duration::ZERO,
            answer: None,
            accepted: 0,
            uncounted: 0,
            seen: Seen::default(),
            last_line: String::new(),
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Duration {
        let ends = self.in_flight.first_key_value().map(|((ends, _), _)| *ends);
        let answered = self.answer.as_ref().map(|(at, _)| *at);
        let events = [Some(self.next_arrival), Some(self.next_start), Some(self.next_report), ends, answered];
        events.into_iter().flatten().min().unwrap_or_default()
    }

    /// The attempts that have ended.
    pub(super) fn end(&mut self, now: Duration) {
        while let Some(ended) = self.in_flight.first_entry().filter(|ended| ended.key().0 <= now) {
            let ((at, _), Attempt { sent, probe, answer }) = ended.remove_entry();
            let (feedback, in_flight) = (answer.feedback, self.in_flight.len() + 1);
            self.seen.refused += u32::from(matches!(feedback, Feedback::Throttled | Feedback::Unavailable));
            if !self.is_looked_at(at, feedback) {
                continue;
            }
            let accepted = mem::take(&mut self.uncounted);
            let change = self.control.end(at, &Ended { sent, probe, feedback, in_flight, accepted });
            self.seen.changes.extend(change);
            if let Some(hint) = answer.hint {
                self.control.hint(at, hint);
            }
            // Who waits may start, or no longer has the time.
            self.next_start = now;
            if probe || feedback != Feedback::Response {
                self.report_soon(at);
            }
        }
    }

    /// While the limit is open and the service available, nothing but a refusal and one success in 16 is.
    fn is_looked_at(&mut self, now: Duration, feedback: Feedback) -> bool {
        let is_open = self.waiting.is_empty() && self.control.open_below(now) > 0 && !self.control.is_watching();
        match feedback {
            Feedback::Response => {
                (self.accepted, self.uncounted) = (self.accepted + 1, self.uncounted + 1);
                !is_open || self.accepted % ONE_IN == 1
            }
            Feedback::NoResponse | Feedback::Failed => !is_open,
            Feedback::Throttled | Feedback::Unavailable => true,
        }
    }

    /// Soon, but not at once after the report before.
    fn report_soon(&mut self, now: Duration) {
        if self.next_report < Duration::MAX {
            self.next_report = self.next_report.min(now.max(self.reported + SHORTEST_INTERVAL));
        }
    }

    /// Reports to the store, unless it is away, and receives its answer.
    pub(super) fn report(&mut self, now: Duration, store: Option<&mut FleetState>) {
        if let Some((_, share)) = self.answer.take_if(|(at, _)| *at <= now) {
            self.seen.changes.extend(self.control.receive(now, share.as_ref()));
            let wait = share.as_ref().map_or(INTERVAL, member::next_report);
            (self.next_report, self.next_start, self.reported) = (now + wait, now, now);
        }
        if now < self.next_report || self.answer.is_some() {
            return;
        }
        if !mem::replace(&mut self.has_joined, true) {
            self.control.join(now);
        }
        let mut report = LimitReport::new("service", self.number as u64);
        report.waiting = self.waiting.len();
        self.control.report(now, mem::take(&mut self.uncounted), &mut report);
        let share = store.map(|store| store.publish(now.as_secs_f64() * 1000.0 + 1.0, &report));
        self.answer = Some((now + REPORT_TAKES, share));
        self.next_report = Duration::MAX;
    }

    /// The calls that come.
    pub(super) fn arrive(&mut self, now: Duration, service: &mut Service<'_>) {
        while self.next_arrival <= now {
            let calls = f64::from(service.phase(now).calls) * self.scenario.processes[self.number];
            if calls > 0.0 {
                self.come(now, service);
            }
            let wait = if calls > 0.0 { Duration::from_secs_f64(1.0 / calls) } else { MS(100) };
            self.next_arrival = now + wait;
        }
    }

    fn come(&mut self, now: Duration, service: &mut Service<'_>) {
        if self.waiting.is_empty() {
            if let started @ (Start::Now | Start::Probe) = self.ask(now, 0) {
                return self.send(now, started == Start::Probe, service);
            }
            self.control.queue_is_empty(now);
        }
        let wait = self.control.expected_wait(self.waiting.len());
        if wait + wait / 8 + self.control.needed() > self.scenario.deadline && !self.control.is_closed() {
            self.turn_away(now);
        } else {
            self.waiting.push_back(now + self.scenario.deadline);
            self.next_start = now;
        }
    }

    fn turn_away(&mut self, now: Duration) {
        (self.turned_away, self.seen.away) = (Some(now), self.seen.away + 1);
    }

    fn ask(&mut self, now: Duration, waiting: usize) -> Start {
        let turned_away = self.turned_away.is_some_and(|at| now.saturating_sub(at) < TURNED_AWAY);
        self.control.start(now, self.in_flight.len(), waiting, turned_away)
    }

    fn send(&mut self, now: Duration, probe: bool, service: &mut Service<'_>) {
        let answer = service.answer(now);
        self.seen.started += 1;
        self.seen.last_start = Some(now);
        let key = (answer.ends, now.as_nanos() as u64 + self.seen.started);
        self.in_flight.insert(key, Attempt { sent: now, probe, answer });
    }

    /// The calls of the queue that may start, and those that no longer have the time.
    pub(super) fn start(&mut self, now: Duration, service: &mut Service<'_>) {
        if now < self.next_start {
            return;
        }
        self.next_start = Duration::MAX;
        let needed = self.control.needed();
        while let Some(deadline) = self.waiting.front() {
            if *deadline < now + needed || self.control.closed_until().is_some_and(|until| until > *deadline) {
                self.waiting.pop_front();
                self.turn_away(now);
                continue;
            }
            match self.ask(now, self.waiting.len()) {
                Start::At(at) => {
                    self.next_start = at;
                    return;
                }
                Start::WhenReleased => return,
                started => {
                    self.waiting.pop_front();
                    self.send(now, started == Start::Probe, service);
                }
            }
        }
        self.control.queue_is_empty(now);
    }

    /// What the record says about the time since the last line; nothing if nothing has happened.
    pub(super) fn line(&mut self, now: Duration) -> Option<String> {
        let Seen { started, refused, away, last_start, changes } = mem::take(&mut self.seen);
        let (limit, in_flight, waiting) = (self.control.limit(now), self.in_flight.len(), self.waiting.len());
        let limit = if self.control.is_closed() { "closed".to_owned() } else { format!("limit {limit}") };
        let state = format!("{limit:<12} {in_flight:>4} in flight {waiting:>5} waiting");
        let is_same = mem::replace(&mut self.last_line, state.clone()) == state;
        let changed: String = changes.iter().map(|change| format!(", {change:?}")).collect();
        let last = last_start.map_or(String::new(), |at| format!(", the last at {at:?}"));
        let more = format!("{started:>5} started {refused:>4} refused {away:>4} turned away{changed}{last}");
        (!is_same || last_start.is_some() || !changes.is_empty() || refused + away > 0)
            .then(|| format!("{state} {more}"))
    }
}
