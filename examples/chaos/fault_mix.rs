//! The faults of a run and their weights.

use std::{iter, time::Duration};

use metronome_simulator::{
    Close, Fault, Faults,
    Moment::{After, Before},
    RateLimit,
};

/// The timeout of an attempt.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);
/// The deadline of a call of the layer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
/// How long keys are kept. Longer than a call lasts, as Metronome's 24 hours are.
pub(crate) const KEY_RETENTION: Duration = Duration::from_secs(6);
/// The first wait, which doubles, and the longest one.
pub(crate) const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// The number of restarts of the application in a run.
pub(crate) const RESTARTS: usize = 10;

/// The header with the identity of a call, the same in all of its attempts.
pub(crate) const IDENTITY: &str = "x-chaos-id";
/// The header of requests without faults: those of the verifier.
pub(crate) const SPARED: &str = "x-chaos-spared";

/// Longer than the timeout of an attempt.
const LATE: Duration = Duration::from_millis(150);
/// Shorter than the timeout of an attempt.
const SLOW: Duration = Duration::from_millis(40);

/// The faults of a run, the same for every client.
pub(crate) struct FaultMix {
    pub(crate) seed: u64,
    /// How many of a hundred attempts get a fault.
    pub(crate) percent: u8,
}

impl FaultMix {
    /// Each fault depends on the seed, the identity of the call and the number of the attempt.
    pub(crate) fn faults(&self) -> Faults {
        let kinds = kinds().into_iter().flat_map(|(weight, fault)| iter::repeat_n(fault, weight));
        let faults = Faults::seeded(self.seed).rate(f64::from(self.percent) / 100.0).kinds(kinds);
        faults.drawn_by_header(IDENTITY).sparing_header(SPARED)
    }
}

/// Every fault with its weight.
///
/// Two are left out because no client can handle them: a gateway's own 500 while the write still executes (a documented
/// 500 means the execution is over), and a duplicate during the first execution (its 409 looks like any other rejection).
fn kinds() -> Vec<(usize, Fault)> {
    let mut kinds = vec![
        // The gateway.
        (70, Fault::gateway(502, Before)),
        (40, Fault::gateway(502, After)),
        (70, Fault::gateway(503, Before)),
        (40, Fault::gateway(503, After)),
        (60, Fault::gateway(504, Before)),
        (60, Fault::gateway(504, After)),
        (30, Fault::gateway(504, After).taking(SLOW)),
        (6, Fault::gateway(500, Before)),
        (15, Fault::gateway(500, After)),
        // The application. Two cases end in doubt, and are rare in production and here: a partial write, and a write with
        // one attempt that got a stored 500 and one that got no response.
        (3, Fault::stored_500(Before)),
        (30, Fault::stored_500(After)),
        (6, Fault::partial_500()),
        (30, Fault::restarted()),
        (10, Fault::restarted().taking(SLOW)),
        (60, Fault::rate_limited(RateLimit::Client, None)),
        (60, Fault::rate_limited(RateLimit::Customer, None)),
        // Delays.
        (25, Fault::late(LATE, Before)),
        (25, Fault::late(LATE, After)),
        (25, Fault::late(SLOW, Before)),
        (15, Fault::queued(LATE)),
        (15, Fault::stalled(Before)),
        (15, Fault::stalled(After)),
        // Delivery. The layer returns a success as it is, so the caller sees a truncated one.
        (8, Fault::truncated()),
        (40, Fault::duplicated()),
    ];
    for close in [Close::Orderly, Close::Half, Close::Reset, Close::Midway] {
        kinds.extend([(35, Fault::dropped(close, Before)), (35, Fault::dropped(close, After))]);
    }
    kinds
}
