//! Plays a story: one process after the other, or two at once.

use std::{future::Future, pin::Pin, task::Poll, time::Duration};

use reqwest::Response;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_safe_retry::{Error, RequestBuilderExt, SafeRetry, durable::Journal};

use super::{
    super::{URL, checks::Told, faults::Errors},
    facts::{Facts, Next, State},
    scenario::{Protection, Scenario},
    service::Millis,
    story::{Event, How, Stop, Turn, Who},
    world::{CurrentTurn, Moment, Stopped, World},
};
use crate::support::transport::unused;

pub(super) struct Player {
    pub(super) world: World,
    client: ClientWithMiddleware,
}

/// What came of the last turn of a story.
pub(super) struct Played {
    /// What was true at each event since the last attempt of the script.
    pub(super) moments: Vec<Moment>,
    pub(super) outcome: Outcome,
    /// The process of the turn.
    pub(super) life: usize,
    pub(super) now: Millis,
    pub(super) facts: Facts,
    pub(super) violation: Option<String>,
    /// How many keys the processes have used.
    pub(super) keys: usize,
}

pub(super) enum Outcome {
    /// The script does not say what becomes of the next attempt.
    WantsMore(State),
    Ended,
}

/// A process with its call.
struct Process {
    life: usize,
    /// What its call ended in; it may have given up on what holds it up.
    ended: Option<Told>,
    call: Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>>>>,
}

impl Player {
    pub(super) fn new(scenario: Scenario, errors: &Errors) -> Self {
        let world = World::new(scenario, errors);
        let layer = SafeRetry::new([scenario.service(world.clone(), world.clone())]).clock(world.clock());
        let client = ClientBuilder::new(unused()).with(layer).with(world.clone()).build();
        Self { world, client }
    }

    pub(super) async fn play(&self, story: &[Turn]) -> Played {
        self.world.reset();
        let (mut held_up, mut violation, mut outcome) = (None, None, Outcome::Ended);
        let mut how = How::Dies;
        for turn in story {
            self.wait(turn, how).await;
            violation = violation.or(self.listing().await);
            let mut process = match turn.who {
                Who::New => self.begin(),
                Who::HeldUp => held_up.take().expect("a process that was held up"),
            };
            self.begin_turn(turn, process.life);
            let told = self.run(&mut process).await;
            let wants_more = self.world.story().turn.stopped == Some(Stopped::WantsMore);
            match (told, turn.stop) {
                (Some(told), None) => {
                    violation = violation.or(self.ended(process.life, told));
                    outcome = Outcome::Ended;
                }
                (None, None) if wants_more => outcome = Outcome::WantsMore(self.state(process.life)),
                (None, Some(stop)) if !wants_more => {
                    how = stop.how;
                    held_up = self.stop(process, stop).or(held_up);
                }
                (told, _) => panic!("a story goes the same way each time, not to {told:?} in {turn:?} of {story:?}"),
            }
        }
        let mut played = self.played(outcome, violation);
        if matches!(played.outcome, Outcome::Ended) {
            played.violation = played.violation.or(self.listing_after_the_lease().await);
        }
        played
    }

    /// Time passes: on all clocks, or only on those that go on while a machine sleeps.
    async fn wait(&self, turn: &Turn, how: How) {
        let (now, lease_until) = {
            let story = self.world.story();
            (story.now(), story.facts.lease_until())
        };
        let time = Duration::from_millis(turn.after.begins(now, lease_until) - now);
        match how {
            How::Asleep => self.world.story().sleep(time),
            How::Dies | How::Suspended => tokio::time::advance(time).await,
        }
        let mut story = self.world.story();
        let now = story.now();
        story.facts.pass_time(self.world.scenario, now);
    }

    fn begin(&self) -> Process {
        let mut story = self.world.story();
        let now = story.now();
        let life = story.facts.begin_life(self.world.scenario, now);
        let request = self.client.post(URL).body(r#"{"id":"1"}"#);
        let request = match self.world.scenario.protection {
            Protection::RandomKey => request,
            Protection::Journal | Protection::Operation => request.operation("operation"),
        };
        Process { life, ended: None, call: Box::pin(request.send()) }
    }

    fn begin_turn(&self, turn: &Turn, life: usize) {
        let (script, stops_at) = (turn.script.clone(), turn.stop.map(|stop| stop.at));
        self.world.story().turn = CurrentTurn { life, script, stops_at, ..CurrentTurn::default() };
    }

    /// Until it ends; `None` if it stops.
    async fn run(&self, process: &mut Process) -> Option<Told> {
        std::future::poll_fn(|context| {
            if process.ended.is_none() {
                if let Poll::Ready(ended) = process.call.as_mut().poll(context) {
                    process.ended = Some(told(ended));
                }
            }
            let mut story = self.world.story();
            if process.ended.is_none() && story.turn.stopped.is_none() {
                story.reach(Event::Waits);
            }
            match story.turn.stopped {
                Some(_) => Poll::Ready(None),
                None => process.ended.map_or(Poll::Pending, |told| Poll::Ready(Some(told))),
            }
        })
        .await
    }

    fn state(&self, life: usize) -> State {
        let story = self.world.story();
        story.facts.state(Next::Attempt(life), story.now())
    }

    fn ended(&self, life: usize, told: Told) -> Option<String> {
        let mut story = self.world.story();
        let now = story.now();
        story.facts.pass_time(self.world.scenario, now);
        story.facts.told(self.world.scenario, life, told)
    }

    /// Returns the process if it goes on later.
    fn stop(&self, process: Process, stop: Stop) -> Option<Process> {
        self.world.story().facts.stop(process.life, stop.event, stop.how);
        (stop.how != How::Dies).then_some(process)
    }

    fn played(&self, outcome: Outcome, violation: Option<String>) -> Played {
        let mut story = self.world.story();
        let found = story.facts.violation(self.world.scenario);
        Played {
            moments: std::mem::take(&mut story.turn.moments),
            outcome,
            life: story.turn.life,
            now: story.now(),
            facts: story.facts.clone(),
            violation: violation.or(found),
            keys: story.keys(),
        }
    }

    /// Once the lease has passed, the journal lists the operation unless it has ended one way or the other.
    async fn listing(&self) -> Option<String> {
        let (journal, expected) = {
            let story = self.world.story();
            let is_held = story.facts.lease_until() > story.now();
            let is_listed = story.facts.entry.is_some() && story.facts.recorded().is_none();
            (story.journal.clone(), (!is_held).then_some(usize::from(is_listed))?)
        };
        let listed = journal.in_doubt(10).await.unwrap().len();
        (listed != expected).then(|| format!("{listed} are listed and not {expected}"))
    }

    async fn listing_after_the_lease(&self) -> Option<String> {
        let left = {
            let story = self.world.story();
            story.facts.lease_until().saturating_sub(story.now())
        };
        self.world.story().sleep(Duration::from_millis(left));
        self.listing().await
    }
}

fn told(ended: reqwest_middleware::Result<Response>) -> Told {
    match ended {
        Ok(_) => Told::Success,
        Err(error) => {
            let error = Error::find(&error).expect("the layer's error");
            Told::Failure(error.stop(), error.applied())
        }
    }
}
