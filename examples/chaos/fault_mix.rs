//! The faults of a run and their weights.

use std::{iter, time::Duration};

use metronome_simulator::{
    Close, Fault, Faults,
    Moment::{After, Before},
    RateLimit,
};
use serde_json::{Value, json};

/// The timeout of an attempt.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);
/// The deadline of a call of the layer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
/// How long keys are kept. Longer than a call lasts, as Metronome's 24 hours are.
pub(crate) const KEY_RETENTION: Duration = Duration::from_secs(6);
/// The first wait, which doubles, and the longest one.
pub(crate) const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// How long a list is behind.
pub(crate) const LIST_LAG: Duration = Duration::from_millis(30);
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

/// Faults of one sort, each with its weight.
type Group = (&'static str, Vec<(usize, Fault)>);

impl FaultMix {
    /// Each fault depends on the seed, the identity of the call and the number of the attempt.
    pub(crate) fn faults(&self) -> Faults {
        let faults = Faults::seeded(self.seed).rate(f64::from(self.percent) / 100.0).kinds(kinds());
        faults.drawn_by_header(IDENTITY).sparing_header(SPARED)
    }

    /// The same for the simulator as a program: the body of `POST /_simulator/faults`.
    pub(crate) fn json(&self) -> Value {
        let kinds: Vec<String> = kinds().map(|fault| fault.to_string()).collect();
        json!({
            "seed": self.seed, "percent": self.percent, "kinds": kinds,
            "drawn_by_header": IDENTITY, "sparing_headers": [SPARED],
        })
    }
}

/// Every fault as often as its weight says.
fn kinds() -> impl Iterator<Item = Fault> {
    let kinds = groups().into_iter().flat_map(|(_, group)| group);
    kinds.flat_map(|(weight, fault)| iter::repeat_n(fault, weight))
}

/// The share of each group of faults, in percent.
pub(crate) fn shares() -> impl Iterator<Item = (&'static str, f64)> {
    let weights = groups().map(|(name, group)| (name, group.iter().map(|(weight, _)| weight).sum::<usize>()));
    let all: usize = weights.iter().map(|(_, weight)| weight).sum();
    weights.into_iter().map(move |(name, weight)| (name, 100.0 * weight as f64 / all as f64))
}

/// Every fault with its weight.
///
/// Two are left out because no client can handle them: a gateway's own 500 while the write still executes (a documented
/// 500 means the execution is over), and a duplicate during the first execution (its 409 looks like any other rejection).
///
/// Some leave a write in doubt with every client, and are rare in production and here:
///
/// - a partial write, a 499 or a stuck key
/// - a stored 500 after the effect, without a verifier
/// - a stored 500 for one attempt, and no response for another one of the same write
///
/// Their weights decide how many writes end in doubt.
fn groups() -> [Group; 11] {
    [
        ("gateway", twice(gateway())),
        ("other gateway statuses", twice(other_gateway_statuses())),
        ("HTML", twice(html())),
        ("499", vec![(1, Fault::gateway(499, Before)), (6, Fault::gateway(499, After))]),
        ("application", twice(application())),
        ("stuck keys", vec![(1, Fault::stuck_key(Before)), (5, Fault::stuck_key(After))]),
        ("delays", twice(delays())),
        ("truncated bodies", twice(truncated_bodies())),
        ("endless bodies", twice(endless_bodies())),
        ("redirects", vec![(2, Fault::gateway(307, Before)), (2, Fault::gateway(307, After))]),
        ("delivery", twice(delivery())),
    ]
}

/// Doubles the weights, for what is not rare.
fn twice(group: Vec<(usize, Fault)>) -> Vec<(usize, Fault)> {
    group.into_iter().map(|(weight, fault)| (2 * weight, fault)).collect()
}

fn gateway() -> Vec<(usize, Fault)> {
    vec![
        (70, Fault::gateway(502, Before)),
        (40, Fault::gateway(502, After)),
        (70, Fault::gateway(503, Before)),
        (40, Fault::gateway(503, After)),
        (60, Fault::gateway(504, Before)),
        (60, Fault::gateway(504, After)),
        (30, Fault::gateway(504, After).taking(SLOW)),
        (6, Fault::gateway(500, Before)),
        (15, Fault::gateway(500, After)),
    ]
}

fn before_and_after(statuses: impl IntoIterator<Item = u16>) -> impl Iterator<Item = Fault> {
    statuses.into_iter().flat_map(|status| [Fault::gateway(status, Before), Fault::gateway(status, After)])
}

/// Of proxies and content delivery networks.
fn other_gateway_statuses() -> Vec<(usize, Fault)> {
    let statuses = (507..=511).chain(520..=530).chain([598, 599]);
    before_and_after(statuses).map(|fault| (2, fault)).collect()
}

fn html() -> Vec<(usize, Fault)> {
    before_and_after([502, 504]).map(|fault| (10, fault.with_html_body())).collect()
}

fn application() -> Vec<(usize, Fault)> {
    vec![
        (3, Fault::stored_500(Before)),
        (14, Fault::stored_500(After)),
        (4, Fault::partial_500()),
        (30, Fault::restarted()),
        (10, Fault::restarted().taking(SLOW)),
        (60, Fault::rate_limited(RateLimit::Client, None)),
        (60, Fault::rate_limited(RateLimit::Customer, None)),
    ]
}

fn delays() -> Vec<(usize, Fault)> {
    vec![
        (25, Fault::late(LATE, Before)),
        (25, Fault::late(LATE, After)),
        (25, Fault::late(SLOW, Before)),
        (15, Fault::queued(LATE)),
        (15, Fault::stalled(Before)),
        (15, Fault::stalled(After)),
    ]
}

fn truncated_bodies() -> Vec<(usize, Fault)> {
    vec![
        // The layer returns a success as it is, so the caller sees a truncated one.
        (8, Fault::truncated()),
        (10, Fault::gateway(502, Before).with_truncated_body()),
        (10, Fault::gateway(504, After).with_truncated_body()),
        (5, Fault::rate_limited(RateLimit::Client, None).with_truncated_body()),
        (5, Fault::stored_500(After).with_truncated_body()),
    ]
}

fn endless_bodies() -> Vec<(usize, Fault)> {
    before_and_after([502, 503, 504]).map(|fault| (3, fault.with_endless_body())).collect()
}

fn delivery() -> Vec<(usize, Fault)> {
    let mut faults = vec![(40, Fault::duplicated())];
    for close in [Close::Orderly, Close::Half, Close::Reset, Close::Midway] {
        faults.extend([(35, Fault::dropped(close, Before)), (35, Fault::dropped(close, After))]);
    }
    faults
}
