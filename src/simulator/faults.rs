//! Faults drawn from a seed.

use fastrand::Rng;

use super::fault::{Close, Fault, Moment, RateLimit};

/// Faults drawn for each arriving request, the same ones for the same seed and order of arrival.
///
/// Defaults: a rate of 20 %, reads and writes alike, and one of each kind that a client can meet: a stored
/// 500, gateway answers, dropped connections before and after the effect, and a 429.
///
/// ```
/// use reqwest_safe_retry::simulator::{Fault, Faults, Moment};
///
/// let faults = Faults::seeded(42)
///     .rate(0.25)
///     .kinds([Fault::gateway(504, Moment::Before), Fault::gateway(504, Moment::After)])
///     .only_writes();
/// # let _ = faults;
/// ```
#[derive(Clone, Debug)]
pub struct Faults {
    rng: Rng,
    rate: f64,
    kinds: Vec<Fault>,
    only_writes: bool,
}

impl Faults {
    /// The default faults, drawn from this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), rate: 0.2, kinds: every_kind(), only_writes: false }
    }

    /// How many of the requests meet a fault: 0.0 none, 1.0 all.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// The faults to choose from, each as likely as the next; name one twice to meet it twice as often.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Fault>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Spares the reads; they draw nothing, so the faults of the writes do not depend on them.
    #[must_use]
    pub fn only_writes(mut self) -> Self {
        self.only_writes = true;
        self
    }

    pub(super) fn draw(&mut self, is_write: bool) -> Option<Fault> {
        if self.only_writes && !is_write {
            return None;
        }
        let struck = self.rng.f64() < self.rate;
        let kind = self.rng.choice(&self.kinds).copied();
        kind.filter(|_| struck)
    }
}

fn every_kind() -> Vec<Fault> {
    let either = [Moment::Before, Moment::After];
    let mut kinds: Vec<Fault> = either.into_iter().flat_map(kinds_at).collect();
    kinds.push(Fault::rate_limited(RateLimit::Client, None));
    kinds.push(Fault::rate_limited(RateLimit::Customer, None));
    kinds
}

fn kinds_at(moment: Moment) -> [Fault; 6] {
    [
        Fault::stored_500(moment),
        Fault::gateway(502, moment),
        Fault::gateway(503, moment),
        Fault::gateway(504, moment),
        Fault::dropped(Close::Orderly, moment),
        Fault::dropped(Close::Reset, moment),
    ]
}
