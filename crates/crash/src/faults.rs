//! What goes wrong on the way to the service and in it, and the times that hold in spite of it.

use std::{iter, time::Duration};

use metronome_simulator::{
    Close, Fault, Faults,
    Moment::{After, Before},
    RateLimit,
};

use crate::endpoint::{OPERATION, SPARED};

/// The timeout of an attempt.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);
/// The first wait between two attempts, which doubles, and the longest one.
pub(crate) const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(80));
/// The deadline of a call, and so its lease.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1500);
/// How long after its lease a request of a process may still be executed. It is delayed by at most [`QUEUED`]; the
/// rest is for a busy machine.
pub(crate) const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);

/// So long the service works, and then every write gets a 500 before its key is checked.
pub(crate) const OUTAGES: [Duration; 2] = [Duration::from_millis(700), Duration::from_millis(250)];

/// Longer than an outage: the write takes effect after everything else has failed.
const QUEUED: Duration = Duration::from_millis(400);
/// Longer than the timeout of an attempt: the client has gone when the write takes effect.
const LATE: Duration = Duration::from_millis(200);
/// Shorter than the timeout of an attempt.
const SLOW: Duration = Duration::from_millis(30);

/// How many of a hundred attempts meet a fault.
const PERCENT: u8 = 60;

/// Each fault depends on the seed, the operation and the number of the attempt.
pub(crate) fn faults(seed: u64) -> Faults {
    let kinds = kinds().into_iter().flat_map(|(weight, fault)| iter::repeat_n(fault, weight));
    let faults = Faults::seeded(seed).rate(f64::from(PERCENT) / 100.0).kinds(kinds);
    faults.drawn_by_header(OPERATION).sparing_header(SPARED)
}

/// Nothing reaches the service.
pub(crate) fn outage() -> Faults {
    Faults::seeded(0).rate(1.0).kinds([Fault::gateway(500, Before)]).sparing_header(SPARED)
}

/// Every fault with its weight.
///
/// Errors before the key is checked are frequent: two of them and a verdict lead to a second key while the first one
/// is still unused, so that it doubles the write if a later process sends it again. Two faults are left out because
/// no client can handle them: a gateway's own 500 while the write still executes, and a second delivery during the
/// first execution.
fn kinds() -> Vec<(usize, Fault)> {
    let mut kinds = vec![
        (140, Fault::gateway(500, Before)),
        (6, Fault::gateway(500, After)),
        (10, Fault::stored_500(Before)),
        (10, Fault::stored_500(After)),
        (1, Fault::stuck_key(Before)),
        (3, Fault::stuck_key(After)),
        (10, Fault::restarted()),
        (4, Fault::restarted().taking(SLOW)),
        (8, Fault::rate_limited(RateLimit::Client, None)),
        (4, Fault::truncated()),
        (10, Fault::duplicated()),
        (10, Fault::queued(LATE)),
        (20, Fault::queued(QUEUED)),
        (10, Fault::late(LATE, Before)),
        (6, Fault::late(LATE, After)),
        (20, Fault::late(SLOW, Before)),
        (5, Fault::stalled(Before)),
        (5, Fault::stalled(After)),
        (10, Fault::gateway(504, After).taking(SLOW)),
        (5, Fault::gateway(504, After).taking(LATE)),
        (2, Fault::gateway(499, After)),
    ];
    for status in [502, 503, 504] {
        kinds.extend([(8, Fault::gateway(status, Before)), (8, Fault::gateway(status, After))]);
    }
    for close in [Close::Orderly, Close::Half, Close::Reset, Close::Midway] {
        kinds.extend([(4, Fault::dropped(close, Before)), (4, Fault::dropped(close, After))]);
    }
    kinds
}
