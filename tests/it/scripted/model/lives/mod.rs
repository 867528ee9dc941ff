//! One operation over the lives of several processes: killed, suspended and asleep at every point.

mod checks;
mod delivery;
mod explorer;
mod facts;
mod player;
mod scenario;
mod service;
mod story;
mod world;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use self::{
    explorer::{Findings, Limits, explore},
    scenario::{Protection, Scenario},
};
use super::faults::Errors;

/// Explores all scenarios on all processors.
fn explore_all(scenarios: &[Scenario], limits: Limits) -> Findings {
    let (next, all, errors) = (AtomicUsize::new(0), Mutex::new(Findings::default()), Errors::provoked());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = explore(*scenario, limits, &errors);
                    all.lock().unwrap().add(found);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

fn limits() -> Limits {
    let number = |name: &str, default| std::env::var(name).map_or(default, |set| set.parse().expect("a number"));
    Limits { faults: number("LIVES_FAULTS", 2), attempts: number("LIVES_ATTEMPTS", 4), lives: number("LIVES", 2) }
}

fn found(protection: Protection) -> Findings {
    let mut scenarios = Scenario::all(protection);
    if let Ok(only) = std::env::var("LIVES_ONLY") {
        scenarios.retain(|scenario| format!("{scenario:?}").contains(&only));
    }
    let found = explore_all(&scenarios, limits());
    let Findings { stories, lives, states, rotations, violations } = &found;
    let number = scenarios.len();
    println!(
        "{protection:?}: {stories} stories of {lives} processes in {number} scenarios, {states} states, {rotations} with a \
         second key, {} violations",
        violations.len()
    );
    found
}

#[test]
fn journal_doubles_loses_and_denies_nothing() {
    let Findings { rotations, violations, .. } = found(Protection::Journal);
    assert!(rotations > 0, "keys are rotated");
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn operation_without_a_journal_doubles_nothing() {
    let Findings { rotations, violations, .. } = found(Protection::Operation);
    assert!(rotations > 0, "keys are rotated");
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// For contrast.
#[test]
fn random_keys_double() {
    let Findings { violations, .. } = found(Protection::RandomKey);
    assert!(!violations.is_empty(), "the check finds what is wrong");
}
