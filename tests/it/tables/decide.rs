//! "May it be sent again?", one row for each line of the table in the documentation.

use std::time::Duration;

use http::StatusCode;
use reqwest_safe_retry::{
    Answer, Applied, Effect, Failure, KeyAction, KeyKind, Meaning, Outcome, Redirected, RetryPolicy, StatusSet, Stop,
    decide::{Decision, KeyPlace, Situation, decide},
};

use self::Expected::{No, Preserve, Rotate};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Preserve,
    Rotate,
    No(Stop),
}

struct Row {
    name: &'static str,
    outcome: Outcome,
    after_504: bool,
    /// Whether this attempt may have been executed.
    may_have_executed: bool,
    repeatable: Expected,
    keyed: Expected,
    unkeyed: Expected,
}

fn status(status: u16) -> Outcome {
    Outcome::Answer(Answer::new(StatusCode::from_u16(status).unwrap()))
}

fn meaning(number: u16, meaning: Meaning) -> Outcome {
    let mut answer = Answer::new(StatusCode::from_u16(number).unwrap());
    answer.meaning = Some(meaning);
    Outcome::Answer(answer)
}

fn row(name: &'static str, outcome: Outcome, may_have_executed: bool, expected: [Expected; 3]) -> Row {
    let [repeatable, keyed, unkeyed] = expected;
    Row { name, outcome, after_504: false, may_have_executed, repeatable, keyed, unkeyed }
}

fn table() -> Vec<Row> {
    const PERMANENT: [Expected; 3] = [No(Stop::Permanent); 3];
    const ANY: [Expected; 3] = [Preserve; 3];
    const GUARDED: [Expected; 3] = [Preserve, Preserve, No(Stop::NotIdempotent)];
    let mut table = vec![
        row("never sent", Outcome::Failure(Failure::NotSent), false, ANY),
        row("provably not processed", Outcome::Failure(Failure::NotProcessed), false, ANY),
        row("429", status(429), false, ANY),
        row("425", status(425), false, ANY),
        row("ambiguous", Outcome::Failure(Failure::Ambiguous), true, GUARDED),
        row("408", status(408), true, GUARDED),
        row("in progress", meaning(409, Meaning::InProgress), true, GUARDED),
        row("502", status(502), true, GUARDED),
        row("503", status(503), true, GUARDED),
        row("504", status(504), true, GUARDED),
        row("500, the probe", status(500), true, GUARDED),
        row("501", status(501), true, PERMANENT),
        row("505", status(505), true, PERMANENT),
        row("507, not in the set", status(507), true, PERMANENT),
        row("409 at the first attempt", status(409), false, PERMANENT),
        row("other parameters", meaning(422, Meaning::OtherParameters), false, PERMANENT),
        row("already exists", meaning(409, Meaning::AlreadyExists), false, PERMANENT),
        row("TLS failure", Outcome::Failure(Failure::Untrusted), false, PERMANENT),
        row("builder error", Outcome::Failure(Failure::Unsendable), false, PERMANENT),
        row("redirect loop", Outcome::Failure(Failure::RedirectLoop), true, PERMANENT),
        row("middleware below", Outcome::Failure(Failure::Middleware), true, PERMANENT),
        row("rotate at once", meaning(409, Meaning::RotateAtOnce), false, [Rotate, Rotate, No(Stop::Permanent)]),
        row("burnt", meaning(400, Meaning::Burnt), false, [Rotate, No(Stop::Unverified), No(Stop::Permanent)]),
    ];
    for other in
        [400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 418, 421, 422, 423, 424, 426, 431, 451, 499]
    {
        table.push(row("another 4xx", status(other), false, PERMANENT));
    }
    table.push(Row {
        after_504: true,
        ..row(
            "409 after an attempt that may have executed",
            status(409),
            true,
            [Preserve, Preserve, No(Stop::NotIdempotent)],
        )
    });
    table
}

/// The decision after `row`, as in the columns of the table.
fn decision(row: &Row, effect: Effect, key: KeyPlace) -> (Expected, Applied) {
    let policy = RetryPolicy::new();
    let first = if row.after_504 { status(504) } else { row.outcome };
    let mut situation = Situation::new(effect, key, KeyKind::ReplayAll, &policy, first);
    if row.after_504 {
        situation.outcome = row.outcome;
        situation.history = situation.history.after(&situation);
    }
    let applied = situation.history.applied(effect);
    let expected = match decide(&situation) {
        Decision::Retry { key: KeyAction::Preserve, .. } => Preserve,
        Decision::Retry { key: KeyAction::Rotate, .. } => Rotate,
        Decision::Retry { key: KeyAction::VerifyThenRotate, .. } => panic!("{}: there is no verifier", row.name),
        Decision::Fail(stop) => No(stop),
    };
    (expected, applied)
}

