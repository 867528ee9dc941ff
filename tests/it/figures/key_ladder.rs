//! What becomes of the key of a write after a failed attempt.

use reqwest_safe_retry::{
    Effect,
    KeyKind::{self, InvalidatedByError, ReplayAll, ReplaySuccess},
};

use super::svg::{Area, Svg};
use crate::tables::ladder::{
    Short::{self, InProgress, Lost, NotApplied, NotSent, Status},
    ladder,
};

/// An outcome of an attempt, and what follows.
struct Row {
    outcome: [&'static str; 2],
    class: &'static str,
    follows: [&'static str; 2],
    /// Checked before it is drawn: the attempts, and what `decide` says of the key after each: `=` the same, `+` a new one,
    /// `?` a new one after a verdict.
    decided: &'static [(KeyKind, &'static [Short], &'static str)],
}

#[rustfmt::skip]
const ROWS: [Row; 6] = [
    Row {
        outcome: ["no connection, or 429", "provably not executed"],
        class: "same", follows: ["same key", "as if for the first time"],
        decided: &[(ReplayAll, &[NotSent, Status(429)], "==")],
    },
    Row {
        outcome: ["no response, 502 to 504, in progress", "may have been executed, or still be"],
        class: "same", follows: ["same key", "the service recognises the repeat"],
        decided: &[(ReplayAll, &[Lost, Status(502), Status(504), InProgress], "====")],
    },
    Row {
        outcome: ["500, and only successes are stored", "KeyKind::ReplaySuccess"],
        class: "same", follows: ["same key", "the service executes it again"],
        decided: &[(ReplaySuccess, &[Status(500), Status(500)], "==")],
    },
    Row {
        outcome: ["a response that proves \u{201c}not applied\u{201d}", "and no earlier attempt is in doubt"],
        class: "new", follows: ["new key", "immediately, and only once"],
        decided: &[(InvalidatedByError, &[NotApplied], "+"), (InvalidatedByError, &[Lost, NotApplied], "=")],
    },
    Row {
        outcome: ["another 4xx", "it would fail again"],
        class: "end", follows: ["the call ends", "applied() says whether it took effect"],
        decided: &[(ReplayAll, &[Status(404)], ""), (ReplayAll, &[Lost, Status(404)], "=")],
    },
    Row {
        outcome: ["500, and errors are stored too", "KeyKind::ReplayAll"],
        class: "same", follows: ["same key, once more", "was the error stored?"],
        decided: &[(ReplayAll, &[Status(500), Status(500)], "=?"), (ReplayAll, &[Lost, Status(500), Status(500)], "==")],
    },
];

const VERDICTS: [(&str, [&str; 2]); 3] = [
    ("new", ["new key", "not applied: once"]),
    ("done", ["the call ends: applied", "applied: it was found"]),
    ("end", ["the call ends in doubt", "unknown, or no verifier"]),
];

const fn outcome(row: usize) -> Area {
    (20.0, 52.0 + 60.0 * row as f64, 300.0, 46.0)
}

const fn follows(row: usize) -> Area {
    (360.0, outcome(row).1, 250.0, 46.0)
}

#[test]
fn key_ladder() {
    let mut svg = Svg::new(960, 540, "What becomes of the key after a failed attempt of a write");
    for (number, row) in ROWS.iter().enumerate() {
        for (kind, attempts, steps) in row.decided {
            let (found, ..) = ladder(*kind, Effect::Write, true, attempts);
            assert_eq!(found, *steps, "{}: {attempts:?}", row.outcome[0]);
        }
        svg.boxed(outcome(number), "", row.outcome);
        svg.boxed(follows(number), row.class, row.follows);
        svg.arrow(outcome(number), follows(number));
    }
    let last = ROWS.len() - 1;
    let settled = (360.0, outcome(last).1 + 90.0, 250.0, 46.0);
    svg.boxed(settled, "", ["500 again: the key is settled", "ask the verifier: was it applied?"]);
    down(&mut svg, follows(last), settled);
    for (number, (class, text)) in VERDICTS.iter().enumerate() {
        let verdict = (690.0, settled.1 - 80.0 + 60.0 * number as f64, 250.0, 46.0);
        svg.boxed(verdict, class, *text);
        svg.arrow(settled, verdict);
    }
    super::check("key_ladder", &svg.finish());
}

fn down(svg: &mut Svg, from: Area, to: Area) {
    let middle = from.0 + from.2 / 2.0;
    svg.pointer((middle, from.1 + from.3), (middle, to.1));
}
