//! Processes that share a limit.

use super::{CROWD, Phase, QUIET, SECOND, Scenario, together};

/// The service takes so many in a second.
const WANTED: Phase = Phase { calls: 400, accepts: 100, ..QUIET };
const LIMITED: Phase = Phase { calls: 200, accepts: 80, ..QUIET };

pub(super) fn all() -> Vec<Scenario> {
    [divided(), refused(), changing(), away(), down()].into_iter().flatten().collect()
}

/// Who wants more, and who comes when.
fn divided() -> Vec<Scenario> {
    vec![
        together("Nothing is refused to two processes", [0.5, 0.5], 6_000, [Phase { calls: 800, ..QUIET }]),
        together("A crowd at one of two", [1.0, 0.0], 4_000, [CROWD, QUIET.at(4)]),
        together("Three share 100 a second, and want more, less and nothing", [0.7, 0.03, 0.0], 12_000, [WANTED]),
        Scenario {
            last_joins: 3 * SECOND,
            ..together(
                "Of two, one comes later, when nothing is refused",
                [0.5, 0.5],
                6_000,
                [
                    Phase { calls: 5_000, ..QUIET },
                    Phase { calls: 500, ..QUIET }.at(2_000),
                    Phase { calls: 5_000, ..QUIET }.at(4_000),
                ],
            )
        },
        Scenario {
            last_joins: 5 * SECOND,
            ..together(
                "Of two, one was refused before it comes",
                [0.8, 0.2],
                12_000,
                [Phase { calls: 400, strays: 50, ..QUIET }, Phase { calls: 400, ..QUIET }.at(200)],
            )
        },
        together(
            "A crowd at one of two that are known to the store",
            [1.0, 0.0],
            6_000,
            [QUIET, CROWD.at(2_000), QUIET.at(2_004)],
        ),
    ]
}

/// Some refusals, of many that come.
fn refused() -> Vec<Scenario> {
    vec![
        together(
            "A few refusals, and many wait",
            [1.0, 0.0],
            6_000,
            [
                Phase { calls: 3_000, ..QUIET },
                Phase { calls: 3_000, strays: 100, ..QUIET }.at(300),
                Phase { calls: 3_000, ..QUIET }.at(301),
            ],
        ),
        together(
            "Many are taken from two, and some find the service unavailable",
            [0.5, 0.5],
            12_000,
            [
                Phase { calls: 9_000, ..QUIET },
                Phase { calls: 2_000, accepts: 1_000, unavailable: 10, ..QUIET }.at(3_000),
                Phase { calls: 300, accepts: 1_000, unavailable: 10, strays: 2, ..QUIET }.at(7_000),
            ],
        ),
        together(
            "3 of 100 are refused to two at random",
            [0.6, 0.4],
            15_000,
            [Phase { calls: 300, strays: 3, ..QUIET }],
        ),
    ]
}

/// What the service takes, and what is wanted, changes.
fn changing() -> Vec<Scenario> {
    vec![
        together(
            "What two may send grows and shrinks",
            [0.5, 0.5],
            24_000,
            [WANTED, Phase { accepts: 300, ..WANTED }.at(8_000), Phase { accepts: 40, ..WANTED }.at(16_000)],
        ),
        together(
            "Nobody needs the limit of two any more, until they do",
            [0.5, 0.5],
            24_000,
            [WANTED, Phase { calls: 2, ..QUIET }.at(5_000), Phase { calls: 900, ..QUIET }.at(21_000)],
        ),
    ]
}

/// The store does not answer, or forgets; and a service that takes nothing for a while.
fn away() -> Vec<Scenario> {
    vec![
        together(
            "The store of two is away, and comes back",
            [0.5, 0.5],
            20_000,
            [LIMITED, Phase { store_is_away: true, ..LIMITED }.at(5_000), LIMITED.at(10_000)],
        ),
        together(
            "The store of two is lost",
            [0.7, 0.3],
            12_000,
            [
                LIMITED,
                Phase { store_is_lost: true, ..LIMITED }.at(5_000),
                Phase { store_is_lost: true, calls: 60, ..LIMITED }.at(8_500),
            ],
        ),
        together(
            "The service of two takes nothing for 3 s",
            [0.5, 0.5],
            14_000,
            [
                Phase { accepts: 200, calls: 500, ..QUIET },
                Phase { accepts: 0, calls: 500, ..QUIET }.at(5_930),
                Phase { accepts: 200, calls: 500, ..QUIET }.at(8_930),
            ],
        ),
    ]
}

/// The service is down, or refuses everything.
fn down() -> Vec<Scenario> {
    vec![
        together(
            "The service of two is down, and its store away meanwhile",
            [0.5, 0.5],
            30_000,
            [
                LIMITED,
                Phase { unavailable: 100, ..LIMITED }.at(4_000),
                Phase { unavailable: 100, store_is_away: true, ..LIMITED }.at(12_000),
                LIMITED.at(20_000),
            ],
        ),
        together(
            "The service of two is down for long, and comes back",
            [0.5, 0.5],
            24_000,
            [
                Phase { calls: 100, ..QUIET },
                Phase { calls: 100, unavailable: 100, ..QUIET }.at(2_000),
                Phase { calls: 100, ..QUIET }.at(14_000),
            ],
        ),
        together(
            "The service of two refuses everything, and asks for waits",
            [0.5, 0.5],
            20_000,
            [
                Phase { takes: 120, ..LIMITED },
                Phase { accepts: 0, ..LIMITED }.at(4_000),
                Phase { accepts: 0, hint: Some(4 * SECOND), ..LIMITED }.at(6_000),
                LIMITED.at(12_000),
            ],
        ),
    ]
}