#[test]
fn every_line_of_the_table_holds_in_every_column() {
    for row in table() {
        // Burnt keys and rotations are about keys; without one the answer is an ordinary refusal.
        let about_keys = matches!(row.outcome, Outcome::Answer(Answer { meaning: Some(m), .. })
            if matches!(m, Meaning::Burnt | Meaning::RotateAtOnce));
        for effect in [Effect::Read, Effect::Idempotent, Effect::Deduplicated] {
            let key = if about_keys { KeyPlace::Header } else { KeyPlace::Absent };
            let (found, applied) = decision(&row, effect, key);
            assert_eq!(found, row.repeatable, "{} ({:?}) {effect:?}", row.name, row.outcome);
            let doubt = row.may_have_executed && effect != Effect::Read;
            assert_eq!(applied, if doubt { Applied::Unknown } else { Applied::No }, "{} {effect:?}", row.name);
        }
        let (found, applied) = decision(&row, Effect::Write, KeyPlace::Header);
        assert_eq!(found, row.keyed, "{} ({:?}) keyed write", row.name, row.outcome);
        assert_eq!(applied == Applied::Unknown, row.may_have_executed, "{} keyed write", row.name);
        let (found, _) = decision(&row, Effect::Write, KeyPlace::Absent);
        assert_eq!(found, row.unkeyed, "{} ({:?}) un-keyed write", row.name, row.outcome);
    }
}

#[test]
fn the_services_own_signal_beats_the_table_but_never_opens_the_last_column() {
    let policy = RetryPolicy::new();
    for number in [400, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 505] {
        for signal in [false, true] {
            for (effect, key) in
                [(Effect::Read, KeyPlace::Absent), (Effect::Write, KeyPlace::Header), (Effect::Write, KeyPlace::Absent)]
            {
                let mut answer = Answer::new(StatusCode::from_u16(number).unwrap());
                answer.retry_signal = Some(signal);
                let situation = Situation::new(effect, key, KeyKind::ReplayAll, &policy, Outcome::Answer(answer));
                let unkeyed = (effect, key) == (Effect::Write, KeyPlace::Absent);
                let found = decide(&situation);
                match (signal, unkeyed, number) {
                    (false, ..) => assert_eq!(found, Decision::Fail(Stop::Permanent), "{number} {effect:?}"),
                    (true, true, 408 | 500 | 502..=504) => {
                        assert_eq!(found, Decision::Fail(Stop::NotIdempotent), "{number}")
                    }
                    (true, true, n) if n != 429 && n != 425 => {
                        assert_eq!(found, Decision::Fail(Stop::Permanent), "{number}")
                    }
                    _ => assert!(
                        matches!(found, Decision::Retry { key: KeyAction::Preserve, .. }),
                        "{number} {effect:?} {key:?}: {found:?}"
                    ),
                }
            }
        }
    }
}

#[test]
fn a_signal_skips_the_ladder() {
    let policy = RetryPolicy::new().max_attempts(9);
    let mut answer = Answer::new(StatusCode::INTERNAL_SERVER_ERROR);
    answer.retry_signal = Some(true);
    let mut situation =
        Situation::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy, Outcome::Answer(answer));
    for _ in 0..5 {
        assert!(matches!(decide(&situation), Decision::Retry { key: KeyAction::Preserve, .. }));
        situation.history = situation.history.after(&situation);
    }
}

#[test]
fn a_limiter_that_may_follow_execution_closes_the_429_to_writes_without_a_key() {
    let policy = RetryPolicy::new();
    let mut situation = Situation::new(Effect::Write, KeyPlace::Absent, KeyKind::None, &policy, status(429));
    situation.limiter_precedes_execution = false;
    assert_eq!(decide(&situation), Decision::Fail(Stop::NotIdempotent));
    situation.history = Default::default();
    assert_eq!(situation.history.after(&situation).applied(Effect::Write), Applied::Unknown);
}

#[test]
fn the_retryable_set_decides_but_never_opens_the_last_column() {
    let policy = RetryPolicy::new();
    let decision = |outcome, retryable, key| {
        let mut situation = Situation::new(Effect::Write, key, KeyKind::ReplaySuccess, &policy, outcome);
        situation.retryable = retryable;
        situation.history = Default::default();
        situation.history = situation.history.after(&situation);
        decide(&situation)
    };
    let retried = |decision| matches!(decision, Decision::Retry { .. });
    let listed = StatusSet::of(&[404, 507]);
    assert!(retried(decision(status(404), listed, KeyPlace::Header)));
    assert!(retried(decision(status(507), listed, KeyPlace::Header)));
    assert_eq!(decision(status(404), listed, KeyPlace::Absent), Decision::Fail(Stop::Permanent));
    assert_eq!(decision(status(507), listed, KeyPlace::Absent), Decision::Fail(Stop::NotIdempotent));
    for left_out in [408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(decision(status(left_out), listed, KeyPlace::Header), Decision::Fail(Stop::Permanent), "{left_out}");
    }
}

