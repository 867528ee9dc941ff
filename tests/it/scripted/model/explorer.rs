//! Tries every sequence of deliveries of a scenario, and follows those once that nothing tells apart.

use std::collections::HashMap;

use reqwest_middleware::ClientWithMiddleware;

use super::{
    checks::{Ended, Told},
    delivery::Delivery,
    faults::Errors,
    scenario::Scenario,
    transport::{Simulation, State},
};

/// How much was looked at, and what was found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) sequences: u64,
    pub(super) calls: u64,
    /// Calls that went on with a second key.
    pub(super) rotations: u64,
    pub(super) violations: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, found: Self) {
        self.sequences += found.sequences;
        self.calls += found.calls;
        self.rotations += found.rotations;
        // The first ones are the shortest.
        self.violations.extend(found.violations.into_iter().take(3));
    }
}

/// Sequences that nothing tells apart: one of them, how many they are, and how a call ends after them.
struct Past {
    script: Vec<Delivery>,
    times: u64,
    told: Told,
}

struct Explorer {
    scenario: Scenario,
    depth: usize,
    deliveries: Vec<Delivery>,
    simulation: Simulation,
    client: ClientWithMiddleware,
    found: Findings,
}

/// Tries every sequence of up to `depth` deliveries.
pub(super) fn explore(scenario: Scenario, depth: usize, errors: &Errors) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulation = Simulation::new(scenario, errors);
        let (client, deliveries) = (simulation.client(), Delivery::all(scenario.keys));
        let explorer = Explorer { scenario, depth, deliveries, simulation, client, found: Findings::default() };
        explorer.explore().await
    })
}

impl Explorer {
    async fn explore(mut self) -> Findings {
        let mut open = vec![Past { script: Vec::new(), times: 1, told: Told::Success }];
        for length in 1..=self.depth {
            let mut next = HashMap::new();
            for past in &open {
                for delivery in self.tried(length) {
                    self.extend(past, delivery, &mut next).await;
                }
            }
            open = next.into_values().collect();
        }
        let all = (self.deliveries.len() as u64).pow(self.depth as u32);
        assert_eq!(self.found.sequences, all, "{:?}: each sequence once", self.scenario);
        self.found
    }

    /// The deliveries tried at this length: at the last, those that look alike are tried once.
    fn tried(&self, length: usize) -> Vec<Delivery> {
        let keys = self.scenario.keys;
        let is_tried = |delivery: &Delivery| length < self.depth || delivery.twin(keys).is_none();
        self.deliveries.iter().copied().filter(is_tried).collect()
    }

    /// Plays this past and one more delivery; `next` gets what is still open afterwards.
    async fn extend(&mut self, past: &Past, delivery: Delivery, next: &mut HashMap<State, Past>) {
        let script: Vec<_> = past.script.iter().copied().chain([delivery]).collect();
        let mut ended = self.simulation.play(&self.client, &script).await;
        self.found.calls += 1;
        self.found.rotations += u64::from(ended.keys > 1);
        if let Some(violation) = ended.violation(self.scenario.repeat) {
            self.report(&script, &violation);
        }
        if ended.states.len() <= script.len() || script.len() == self.depth {
            self.found.sequences += self.sequences_of(past, delivery, script.len());
            return;
        }
        self.merge(script, past.times, &mut ended, next);
    }

    /// How many sequences begin with this one, which has ended.
    fn sequences_of(&self, past: &Past, delivery: Delivery, length: usize) -> u64 {
        let keys = self.scenario.keys;
        let twins = self.deliveries.iter().filter(|other| other.twin(keys) == Some(delivery)).count() as u64;
        let alike = if length == self.depth { 1 + twins } else { 1 };
        past.times * alike * (self.deliveries.len() as u64).pow((self.depth - length) as u32)
    }

    fn merge(&mut self, script: Vec<Delivery>, times: u64, ended: &mut Ended, next: &mut HashMap<State, Past>) {
        let state = ended.states.swap_remove(script.len() - 1);
        let new = || Past { script: script.clone(), times: 0, told: ended.told };
        let same = next.entry(state).or_insert_with(new);
        same.times += times;
        if same.told != ended.told {
            let difference = format!("{:?} ends in {:?}, this in {:?}", same.script, same.told, ended.told);
            self.report(&script, &difference);
        }
    }

    fn report(&mut self, script: &[Delivery], what: &str) {
        self.found.violations.push(format!("{:?}, {script:?}: {what}", self.scenario));
    }
}
