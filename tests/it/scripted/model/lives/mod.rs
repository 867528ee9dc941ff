//! One operation over the lives of several processes: killed, suspended and asleep at every point.
//!
//! The real middleware and the journal in memory run against a model of the service that executes late and forgets its
//! keys. A story is a sequence of turns. In each a process begins, or one that was held up goes on; it is told what
//! becomes of its attempts, and where it stops: before and after a step of the journal, with a request on its way, in
//! a wait, before and after the verifier looks. It dies there, or it is held up while another one takes the operation
//! over. The next turn begins at once, when the lease has passed, when everything that was sent is over, or when the
//! service has forgotten the keys. What is sent is executed before its process's lease and the longest attempt have
//! passed, at the latest moment too.
//!
//! After each story, and once everything still under way has arrived: the write took effect at most once, every caller
//! was told the truth, the journal has recorded it, and it lists the operation if it has not.
//!
//! Stories that nothing tells apart are followed once: neither the service, nor the journal, nor what the living
//! processes know differs, each with its times. What a process knows ends with it, so most ways to die are one.
//! `LIVES_FAULTS` sets how often an attempt is not delivered normally or a process is held up, `LIVES_ATTEMPTS` among
//! how many first attempts, and `LIVES` how many processes there are, of which a second pass has one more;
//! `LIVES_ONLY` picks the scenarios that have this text in their names.

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
                    let limits = Limits { faults: scenario.faults(limits.faults), ..limits };
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
    Limits { faults: number("LIVES_FAULTS", 1), attempts: number("LIVES_ATTEMPTS", 4), lives: number("LIVES", 2) }
}

fn found(protection: Protection, limits: Limits) -> Findings {
    let mut scenarios = Scenario::all(protection);
    if let Ok(only) = std::env::var("LIVES_ONLY") {
        scenarios.retain(|scenario| format!("{scenario:?}").contains(&only));
    }
    // The longest ones first.
    scenarios.sort_by_key(|scenario| std::cmp::Reverse(scenario.faults(0)));
    let found = explore_all(&scenarios, limits);
    let Findings { stories, lives, states, rotations, violations } = &found;
    let number = scenarios.len();
    println!(
        "{protection:?}: {stories} stories of {lives} processes in {number} scenarios, {states} states, {rotations} \
         with a second key, {} violations",
        violations.len()
    );
    found
}

#[test]
fn journal_doubles_loses_and_denies_nothing() {
    let limits = limits();
    let Findings { rotations, violations, .. } = found(Protection::Journal, limits);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(rotations > 0 || std::env::var("LIVES_ONLY").is_ok(), "keys are rotated");
    // One process more, to which less happens.
    let more = Limits { faults: limits.faults.saturating_sub(1), lives: limits.lives + 1, ..limits };
    let Findings { violations, .. } = found(Protection::Journal, more);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn operation_without_a_journal_doubles_nothing() {
    let Findings { rotations, violations, .. } = found(Protection::Operation, limits());
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(rotations > 0 || std::env::var("LIVES_ONLY").is_ok(), "keys are rotated");
}

/// For contrast.
#[test]
fn random_keys_double() {
    let Findings { violations, .. } = found(Protection::RandomKey, limits());
    assert!(!violations.is_empty(), "the check finds what is wrong");
}