#[test]
fn a_429_that_is_not_retried_leaves_doubt_only_where_the_limiter_may_follow_execution() {
    let policy = RetryPolicy::new();
    for number in [425, 429] {
        for (precedes, applied) in [(true, Applied::No), (false, Applied::Unknown)] {
            let mut situation =
                Situation::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy, status(number));
            situation.retryable = StatusSet::of(&[503]);
            situation.limiter_precedes_execution = precedes;
            situation.history = Default::default();
            situation.history = situation.history.after(&situation);
            assert_eq!(decide(&situation), Decision::Fail(Stop::Permanent));
            assert_eq!(situation.history.applied(Effect::Write), applied, "{number} {precedes}");
        }
    }
}

#[test]
fn a_limiter_that_may_follow_execution_leaves_doubt_in_every_column() {
    let policy = RetryPolicy::new();
    let after = |outcomes: &[Outcome], key| {
        let mut situation = Situation::new(Effect::Write, key, KeyKind::Poisoned, &policy, outcomes[0]);
        situation.limiter_precedes_execution = false;
        situation.history = Default::default();
        for outcome in outcomes {
            situation.outcome = *outcome;
            situation.history = situation.history.after(&situation);
        }
        (decide(&situation), situation.history.applied(Effect::Write))
    };
    let mut told_to_retry = Answer::new(StatusCode::TOO_MANY_REQUESTS);
    told_to_retry.retry_signal = Some(true);
    let found = after(&[Outcome::Answer(told_to_retry)], KeyPlace::Absent);
    assert_eq!(
        found,
        (Decision::Fail(Stop::NotIdempotent), Applied::Unknown),
        "a signal does not open the last column"
    );
    let (decision, applied) = after(&[status(429)], KeyPlace::Header);
    assert!(matches!(decision, Decision::Retry { key: KeyAction::Preserve, .. }) && applied == Applied::Unknown);
    let found = after(&[status(429), meaning(409, Meaning::RotateAtOnce)], KeyPlace::Header);
    assert_eq!(found, (Decision::Fail(Stop::Unverified), Applied::Unknown));
}

#[test]
fn an_answer_after_a_redirect_leaves_doubt_whatever_it_says() {
    let policy = RetryPolicy::new();
    for (number, keyed, unkeyed) in [
        (404, No(Stop::Permanent), No(Stop::Permanent)),
        (429, Preserve, No(Stop::NotIdempotent)),
        (503, Preserve, No(Stop::NotIdempotent)),
    ] {
        let mut answer = Answer::new(StatusCode::from_u16(number).unwrap());
        answer.redirected = Redirected::SameOrigin;
        for (key, expected) in [(KeyPlace::Header, keyed), (KeyPlace::Absent, unkeyed)] {
            let situation = Situation::new(Effect::Write, key, KeyKind::ReplayAll, &policy, Outcome::Answer(answer));
            let found = match decide(&situation) {
                Decision::Fail(stop) => No(stop),
                Decision::Retry { .. } => Preserve,
            };
            assert_eq!(
                (found, situation.history.applied(Effect::Write)),
                (expected, Applied::Unknown),
                "{number} {key:?}"
            );
        }
    }
}

#[test]
fn a_budget_of_nothing_allows_no_repeat_even_where_it_would_be_free() {
    let policy = RetryPolicy::new().budget(0);
    let mut situation = Situation::new(Effect::Read, KeyPlace::Absent, KeyKind::None, &policy, status(429));
    situation.window = true;
    assert_eq!(decide(&situation), Decision::Fail(Stop::Budget));
}

#[test]
fn a_repeat_costs_by_what_it_follows() {
    let policy = RetryPolicy::new();
    for (number, window, expected) in [(503, false, 14), (503, true, 14), (429, false, 5), (429, true, 0)] {
        let mut situation = Situation::new(Effect::Read, KeyPlace::Absent, KeyKind::None, &policy, status(number));
        situation.window = window;
        let Decision::Retry { cost, .. } = decide(&situation) else { panic!("{number} is retried") };
        assert_eq!(cost, expected, "{number}, window {window}");
        // All that there is may be spent, and no more.
        situation.tokens = expected;
        assert!(matches!(decide(&situation), Decision::Retry { .. }), "{number}, window {window}");
    }
}

#[test]
fn the_longest_hint_that_there_is_does_not_fit_and_does_no_harm() {
    let policy = RetryPolicy::new().hint_cap(Duration::MAX).hint_jitter(1.0, Duration::MAX);
    let mut answer = Answer::new(StatusCode::TOO_MANY_REQUESTS);
    answer.hint = Some(Duration::MAX);
    let mut situation = Situation::new(Effect::Read, KeyPlace::Absent, KeyKind::None, &policy, Outcome::Answer(answer));
    for chance in [0.0, 0.5, 1.0, 2.0] {
        situation.chance = chance;
        assert_eq!(decide(&situation), Decision::Fail(Stop::Deadline), "{chance}");
    }
}
