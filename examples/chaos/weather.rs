//! What goes wrong, and how often each.

use std::{iter, time::Duration};

use reqwest_safe_retry::simulator::{
    Close, Fault, Faults,
    Moment::{After, Before},
    RateLimit,
};

/// An attempt gives up after this long.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);
/// A call of the layer gives up after this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
/// Longer than a call lasts, as Metronome's 24 hours are: within it a key must protect, after it nothing does.
pub(crate) const KEY_RETENTION: Duration = Duration::from_secs(6);
/// The first wait, which doubles, and the longest.
pub(crate) const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// How often the whole application restarts in a run, with all that executes.
pub(crate) const RESTARTS: usize = 10;

/// Carried by every call, the same in all of its attempts.
pub(crate) const IDENTITY: &str = "x-chaos-id";
/// Carried by what the weather spares: the verifier's own questions.
pub(crate) const SPARED: &str = "x-chaos-spared";

/// Later than the attempt's timeout.
const LATE: Duration = Duration::from_millis(150);
/// Within the attempt's timeout.
const SLOW: Duration = Duration::from_millis(40);

/// The faults of a run, the same for every client: they are drawn for each attempt from the seed, the call's identity
/// and the number of the attempt.
pub(crate) fn weather(seed: u64, percent: u8) -> Faults {
    let kinds = kinds().into_iter().flat_map(|(weight, fault)| iter::repeat_n(fault, weight));
    let faults = Faults::seeded(seed).rate(f64::from(percent) / 100.0).kinds(kinds);
    faults.drawn_by_header(IDENTITY).sparing_header(SPARED)
}

/// Two things are left out because no client could be right about them: a gateway's own 500 while the write still
/// executes, since a documented 500 is the result of an execution that is over; and a second delivery while the first
/// still executes, whose 409 is a refusal like any other.
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
        // The application. What was created in part stays in doubt, and so does what a stored 500 has kept from taking
        // effect beside an attempt that nobody answered: both are rare here, as they are in life.
        (3, Fault::stored_500(Before)),
        (30, Fault::stored_500(After)),
        (6, Fault::partial_500()),
        (30, Fault::restarted()),
        (10, Fault::restarted().taking(SLOW)),
        (60, Fault::rate_limited(RateLimit::Client, None)),
        (60, Fault::rate_limited(RateLimit::Customer, None)),
        // Time.
        (25, Fault::late(LATE, Before)),
        (25, Fault::late(LATE, After)),
        (25, Fault::late(SLOW, Before)),
        (15, Fault::queued(LATE)),
        (15, Fault::stalled(Before)),
        (15, Fault::stalled(After)),
        // The way back. The layer hands a success on as it is, so that one cut short is the caller's to see.
        (8, Fault::truncated()),
        (40, Fault::duplicated()),
    ];
    for close in [Close::Orderly, Close::Half, Close::Reset, Close::Midway] {
        kinds.extend([(35, Fault::dropped(close, Before)), (35, Fault::dropped(close, After))]);
    }
    kinds
}
