//! Faults drawn from a seed.

use std::borrow::Cow;
use std::collections::HashMap;

use fastrand::Rng;

use super::admission::Arrival;
use super::fault::{Close, Fault, Moment, RateLimit};

/// Faults drawn for each arriving request, the same ones for the same seed and order of arrival.
///
/// Defaults: a rate of 20 %, reads and writes alike, and one of each kind that a client can meet without waiting for it:
/// stored 500s (partial creation included), gateway answers, dropped connections before and after the effect, an
/// answer cut short, a request delivered twice, a restart, and a 429.
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
    seed: u64,
    rng: Rng,
    rate: f64,
    kinds: Vec<Fault>,
    only_writes: bool,
    spared_headers: Vec<String>,
    spared_paths: Vec<String>,
    identity: Option<String>,
    /// How often each identity has arrived.
    arrivals: HashMap<String, u64>,
}

impl Faults {
    /// The default faults, drawn from this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::with_seed(seed),
            rate: 0.2,
            kinds: every_kind(),
            only_writes: false,
            spared_headers: Vec::new(),
            spared_paths: Vec::new(),
            identity: None,
            arrivals: HashMap::new(),
        }
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

    /// Spares every request that carries this header, whatever its value: a verifier's own, for example. They draw
    /// nothing.
    #[must_use]
    pub fn sparing_header(mut self, name: impl Into<String>) -> Self {
        self.spared_headers.push(name.into());
        self
    }

    /// Spares every request whose path begins like this. They draw nothing.
    #[must_use]
    pub fn sparing_path(mut self, prefix: impl Into<String>) -> Self {
        self.spared_paths.push(prefix.into());
        self
    }

    /// Draws by the value of this header instead of the order of arrival: the n-th request with a value meets the
    /// same fault in every run with the same seed, whatever else arrives in between.
    ///
    /// This is how different clients are sent through the same weather: each call carries an identity of its own in
    /// the header, the same one in all of its attempts. Requests without the header are drawn in order of arrival.
    #[must_use]
    pub fn drawn_by_header(mut self, name: impl Into<String>) -> Self {
        self.identity = Some(name.into());
        self
    }

    pub(super) fn draw(&mut self, arrival: &Arrival) -> Option<Fault> {
        if self.spares(arrival) {
            return None;
        }
        let identity = self.identity.as_deref().and_then(|name| arrival.header(name)).map(Cow::into_owned);
        match identity {
            Some(identity) => pick(&mut self.rng_of(identity), self.rate, &self.kinds),
            None => pick(&mut self.rng, self.rate, &self.kinds),
        }
    }

    /// Dice of its own for each arrival of an identity.
    fn rng_of(&mut self, identity: String) -> Rng {
        let hash = fnv_1a(self.seed, identity.as_bytes());
        let arrivals = self.arrivals.entry(identity).or_default();
        *arrivals += 1;
        Rng::with_seed(fnv_1a(hash, &arrivals.to_le_bytes()))
    }

    fn spares(&self, arrival: &Arrival) -> bool {
        (self.only_writes && !arrival.is_write())
            || self.spared_headers.iter().any(|name| arrival.header(name).is_some())
            || self.spared_paths.iter().any(|prefix| arrival.path().starts_with(prefix))
    }
}

fn pick(rng: &mut Rng, rate: f64, kinds: &[Fault]) -> Option<Fault> {
    let struck = rng.f64() < rate;
    let kind = rng.choice(kinds).copied();
    kind.filter(|_| struck)
}

/// FNV-1a: the same in every version of the standard library, unlike its hasher.
fn fnv_1a(seed: u64, bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    seed.to_le_bytes().iter().chain(bytes).fold(BASIS, step)
}

fn every_kind() -> Vec<Fault> {
    let mut kinds: Vec<Fault> = [Moment::Before, Moment::After].into_iter().flat_map(kinds_at).collect();
    kinds.extend([Fault::partial_500(), Fault::truncated(), Fault::duplicated(), Fault::restarted()]);
    kinds.extend([RateLimit::Client, RateLimit::Customer].map(|limit| Fault::rate_limited(limit, None)));
    kinds
}

fn kinds_at(moment: Moment) -> [Fault; 8] {
    [
        Fault::stored_500(moment),
        Fault::gateway(502, moment),
        Fault::gateway(503, moment),
        Fault::gateway(504, moment),
        Fault::dropped(Close::Orderly, moment),
        Fault::dropped(Close::Half, moment),
        Fault::dropped(Close::Reset, moment),
        Fault::dropped(Close::Midway, moment),
    ]
}
