//! Every short sequence of outcomes of one call, against a model of the service that keeps a ledger.
//!
//! The real middleware calls a pure model of what each kind of key handling documents. Each attempt is delivered in one
//! of several ways, in every sequence of up to two; afterwards every attempt is delivered normally. At the end the
//! ledger must agree with what the caller was told, also once everything still under way has arrived.
//!
//! Sequences that nothing tells apart are followed once: neither what the layer has seen so far nor the state of the
//! service differs. A refusal then counts as an attempt that was not sent, and a gateway's error as a lost response, if no
//! header of the response matters. Every delivery is still tried after every such state, so that only the past is merged;
//! two pasts that are merged must end alike. The last delivery is tried once for those that look alike and leave the
//! service alike. A write that needs no verdict asks the verifier only at its end, and a slow verifier is one that does
//! not know: for those the sequences are shorter by one. `MODEL_DEPTH` sets another length: 4 finds what needs a rotation
//! and a failure after it, 5 covers the most in full.

mod checks;
mod delivery;
mod explorer;
mod faults;
mod lives;
mod scenario;
mod service;
mod transport;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use self::{
    explorer::{Findings, explore},
    faults::Errors,
    scenario::Scenario,
};

const URL: &str = "https://model.test/write";
/// More than the deliveries of a sequence, so that a call can end well after them.
const ATTEMPTS: u32 = 5;

/// Explores all scenarios on all processors.
fn explore_all(scenarios: &[Scenario], depth: usize) -> Findings {
    let (next, all, errors) = (AtomicUsize::new(0), Mutex::new(Findings::default()), Errors::provoked());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = explore(*scenario, scenario.depth(depth), &errors);
                    all.lock().unwrap().add(found);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

#[test]
fn no_call_doubles_loses_or_lies() {
    let depth = std::env::var("MODEL_DEPTH").map_or(2, |depth| depth.parse().expect("a number"));
    let scenarios = Scenario::all();
    let Findings { sequences, calls, rotations, violations } = explore_all(&scenarios, depth);
    println!("{sequences} sequences in {} scenarios, by {calls} calls, {rotations} with a second key", scenarios.len());
    assert!(rotations > 0, "keys are rotated");
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
