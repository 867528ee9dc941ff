//! Gives jobs to workers, kills workers, and looks at what is left.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant, UNIX_EPOCH},
};

use crate::{
    audit::Report,
    clock,
    endpoint::BoxError,
    faults::OUTAGES,
    host::{Host, Request},
    jobs::Jobs,
    journal::Store,
    killer::Killer,
    messages::{Job, Reported},
    mode::Mode,
    options::Plan,
    pool::Pool,
    writes,
};

/// How long a mode may take until something must be wrong.
const LONGEST: Duration = Duration::from_secs(180);
/// How long nothing may happen until the queue and the killer are looked at.
const IDLE: Duration = Duration::from_millis(50);

/// What happens around the supervisor.
pub(crate) enum Event {
    /// A worker has written a line.
    Line(usize, String),
    /// A worker's output has ended.
    Ended(usize),
    /// The service has received or answered a request.
    Request(Request),
}

struct Supervisor<'a> {
    host: &'a Host,
    events: Receiver<Event>,
    pool: Pool,
    jobs: Jobs,
    killer: Killer,
    outages: Outages,
}

/// Whether there is an outage, and until when.
struct Outages {
    /// Another one after each outage: the faults start anew.
    seed: u64,
    is_on: bool,
    until: Instant,
}

impl Outages {
    fn update(&mut self, host: &Host, now: Instant) {
        if now >= self.until {
            self.is_on = !self.is_on;
            self.until = now + OUTAGES[usize::from(self.is_on)];
            self.seed = self.seed.wrapping_add(1);
            host.fail(self.seed, self.is_on);
        }
    }
}

/// Runs all operations to their ends, and compares.
pub(crate) fn play(mode: Mode, plan: &Plan) -> Result<Report, BoxError> {
    let began = clock::now();
    let host = Host::start()?;
    let store = host.runtime.block_on(Store::create(mode, plan.postgres.as_deref()))?;
    let scope = format!("crash-{}", clock::wall().duration_since(UNIX_EPOCH)?.as_micros());
    let (sender, events) = mpsc::channel();
    host.report(sender.clone());
    let pool = Pool::new(arguments(mode, &host, &scope, store.as_ref()), sender);
    let jobs = Jobs::new(mode, plan.seed, plan.operations);
    let killer = Killer::new(plan.seed, plan.operations, plan.kills);
    let outages = Outages { seed: plan.seed, is_on: true, until: began };
    let mut supervisor = Supervisor { host: &host, events, pool, jobs, killer, outages };
    supervisor.run(plan.workers, began + LONGEST)?;
    let Supervisor { jobs, killer, pool, .. } = supervisor;
    drop(pool);
    let ledger = host.ledger();
    let listed = match &store {
        Some(store) => Some(host.runtime.block_on(store.in_doubt(&scope))?),
        None => None,
    };
    let mut report = Report::new(mode, &jobs.into_operations(), &ledger, listed.as_deref());
    report.kills = killer.done();
    report.took = began.elapsed();
    Ok(report)
}

fn arguments(mode: Mode, host: &Host, scope: &str, store: Option<&Store>) -> Vec<String> {
    let (base_url, token) = (host.metronome.base_url(), host.metronome.token());
    let mut arguments = vec!["--mode", mode.name(), "--base-url", base_url, "--token", token, "--scope", scope];
    if let Some(store) = store {
        arguments.extend(["--journal", &store.place]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

impl Supervisor<'_> {
    fn run(&mut self, workers: usize, longest: Instant) -> Result<(), BoxError> {
        self.outages.update(self.host, clock::now());
        for _ in 0..workers {
            self.pool.start()?;
        }
        while !self.jobs.are_over() {
            self.give_jobs()?;
            self.kill()?;
            let now = clock::now();
            self.outages.update(self.host, now);
            if now >= longest {
                return Err(format!("only {} operations are over", self.jobs.over()).into());
            }
            // Without room the queue waits for an end.
            let jobs = self.jobs.wakes_at().filter(|_| self.pool.has_room().is_some());
            let wakes_at = self.killer.wakes_at().into_iter().chain(jobs);
            let wait = wakes_at.map(|at| at.saturating_duration_since(now)).fold(IDLE, Duration::min);
            match self.events.recv_timeout(wait) {
                Ok(event) => self.handle(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("no worker is left".into()),
            }
        }
        Ok(())
    }

    fn give_jobs(&mut self) -> Result<(), BoxError> {
        while let Some(worker) = self.pool.has_room() {
            let new_ones_too = self.killer.allows_more(self.jobs.over());
            let Some(number) = self.jobs.take(clock::now(), new_ones_too) else { return Ok(()) };
            let (path, body) = writes::write(number, &self.host.accounts);
            self.jobs.begin(number, worker);
            self.pool.give(worker, &Job { number, path: path.to_owned(), body })?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<(), BoxError> {
        let victim = self.killer.victim(self.jobs.over(), &self.pool.numbers(), clock::now());
        let Some(worker) = victim else { return Ok(()) };
        if self.pool.kill(worker)? {
            self.killer.has_killed();
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), BoxError> {
        match event {
            Event::Line(worker, line) => {
                let reported: Reported = serde_json::from_str(&line)?;
                self.pool.has_ended(worker);
                self.jobs.reported(worker, reported, clock::now());
            }
            Event::Ended(worker) => {
                self.pool.remove(worker)?;
                self.jobs.killed(worker, clock::now());
                self.pool.start()?;
            }
            Event::Request(request) => {
                if let Some(moment) = self.jobs.see(&request) {
                    self.killer.has_come(moment, request.worker, clock::now());
                }
            }
        }
        Ok(())
    }
}
