//! A process with a limit of its own.

use super::{super::super::concurrency_limit::ConcurrencyLimit, CROWD, MS, Phase, QUIET, SECOND, Scenario, alone};

/// The service takes so many in a second.
const HUNDRED: Phase = Phase { calls: 300, accepts: 100, ..QUIET };
const FEW: Phase = Phase { calls: 20, accepts: 5, ..QUIET };
const LIMITED: Phase = Phase { calls: 200, accepts: 80, silent: 25, takes: 60, ..QUIET };
/// It refuses at random, and fails.
const STRAYS: Phase = Phase { calls: 400, strays: 3, silent: 6, unavailable: 9, refuses_in: 2, takes: 5, ..QUIET };
const CALLS: Phase = Phase { calls: 300, ..QUIET };
const SLOW: Phase = Phase { calls: 100, takes: 200, silent: 5, ..QUIET };
const DOWN: Phase = Phase { unavailable: 100, ..SLOW };
const REFUSING: Phase = Phase { accepts: 0, ..SLOW };

pub(super) fn all() -> Vec<Scenario> {
    let all = [open(), steady(), changing(), in_a_hurry(), faulty(), away(), asking(), fixed()];
    all.into_iter().flatten().collect()
}

/// The service takes so many in a second.
fn steady() -> Vec<Scenario> {
    vec![
        alone(
            "100 a second are taken, three times as many come, later none, then again",
            36_000,
            [Phase { calls: 60, ..QUIET }, HUNDRED.at(1_000), QUIET.at(15_000), HUNDRED.at(30_000)],
        ),
        alone(
            "A queue of 200 is left, and as many come as are taken",
            20_000,
            [
                Phase { calls: 400, accepts: 200, ..QUIET },
                Phase { calls: 150, accepts: 200, ..QUIET }.at(3_000),
                Phase { calls: 230, accepts: 200, ..QUIET }.at(12_000),
            ],
        ),
        alone(
            "Refusals come late",
            12_000,
            [Phase { calls: 300, accepts: 100, takes: 200, refuses_in: 500, silent: 20, ..QUIET }],
        ),
        alone("5 a second are taken", 20_000, [FEW]),
        alone(
            "9 a second are taken, then 2",
            30_000,
            [Phase { calls: 30, accepts: 9, ..QUIET }, Phase { calls: 30, accepts: 2, ..QUIET }.at(12_000)],
        ),
        alone(
            "Few wait, and less is taken for two seconds",
            12_000,
            [
                Phase { calls: 215, accepts: 200, ..QUIET },
                Phase { calls: 150, accepts: 150, ..QUIET }.at(4_000),
                Phase { calls: 150, accepts: 200, ..QUIET }.at(6_000),
            ],
        ),
    ]
}

/// What it takes changes.
fn changing() -> Vec<Scenario> {
    vec![
        alone(
            "The service takes 200 a second, then 50, then 400",
            30_000,
            [
                Phase { calls: 500, accepts: 200, ..QUIET },
                Phase { calls: 500, accepts: 50, ..QUIET }.at(10_000),
                Phase { calls: 500, accepts: 400, ..QUIET }.at(20_000),
            ],
        ),
        alone(
            "Refusals come at once, and the rest takes long",
            12_000,
            [Phase { calls: 300, accepts: 120, takes: 400, refuses_in: 2, ..QUIET }],
        ),
        alone(
            "Attempts take ever longer",
            15_000,
            [
                Phase { takes: 10, ..HUNDRED },
                Phase { takes: 150, ..HUNDRED }.at(5_000),
                Phase { takes: 900, ..HUNDRED }.at(10_000),
            ],
        ),
        alone(
            "As many come as are taken, but for a crowd",
            15_000,
            [
                Phase { calls: 95, accepts: 100, ..QUIET },
                Phase { accepts: 100, ..CROWD }.at(3_000),
                Phase { calls: 95, accepts: 100, ..QUIET }.at(3_001),
            ],
        ),
    ]
}

/// Calls have little time.
fn in_a_hurry() -> Vec<Scenario> {
    vec![
        Scenario {
            deadline: MS(300),
            ..alone(
                "Few wait while the service takes less for a while",
                20_000,
                [
                    Phase { calls: 400, accepts: 200, ..QUIET },
                    Phase { calls: 110, accepts: 60, strays: 3, ..QUIET }.at(6_000),
                    Phase { calls: 110, accepts: 200, strays: 3, ..QUIET }.at(12_000),
                ],
            )
        },
        Scenario {
            deadline: MS(400),
            ..alone("Calls have little time", 10_000, [Phase { calls: 160, accepts: 100, ..QUIET }])
        },
    ]
}

