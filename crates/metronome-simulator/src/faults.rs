//! Random faults from a seed.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::close::Close;
use crate::fault::{Fault, Moment};
use crate::rate_limit::RateLimit;
use crate::request::IncomingRequest;
use crate::runtime::{Rng, seeded_rng};

/// Random faults: the same ones for the same seed and order of arrival.
///
/// Defaults: a rate of 0.2 for reads and writes, and every kind of fault without a delay: stored 500s (including partial
/// writes), stuck keys, gateway responses and dropped connections before and after the effect, truncated responses,
/// duplicated requests, restarts and 429s.
///
/// ```
/// use metronome_simulator::{Fault, Faults, Metronome, Moment};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let faults = Faults::seeded(42).rate(1.0).kinds([Fault::gateway(504, Moment::Before)]).only_writes();
/// let metronome = Metronome::start().await.unwrap();
/// metronome.inject(faults);
/// let url = format!("{}/v1/customers", metronome.base_url());
/// let client = reqwest::Client::new();
/// let (read, write) = (client.get(&url), client.post(&url).body(r#"{"name":"Acme"}"#));
/// assert_eq!(read.bearer_auth(metronome.token()).send().await.unwrap().status(), 200);
/// assert_eq!(write.bearer_auth(metronome.token()).send().await.unwrap().status(), 504);
/// # });
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
    /// The number of requests of each identity.
    arrivals: HashMap<String, u64>,
}

impl Faults {
    /// The default faults with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            rng: seeded_rng(seed),
            rate: 0.2,
            kinds: every_kind(),
            only_writes: false,
            spared_headers: Vec::new(),
            spared_paths: Vec::new(),
            identity: None,
            arrivals: HashMap::new(),
        }
    }

    /// The share of requests with a fault, from 0.0 (none) to 1.0 (all).
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// The faults to choose from, with equal probability. A fault that is listed twice is twice as likely.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Fault>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Gives reads no faults. They draw no random numbers, so the faults of the writes do not depend on them.
    #[must_use]
    pub fn only_writes(mut self) -> Self {
        self.only_writes = true;
        self
    }

    /// Gives requests with this header no faults, whatever its value: for example the requests of a verifier. They draw
    /// no random numbers.
    #[must_use]
    pub fn sparing_header(mut self, name: impl Into<String>) -> Self {
        self.spared_headers.push(name.into());
        self
    }

    /// Excludes all paths that start with this prefix from faults. Requests to them draw no random numbers.
    #[must_use]
    pub fn sparing_path(mut self, prefix: impl Into<String>) -> Self {
        self.spared_paths.push(prefix.into());
        self
    }

    /// Draws by the value of this header instead of the order of arrival: the n-th request with a value gets the same
    /// fault in every run with the same seed, whatever arrives in between.
    ///
    /// Use this to compare clients under the same faults: give each call an identity in this header, the same one in all
    /// of its attempts. Requests without the header are drawn in order of arrival.
    #[must_use]
    pub fn drawn_by_header(mut self, name: impl Into<String>) -> Self {
        self.identity = Some(name.into());
        self
    }

    pub(crate) fn draw(&mut self, request: &IncomingRequest) -> Option<Fault> {
        if self.spares(request) {
            return None;
        }
        let identity = self.identity.as_deref().and_then(|name| request.header(name)).map(Cow::into_owned);
        match identity {
            Some(identity) => pick(&mut self.rng_of(identity), self.rate, &self.kinds),
            None => pick(&mut self.rng, self.rate, &self.kinds),
        }
    }

    /// The generator for the next request of an identity.
    fn rng_of(&mut self, identity: String) -> Rng {
        let hash = fnv_1a(self.seed, identity.as_bytes());
        let arrivals = self.arrivals.entry(identity).or_default();
        *arrivals += 1;
        seeded_rng(fnv_1a(hash, &arrivals.to_le_bytes()))
    }

    fn spares(&self, request: &IncomingRequest) -> bool {
        (self.only_writes && !request.is_write())
            || self.spared_headers.iter().any(|name| request.header(name).is_some())
            || self.spared_paths.iter().any(|prefix| request.path().starts_with(prefix))
    }
}

fn pick(rng: &mut Rng, rate: f64, kinds: &[Fault]) -> Option<Fault> {
    let is_hit = rng.f64() < rate;
    let kind = rng.choice(kinds).copied();
    kind.filter(|_| is_hit)
}

/// FNV-1a. Unlike the hasher of the standard library, it is the same in every version.
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

fn kinds_at(moment: Moment) -> [Fault; 12] {
    [
        Fault::stored_500(moment),
        Fault::stuck_key(moment),
        Fault::gateway(499, moment),
        Fault::gateway(502, moment),
        Fault::gateway(502, moment).with_html_body(),
        Fault::gateway(502, moment).with_truncated_body(),
        Fault::gateway(503, moment),
        Fault::gateway(504, moment),
        Fault::dropped(Close::Orderly, moment),
        Fault::dropped(Close::Half, moment),
        Fault::dropped(Close::Reset, moment),
        Fault::dropped(Close::Midway, moment),
    ]
}
