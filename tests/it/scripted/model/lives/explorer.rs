//! Tries every story of a scenario, and goes on once from where nothing tells two apart.

use std::collections::HashSet;

use super::{
    super::faults::Errors,
    delivery::Delivery,
    facts::{Facts, Next, State},
    player::{Outcome, Played, Player},
    scenario::Scenario,
    service::Millis,
    story::{Gap, How, Stop, Turn, Who},
};

/// How much was looked at, and what was found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) stories: u64,
    pub(super) lives: u64,
    pub(super) states: u64,
    /// Stories in which a second key was used.
    pub(super) rotations: u64,
    pub(super) violations: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, found: Self) {
        self.stories += found.stories;
        self.lives += found.lives;
        self.states += found.states;
        self.rotations += found.rotations;
        self.violations.extend(found.violations.into_iter().take(2));
    }
}

struct Explorer {
    scenario: Scenario,
    limits: Limits,
    deliveries: Vec<Delivery>,
    player: Player,
    seen: HashSet<State>,
    found: Findings,
}

/// How long stories are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So often an attempt is not delivered normally, or a process is held up.
    pub(super) faults: usize,
    /// These attempts are among so many first ones, of all processes together.
    pub(super) attempts: usize,
    pub(super) lives: usize,
}

/// Tries every story within the limits.
pub(super) fn explore(scenario: Scenario, limits: Limits, errors: &Errors) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (player, deliveries) = (Player::new(scenario, errors), Delivery::all(scenario.keys));
        let (seen, found) = (HashSet::new(), Findings::default());
        Explorer { scenario, limits, deliveries, player, seen, found }.explore().await
    })
}

impl Explorer {
    async fn explore(mut self) -> Findings {
        let mut open = vec![vec![Turn::new(Who::New, Gap::AtOnce)]];
        // The first violations are the shortest.
        while !open.is_empty() && self.found.violations.is_empty() {
            let mut next = Vec::new();
            for story in &open {
                let played = self.player.play(story).await;
                self.count(story, &played);
                self.go_on(story, played, &mut next);
            }
            open = next;
        }
        self.found.states = self.seen.len() as u64;
        self.found
    }

    fn count(&mut self, story: &[Turn], played: &Played) {
        self.found.stories += 1;
        self.found.lives += story.iter().filter(|turn| turn.who == Who::New).count() as u64;
        self.found.rotations += u64::from(played.keys > 1);
        if let Some(violation) = &played.violation {
            self.found.violations.push(format!("{:?}, {story:?}: {violation}", self.scenario));
        }
    }

    /// The stories that follow.
    fn go_on(&mut self, story: &[Turn], played: Played, next: &mut Vec<Vec<Turn>>) {
        // Whatever follows is wrong too.
        if played.violation.is_some() {
            return;
        }
        for moment in &played.moments {
            for how in self.ways_to_stop(story) {
                let stop = Stop { at: moment.number, event: moment.event, how };
                let mut facts = moment.facts.clone();
                facts.stop(played.life, moment.event, how);
                let mut story = story.to_vec();
                story.last_mut().expect("a turn").stop = Some(stop);
                self.follow(&story, (facts, moment.now), Some(how), next);
            }
        }
        match played.outcome {
            Outcome::WantsMore(state) => {
                if self.seen.insert(state) {
                    next.extend(self.deliveries(story).into_iter().map(|delivery| with(story, delivery)));
                }
            }
            Outcome::Ended => self.follow(story, (played.facts, played.now), None, next),
        }
    }

    /// What becomes of the next attempt.
    fn deliveries(&self, story: &[Turn]) -> Vec<Delivery> {
        let attempts: usize = story.iter().map(|turn| turn.script.len()).sum();
        let all = attempts < self.limits.attempts && faults(story) < self.limits.faults;
        if all { self.deliveries.clone() } else { vec![Delivery::Normal] }
    }

    /// While one is held up the other one ends or dies, and one is held up only once.
    fn ways_to_stop(&self, story: &[Turn]) -> Vec<How> {
        let lives = story.iter().filter(|turn| turn.who == Who::New).count();
        let was_held_up = story.iter().any(|turn| turn.who == Who::HeldUp);
        match held_up(story) {
            Some(_) => vec![How::Dies],
            None if lives == self.limits.lives => Vec::new(),
            None if was_held_up || faults(story) >= self.limits.faults => vec![How::Dies],
            None => self.scenario.ways_to_stop().to_vec(),
        }
    }

    /// The turns that can follow, at each time.
    fn follow(
        &mut self,
        story: &[Turn],
        (facts, now): (Facts, Millis),
        stopped: Option<How>,
        next: &mut Vec<Vec<Turn>>,
    ) {
        let may_begin = facts.lives.len() < self.limits.lives;
        let gaps = self.scenario.gaps().iter().copied();
        let turns: Vec<_> = match (held_up(story), stopped) {
            // The other one is over.
            (Some(_), None | Some(How::Dies)) => vec![Turn::new(Who::HeldUp, Gap::AtOnce)],
            // It goes on alone, or while another one runs.
            (Some(how), Some(_)) => {
                let gaps = gaps.filter(|gap| how.lasts().contains(gap));
                let who: &[Who] = if how == How::Asleep { &[Who::New, Who::HeldUp] } else { &[Who::New] };
                gaps.flat_map(|gap| who.iter().map(move |who| Turn::new(*who, gap))).collect()
            }
            (None, _) => gaps.map(|gap| Turn::new(Who::New, gap)).collect(),
        };
        for turn in turns.into_iter().filter(|turn| turn.who == Who::HeldUp || may_begin) {
            let begins = turn.after.begins(now, facts.lease_until());
            let mut facts = facts.clone();
            facts.pass_time(self.scenario, begins);
            if self.seen.insert(facts.state(Next::Turn(turn.who), begins)) {
                next.push(story.iter().cloned().chain([turn]).collect());
            }
        }
    }
}

/// How a process is held up that has not gone on.
fn held_up(story: &[Turn]) -> Option<How> {
    let stopped = story.iter().rev().find_map(|turn| turn.stop.map(|stop| stop.how).filter(|how| *how != How::Dies));
    stopped.filter(|_| !story.iter().any(|turn| turn.who == Who::HeldUp))
}

/// How often something other than the normal happens to a process that lives on.
fn faults(story: &[Turn]) -> usize {
    let of = |turn: &Turn| {
        let delivered = turn.script.iter().filter(|delivery| **delivery != Delivery::Normal).count();
        delivered + usize::from(turn.stop.is_some_and(|stop| stop.how != How::Dies))
    };
    story.iter().map(of).sum()
}

fn with(story: &[Turn], delivery: Delivery) -> Vec<Turn> {
    let mut story = story.to_vec();
    story.last_mut().expect("a turn").script.push(delivery);
    story
}
