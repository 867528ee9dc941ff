//! The situations.

mod alone;
mod together;

use std::time::Duration;

use super::super::concurrency_limit::ConcurrencyLimit;

pub(super) struct Scenario {
    pub(super) title: &'static str,
    pub(super) limit: ConcurrencyLimit,
    /// The share of the calls that each process makes; several share the limit.
    pub(super) processes: Vec<f64>,
    pub(super) phases: Vec<Phase>,
    pub(super) until: Duration,
    /// When the last process begins to share the limit.
    pub(super) last_joins: Duration,
    /// The time that each call has.
    pub(super) deadline: Duration,
}

/// What calls come, and how the service answers, until the next phase.
#[derive(Clone, Copy)]
pub(super) struct Phase {
    pub(super) from: Duration,
    /// Calls a second.
    pub(super) calls: u32,
    /// So many are accepted in each second.
    pub(super) accepts: u32,
    /// In milliseconds.
    pub(super) takes: u64,
    pub(super) refuses_in: u64,
    /// Of a hundred attempts, so many are refused whatever the load, find the service unavailable, or have no response.
    pub(super) strays: u32,
    pub(super) unavailable: u32,
    pub(super) silent: u32,
    /// The wait that a refusal asks for.
    pub(super) hint: Option<Duration>,
    /// The store of the fleet does not answer.
    pub(super) store_is_away: bool,
    /// It has forgotten what it knew.
    pub(super) store_is_lost: bool,
}

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// Nobody calls, and nothing is refused.
const QUIET: Phase = Phase {
    from: Duration::ZERO,
    calls: 0,
    accepts: u32::MAX,
    takes: 20,
    refuses_in: 20,
    strays: 0,
    unavailable: 0,
    silent: 0,
    hint: None,
    store_is_away: false,
    store_is_lost: false,
};

/// Every call comes within a few milliseconds.
const CROWD: Phase = Phase { calls: 500_000, ..QUIET };

impl Phase {
    const fn at(self, from: u64) -> Self {
        Self { from: Duration::from_millis(from), ..self }
    }
}

fn alone(title: &'static str, until: u64, phases: impl Into<Vec<Phase>>) -> Scenario {
    Scenario {
        title,
        limit: ConcurrencyLimit::Adaptive,
        processes: vec![1.0],
        phases: phases.into(),
        until: MS(until),
        last_joins: Duration::ZERO,
        deadline: 5 * SECOND,
    }
}

fn together(title: &'static str, shares: impl Into<Vec<f64>>, until: u64, phases: impl Into<Vec<Phase>>) -> Scenario {
    Scenario { processes: shares.into(), ..alone(title, until, phases) }
}

pub(super) fn all() -> Vec<Scenario> {
    alone::all().into_iter().chain(together::all()).collect()
}
