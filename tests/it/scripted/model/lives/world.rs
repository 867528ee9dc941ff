//! What the processes have in common: the service, the journal, the verifier, and the time.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use reqwest_safe_retry::{
    Clock, InDoubtWrite, Verdict, Verifier,
    durable::{InMemoryJournal, Journal, JournalAnswer, JournalEntry, JournalError, JournalStep},
};
use tokio::time::Instant;

use super::{
    super::{delivery::Observed, faults::Errors, scenario::Asked},
    delivery::Delivery,
    facts::{Facts, Heard},
    scenario::Scenario,
    service::{self, Millis},
    story::Event,
};

/// The world of a scenario; clones share it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) scenario: Scenario,
    errors: Errors,
    story: Arc<Mutex<Story>>,
}

/// The story that is played.
pub(super) struct Story {
    began: Instant,
    /// How long all machines have slept.
    slept: Duration,
    pub(super) facts: Facts,
    pub(super) journal: InMemoryJournal,
    key_numbers: HashMap<String, usize>,
    pub(super) turn: CurrentTurn,
}

/// The turn of the process that runs.
#[derive(Default)]
pub(super) struct CurrentTurn {
    pub(super) life: usize,
    pub(super) script: Vec<Delivery>,
    pub(super) sent: usize,
    /// The number of the event at which it stops.
    pub(super) stops_at: Option<usize>,
    pub(super) events: usize,
    pub(super) last: Option<Event>,
    pub(super) stopped: Option<Stopped>,
    /// What was true at each event since the last attempt of the script.
    pub(super) moments: Vec<Moment>,
}

/// Why a process does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    AsScripted,
    /// The script does not say what becomes of its next attempt.
    WantsMore,
}

/// What was true at an event.
pub(super) struct Moment {
    pub(super) number: usize,
    pub(super) event: Event,
    pub(super) now: Millis,
    pub(super) facts: Facts,
}

impl World {
    pub(super) fn new(scenario: Scenario, errors: &Errors) -> Self {
        let story = Story::new(InMemoryJournal::default());
        Self { scenario, errors: errors.clone(), story: Arc::new(Mutex::new(story)) }
    }

    pub(super) fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap()
    }

    /// Everything begins anew.
    pub(super) fn reset(&self) {
        let journal = InMemoryJournal::default().clock(WorldClock(self.clone()));
        *self.story() = Story::new(journal);
    }

    pub(super) fn clock(&self) -> WorldClock {
        WorldClock(self.clone())
    }

    /// The process stops here if its turn says so.
    async fn reach(&self, event: Event) {
        self.goes_on().await;
        self.story().reach(event);
        self.goes_on().await;
    }

    /// Polled again, it stays where it is until its next turn.
    async fn goes_on(&self) {
        poll_fn(|_| if self.story().turn.stopped.is_some() { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

impl Story {
    fn new(journal: InMemoryJournal) -> Self {
        Self {
            began: Instant::now(),
            slept: Duration::ZERO,
            facts: Facts::default(),
            journal,
            key_numbers: HashMap::new(),
            turn: CurrentTurn::default(),
        }
    }

    pub(super) fn now(&self) -> Millis {
        let now = self.began.elapsed() + self.slept;
        now.as_millis().try_into().unwrap()
    }

    /// Time passes that no monotonic clock shows.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.slept += time;
    }

    pub(super) fn reach(&mut self, event: Event) {
        // A timer is polled more than once.
        if event == Event::Waits && self.turn.last == Some(event) {
            return;
        }
        self.turn.last = Some(event);
        let (number, now) = (self.turn.events, self.now());
        self.turn.events += 1;
        if self.turn.sent >= self.turn.script.len() {
            self.turn.moments.push(Moment { number, event, now, facts: self.facts.clone() });
        }
        if self.turn.stops_at == Some(number) {
            self.turn.stopped = Some(Stopped::AsScripted);
        }
    }

    /// How many keys the processes have used.
    pub(super) fn keys(&self) -> usize {
        self.key_numbers.len()
    }

    fn number_of(&mut self, key: String) -> usize {
        let next = self.key_numbers.len();
        let number = *self.key_numbers.entry(key).or_insert(next);
        if number == next {
            self.facts.service.add_key();
        }
        number
    }

    fn arrive(&mut self, scenario: Scenario, key: Option<String>) -> Option<Observed> {
        let (now, life) = (self.now(), self.turn.life);
        let Some(delivery) = self.turn.script.get(self.turn.sent).copied() else {
            self.turn.stopped = Some(Stopped::WantsMore);
            return None;
        };
        self.turn.sent += 1;
        let key = key.map(|key| self.number_of(key));
        let latest = scenario.latest(now, self.facts.lives[life].lease_until);
        self.facts.pass_time(scenario, now);
        let request = service::Request { key, life, sent: now, latest };
        let observed = self.facts.service.arrive(scenario, delivery, request);
        self.facts.sent(life, now, observed, key);
        Some(observed)
    }
}

#[async_trait]
impl Middleware for World {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        self.goes_on().await;
        let observed = self.story().arrive(self.scenario, key);
        let Some(observed) = observed else { std::future::pending().await };
        self.reach(Event::Sent).await;
        observed.response().ok_or_else(|| self.errors.of(observed))
    }
}

#[async_trait]
impl Journal for World {
    async fn apply(&self, step: JournalStep) -> Result<JournalAnswer, JournalError> {
        self.reach(Event::Commits).await;
        let journal = self.story().journal.clone();
        let answer = journal.apply(step.clone()).await?;
        let expected = {
            let mut story = self.story();
            let (wall, now, life) = (self.clock().wall_of(&story), story.now(), story.turn.life);
            story.facts.apply(self.scenario, &step, wall, now, life)
        };
        assert_eq!(answer, expected, "{step:?}");
        self.reach(Event::Committed).await;
        Ok(answer)
    }

    async fn in_doubt(&self, most: usize) -> Result<Vec<JournalEntry>, JournalError> {
        let journal = self.story().journal.clone();
        journal.in_doubt(most).await
    }

    async fn purge(&self) -> Result<u64, JournalError> {
        unreachable!("nothing calls it")
    }
}

#[async_trait]
impl Verifier for World {
    async fn verify(&self, _: &InDoubtWrite<'_>) -> Verdict {
        self.reach(Event::Looks).await;
        let applied = {
            let mut story = self.story();
            let now = story.now();
            story.facts.pass_time(self.scenario, now);
            let applied = story.facts.service.applied() > 0;
            let life = story.turn.life;
            story.facts.heard(life, now, Heard::Verifier { applied });
            applied
        };
        self.reach(Event::HasLooked).await;
        match (self.scenario.asked, applied) {
            (Asked::Truthful, true) => Verdict::Applied(None),
            (Asked::Truthful, false) => Verdict::NotApplied,
            _ => Verdict::Unknown,
        }
    }
}

/// The wall clock of all machines, and of the journal: it goes on while they sleep.
#[derive(Clone)]
pub(super) struct WorldClock(World);

impl WorldClock {
    fn wall_of(&self, story: &Story) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600) + Duration::from_millis(story.now())
    }
}

impl std::fmt::Debug for WorldClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorldClock")
    }
}

impl Clock for WorldClock {
    fn wall(&self) -> SystemTime {
        self.wall_of(&self.0.story())
    }

    fn jitter(&self) -> f64 {
        1.0
    }
}