/// Nothing is refused.
fn open() -> Vec<Scenario> {
    vec![
        alone(
            "300 calls a second, none for half a minute, then a crowd; nothing is refused",
            37_000,
            [CALLS, QUIET.at(2_000), CROWD.at(35_000), QUIET.at(35_002)],
        ),
        alone(
            "A crowd at once, whose calls take long",
            4_000,
            [
                Phase { takes: 700, ..CROWD },
                Phase { takes: 700, ..QUIET }.at(4),
                Phase { takes: 700, ..CROWD }.at(2_500),
                Phase { takes: 700, ..QUIET }.at(2_504),
            ],
        ),
        alone(
            "A crowd, then few, but all the time, then a crowd",
            26_000,
            [CROWD, Phase { calls: 10, ..QUIET }.at(10), CROWD.at(25_000), QUIET.at(25_010)],
        ),
        alone(
            "A crowd whose calls are short",
            2_000,
            [Phase { takes: 120, ..CROWD }, Phase { takes: 120, ..QUIET }.at(6)],
        ),
    ]
}

/// What is refused or fails says nothing about the load.
fn faulty() -> Vec<Scenario> {
    vec![
        alone("3 of 100 are refused at random, of many", 20_000, [STRAYS]),
        alone("3 of 100 are refused at random, of few", 40_000, [Phase { calls: 12, ..STRAYS }]),
        alone(
            "3 of 100 are refused at random, and 100 a second are taken",
            25_000,
            [Phase { calls: 250, accepts: 100, strays: 3, silent: 10, ..QUIET }],
        ),
        alone("Half of all fails without a response", 8_000, [Phase { calls: 100, silent: 50, ..QUIET }]),
        alone(
            "Most find the service unavailable, once it has refused",
            12_000,
            [
                Phase { calls: 300, accepts: 100, ..QUIET },
                Phase { calls: 300, accepts: 100, unavailable: 75, ..QUIET }.at(5_000),
                Phase { calls: 300, accepts: 100, ..QUIET }.at(9_000),
            ],
        ),
    ]
}

/// The service is down, or refuses everything.
fn away() -> Vec<Scenario> {
    vec![
        alone(
            "The service is down for a second, and for twenty",
            45_000,
            [SLOW, DOWN.at(2_000), SLOW.at(3_000), DOWN.at(10_000), SLOW.at(30_000)],
        ),
        alone(
            "The same of a service that has refused before",
            50_000,
            [
                LIMITED,
                Phase { unavailable: 100, ..LIMITED }.at(6_300),
                LIMITED.at(7_000),
                Phase { unavailable: 100, ..LIMITED }.at(14_300),
                LIMITED.at(34_000),
            ],
        ),
        alone(
            "It is down for long after a few refusals",
            12_000,
            [Phase { strays: 50, ..SLOW }, SLOW.at(300), DOWN.at(500), SLOW.at(6_000)],
        ),
        alone(
            "The service refuses everything for a while",
            25_000,
            [SLOW, REFUSING.at(2_000), SLOW.at(3_200), REFUSING.at(8_000), SLOW.at(20_000)],
        ),
    ]
}

/// It asks for waits, or says nothing more.
fn asking() -> Vec<Scenario> {
    vec![
        alone(
            "It asks for waits of 3 s",
            20_000,
            [
                LIMITED,
                Phase { hint: Some(3 * SECOND), ..REFUSING }.at(4_000),
                Phase { hint: Some(3 * SECOND), ..LIMITED }.at(9_000),
            ],
        ),
        alone(
            "It asks for waits of 1 s and of a minute",
            90_000,
            [
                LIMITED,
                Phase { hint: Some(SECOND), ..REFUSING }.at(4_000),
                Phase { hint: Some(60 * SECOND), ..REFUSING }.at(6_000),
                Phase { calls: 20, ..QUIET }.at(10_000),
            ],
        ),
        alone(
            "A probe is sent and gets no response",
            25_000,
            [SLOW, REFUSING.at(2_000), Phase { takes: 60_000, ..SLOW }.at(3_000), SLOW.at(3_500)],
        ),
    ]
}

fn fixed() -> Vec<Scenario> {
    let calls = Phase { calls: 100, takes: 50, ..QUIET };
    let phases = [calls, Phase { unavailable: 50, ..calls }.at(2_000), Phase { accepts: 20, ..calls }.at(3_500)];
    let fixed = |most, title| Scenario {
        limit: ConcurrencyLimit::Fixed(most),
        deadline: SECOND,
        ..alone(title, 5_000, phases)
    };
    vec![fixed(3, "Three at once, whatever becomes of them"), fixed(50, "Fifty at once")]
}
