//! "May it be sent again?": one row for each line of the table in the documentation, and what changes a line.

use std::time::Duration;

use reqwest_safe_retry::{
    Applied, Effect, Failure, KeyAction, KeyKind, Meaning, Redirect, RetryPolicy, StatusSet, StopReason,
    decide::{Decision, History, KeyPlace, Moment, Outcome, OutcomeClass, Rules, Step, WaitSource, step},
};

use self::Expected::{No, Preserve, Rotate};
use super::{meaning, outcome, status};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Preserve,
    Rotate,
    No(StopReason),
}

struct Row {
    outcome: Outcome,
    after_504: bool,
    class: OutcomeClass,
    /// Whether this attempt may have been executed.
    may_have_executed: bool,
    repeatable: Expected,
    keyed: Expected,
    unkeyed: Expected,
}

fn row(outcome: impl Into<Outcome>, class: OutcomeClass, may_have_executed: bool, expected: [Expected; 3]) -> Row {
    let [repeatable, keyed, unkeyed] = expected;
    Row { outcome: outcome.into(), after_504: false, class, may_have_executed, repeatable, keyed, unkeyed }
}

fn retried_rows() -> Vec<Row> {
    const ANY: [Expected; 3] = [Preserve; 3];
    const WITH_KEY: [Expected; 3] = [Preserve, Preserve, No(StopReason::NotIdempotent)];
    use OutcomeClass::{EarlierAttemptRunning, Gateway, InProgress, Internal, NoResponse, NotSent, Throttled};
    let mut rows = vec![
        row(Failure::NotSent, NotSent, false, ANY),
        row(Failure::NotProcessed, NotSent, false, ANY),
        row(outcome(429), Throttled, false, ANY),
        row(outcome(425), Throttled, false, ANY),
        row(Failure::Ambiguous, NoResponse, true, WITH_KEY),
        row(outcome(408), NoResponse, true, WITH_KEY),
        row(meaning(409, Meaning::InProgress), InProgress, true, WITH_KEY),
        row(outcome(502), Gateway, true, WITH_KEY),
        row(outcome(503), Gateway, true, WITH_KEY),
        row(outcome(504), Gateway, true, WITH_KEY),
        // The probe, if the write has a key.
        row(outcome(500), Internal, true, WITH_KEY),
    ];
    rows.push(Row { after_504: true, ..row(outcome(409), EarlierAttemptRunning, true, WITH_KEY) });
    rows
}

fn final_rows() -> Vec<Row> {
    const PERMANENT: [Expected; 3] = [No(StopReason::Permanent); 3];
    let last = |outcome: Outcome, executed| {
        row(outcome, OutcomeClass::Final { may_have_executed: executed }, executed, PERMANENT)
    };
    let mut rows = vec![
        last(outcome(501), true),
        last(outcome(505), true),
        // Not in the set of retryable statuses.
        last(outcome(507), true),
        last(outcome(520), true),
        last(outcome(599), true),
        // Nobody knows what became of the request.
        last(outcome(424), true),
        last(outcome(499), true),
        // No final status of HTTP.
        last(outcome(101), true),
        last(outcome(199), true),
        last(outcome(600), true),
        last(outcome(999), true),
        // At the first attempt.
        last(outcome(409), false),
        last(meaning(422, Meaning::PayloadMismatch), false),
        last(meaning(409, Meaning::AlreadyExists), false),
        last(Failure::Tls.into(), false),
        last(Failure::InvalidRequest.into(), false),
        last(Failure::RedirectLoop.into(), true),
        last(Failure::Middleware.into(), true),
    ];
    for other in [400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 418, 421, 422, 423, 426, 431, 451] {
        rows.push(last(outcome(other), false));
    }
    rows
}

fn rotating_rows() -> Vec<Row> {
    let (not_applied, invalidated) = (meaning(409, Meaning::NotApplied), meaning(400, Meaning::KeyInvalidated));
    let permanent = No(StopReason::Permanent);
    vec![
        row(not_applied, OutcomeClass::NotApplied, false, [Rotate, Rotate, permanent]),
        row(invalidated, OutcomeClass::KeyInvalidated, false, [Rotate, No(StopReason::Unverified), permanent]),
    ]
}

/// The decision after the row's outcome, as in the columns of the table; and the class that leads to it.
fn decision(row: &Row, effect: Effect, key: KeyPlace) -> (Expected, OutcomeClass, Applied) {
    let policy = RetryPolicy::new().resolve();
    let rules = Rules::new(effect, key, KeyKind::ReplayAll, &policy);
    let mut history = History::default();
    if row.after_504 {
        let _ = step(&rules, &mut history, &outcome(504), Moment::default());
        history.begin_repeat(KeyAction::Preserve);
    }
    let Step { class, decision, .. } = step(&rules, &mut history, &row.outcome, Moment::default());
    let expected = match decision {
        Decision::Retry { key: KeyAction::Preserve, .. } => Preserve,
        Decision::Retry { key: KeyAction::Rotate, .. } => Rotate,
        Decision::Fail(stop) => No(stop),
        other => panic!("{:?}: {other:?}, and there is no verifier", row.outcome),
    };
    (expected, class, history.applied(effect))
}

#[test]
fn every_row_holds_in_every_column() {
    for row in retried_rows().into_iter().chain(final_rows()).chain(rotating_rows()) {
        // What is said about a key is an ordinary refusal without one.
        let about_key = matches!(row.class, OutcomeClass::KeyInvalidated | OutcomeClass::NotApplied);
        for effect in [Effect::Read, Effect::Idempotent, Effect::Deduplicated] {
            let key = if about_key { KeyPlace::Header } else { KeyPlace::Absent };
            let in_doubt = row.may_have_executed && effect != Effect::Read;
            let applied = if in_doubt { Applied::Unknown } else { Applied::No };
            assert_eq!(
                decision(&row, effect, key),
                (row.repeatable, row.class, applied),
                "{:?} {effect:?}",
                row.outcome
            );
        }
        let (found, class, applied) = decision(&row, Effect::Write, KeyPlace::Header);
        assert_eq!((found, class), (row.keyed, row.class), "{:?} keyed write", row.outcome);
        assert_eq!(applied == Applied::Unknown, row.may_have_executed, "{:?} keyed write", row.outcome);
        let (found, ..) = decision(&row, Effect::Write, KeyPlace::Absent);
        assert_eq!(found, row.unkeyed, "{:?} un-keyed write", row.outcome);
    }
}

/// The decision and the history after these outcomes, each sent with the same key.
fn after(rules: &Rules<'_>, outcomes: &[Outcome]) -> (Decision, Applied) {
    let mut history = History::default();
    let mut decision = None;
    for outcome in outcomes {
        decision = Some(step(rules, &mut history, outcome, Moment::default()).decision);
        history.begin_repeat(KeyAction::Preserve);
    }
    (decision.expect("an outcome"), history.applied(rules.effect))
}

fn is_same_key(decision: &Decision) -> bool {
    matches!(decision, Decision::Retry { key: KeyAction::Preserve, .. })
}

#[test]
fn retry_signal_beats_the_table() {
    let policy = RetryPolicy::new().resolve();
    for number in [400, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 505] {
        for (effect, key) in
            [(Effect::Read, KeyPlace::Absent), (Effect::Write, KeyPlace::Header), (Effect::Write, KeyPlace::Absent)]
        {
            let rules = Rules::new(effect, key, KeyKind::ReplayAll, &policy);
            let with_signal = |signal| {
                let mut response = status(number);
                response.retry_signal = Some(signal);
                after(&rules, &[response.into()]).0
            };
            assert_eq!(with_signal(false), Decision::Fail(StopReason::Permanent), "{number} {effect:?}");
            let told_to_retry = with_signal(true);
            // It never opens the last column.
            let unkeyed = (effect, key) == (Effect::Write, KeyPlace::Absent);
            match number {
                408 | 500 | 502..=504 if unkeyed => {
                    assert_eq!(told_to_retry, Decision::Fail(StopReason::NotIdempotent), "{number}");
                }
                429 | 425 => assert!(is_same_key(&told_to_retry), "{number} {effect:?} {key:?}: {told_to_retry:?}"),
                _ if unkeyed => assert_eq!(told_to_retry, Decision::Fail(StopReason::Permanent), "{number}"),
                _ => assert!(is_same_key(&told_to_retry), "{number} {effect:?} {key:?}: {told_to_retry:?}"),
            }
        }
    }
}

#[test]
fn retry_signal_skips_the_ladder() {
    let policy = RetryPolicy::new().max_attempts(9).resolve();
    let rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
    let mut response = status(500);
    response.retry_signal = Some(true);
    for attempts in 1..=6 {
        let (decision, _) = after(&rules, &vec![response.clone().into(); attempts]);
        assert!(is_same_key(&decision), "after {attempts}: {decision:?}");
    }
}

#[test]
fn late_limiter_stops_unkeyed_write() {
    let policy = RetryPolicy::new().resolve();
    let mut rules = Rules::new(Effect::Write, KeyPlace::Absent, KeyKind::Unsupported, &policy);
    rules.limiter_precedes_execution = false;
    let stopped = (Decision::Fail(StopReason::NotIdempotent), Applied::Unknown);
    assert_eq!(after(&rules, &[outcome(429)]), stopped);
    // A signal does not open the last column.
    let mut response = status(429);
    response.retry_signal = Some(true);
    assert_eq!(after(&rules, &[response.into()]), stopped);
}

#[test]
fn late_limiter_leaves_keyed_write_in_doubt() {
    let policy = RetryPolicy::new().resolve();
    let mut rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::InvalidatedByError, &policy);
    rules.limiter_precedes_execution = false;
    let (decision, applied) = after(&rules, &[outcome(429)]);
    assert!(is_same_key(&decision) && applied == Applied::Unknown, "{decision:?} {applied:?}");
    let found = after(&rules, &[outcome(429), meaning(409, Meaning::NotApplied)]);
    assert_eq!(found, (Decision::Fail(StopReason::Unverified), Applied::Unknown));
}

#[test]
fn unlisted_429_is_in_doubt_after_late_limiter() {
    let policy = RetryPolicy::new().resolve();
    for number in [425, 429] {
        for (precedes, applied) in [(true, Applied::No), (false, Applied::Unknown)] {
            let mut rules = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
            rules.retryable = StatusSet::of(&[503]);
            rules.limiter_precedes_execution = precedes;
            let found = after(&rules, &[outcome(number)]);
            assert_eq!(found, (Decision::Fail(StopReason::Permanent), applied), "{number}, precedes {precedes}");
        }
    }
}

#[test]
fn retryable_set_decides() {
    let policy = RetryPolicy::new().resolve();
    let decision = |number, key| {
        let mut rules = Rules::new(Effect::Write, key, KeyKind::ReplaySuccess, &policy);
        rules.retryable = StatusSet::of(&[404, 507]);
        after(&rules, &[outcome(number)]).0
    };
    assert!(is_same_key(&decision(404, KeyPlace::Header)));
    assert!(is_same_key(&decision(507, KeyPlace::Header)));
    // The last column stays closed.
    assert_eq!(decision(404, KeyPlace::Absent), Decision::Fail(StopReason::Permanent));
    assert_eq!(decision(507, KeyPlace::Absent), Decision::Fail(StopReason::NotIdempotent));
    for left_out in [408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(decision(left_out, KeyPlace::Header), Decision::Fail(StopReason::Permanent), "{left_out}");
    }
}

#[test]
fn redirected_response_leaves_doubt() {
    let policy = RetryPolicy::new().resolve();
    for number in [404, 429, 503] {
        let mut response = status(number);
        response.redirect = Redirect::SameOrigin;
        for key in [KeyPlace::Header, KeyPlace::Absent] {
            let rules = Rules::new(Effect::Write, key, KeyKind::ReplayAll, &policy);
            let found = after(&rules, &[response.clone().into()]);
            let expected = (Decision::Fail(StopReason::Permanent), Applied::Unknown);
            assert_eq!(found, expected, "{number} {key:?}");
        }
    }
}

#[test]
fn cost_follows_the_outcome() {
    let policy = RetryPolicy::new().resolve();
    for (number, adaptive_limit, expected) in
        [(503, false, 14), (503, true, 14), (425, false, 14), (429, false, 5), (429, true, 0)]
    {
        let mut rules = Rules::new(Effect::Read, KeyPlace::Absent, KeyKind::Unsupported, &policy);
        rules.adaptive_limit = adaptive_limit;
        let (Decision::Retry { cost, .. }, _) = after(&rules, &[outcome(number)]) else {
            panic!("{number} is retried")
        };
        assert_eq!(cost, expected, "{number}, adaptive limit {adaptive_limit}");
    }
}

/// A refused probe does not count as an attempt of its call, unless the call has no other.
#[test]
fn refused_probe_is_no_attempt_of_its_call() {
    for (max_attempts, expected) in [(5, 0), (1, 1)] {
        let policy = RetryPolicy::new().max_attempts(max_attempts).resolve();
        let rules = Rules::new(Effect::Read, KeyPlace::Absent, KeyKind::Unsupported, &policy);
        let mut history = History::default();
        let mut moment = Moment::default();
        moment.is_probe = true;
        let _ = step(&rules, &mut history, &outcome(429), moment);
        assert_eq!(history.attempts(), expected, "of {max_attempts}");
    }
}

/// A service may say with 429 that it is down.
#[test]
fn rule_decides_whether_a_429_is_about_the_load() {
    let policy = RetryPolicy::new().resolve();
    for (meaning, cost) in [(Meaning::Throttled, 5), (Meaning::Unavailable, 14)] {
        let rules = Rules::new(Effect::Read, KeyPlace::Absent, KeyKind::Unsupported, &policy);
        let (Decision::Retry { cost: found, .. }, _) = after(&rules, &[super::meaning(429, meaning)]) else {
            panic!("{meaning:?} is retried")
        };
        assert_eq!(found, cost, "{meaning:?}");
    }
}

#[test]
fn adaptive_limit_keeps_throttled_waits_short() {
    let policy = RetryPolicy::new().resolve();
    for (adaptive_limit, expected) in [(false, [1, 2]), (true, [1, 1])] {
        let mut rules = Rules::new(Effect::Read, KeyPlace::Absent, KeyKind::Unsupported, &policy);
        rules.adaptive_limit = adaptive_limit;
        for (repeats, seconds) in expected.into_iter().enumerate() {
            let (decision, _) = after(&rules, &vec![outcome(429); repeats + 1]);
            let Decision::Retry { delay, source, .. } = decision else { panic!("{decision:?}") };
            let expected = (Duration::from_secs(seconds), WaitSource::Backoff);
            assert_eq!((delay, source), expected, "adaptive limit {adaptive_limit}, after {repeats} repeats");
        }
    }
}

#[test]
fn hint_is_named_where_it_is_longer() {
    let policy = RetryPolicy::new().retry_after_jitter(0.0, Duration::ZERO).resolve();
    let rules = Rules::new(Effect::Read, KeyPlace::Absent, KeyKind::Unsupported, &policy);
    let own = Duration::from_secs(1);
    let longer = own + Duration::from_millis(1);
    for (hint, expected) in [
        (Duration::ZERO, (own, WaitSource::Backoff)),
        (own, (own, WaitSource::Backoff)),
        (longer, (longer, WaitSource::RetryAfter)),
    ] {
        let mut response = status(429);
        response.retry_after = Some(hint);
        let (decision, _) = after(&rules, &[response.into()]);
        let Decision::Retry { delay, source, .. } = decision else { panic!("{decision:?}") };
        assert_eq!((delay, source), expected);
    }
}

#[test]
fn longest_hint_does_not_overflow() {
    let policy = RetryPolicy::new().max_retry_after(Duration::MAX).retry_after_jitter(1.0, Duration::MAX).resolve();
    let rules = Rules::new(Effect::Read, KeyPlace::Absent, KeyKind::Unsupported, &policy);
    let mut response = status(429);
    response.retry_after = Some(Duration::MAX);
    for sample in [0.0, 0.5, 1.0, 2.0] {
        let moment = Moment::new(Duration::ZERO, sample);
        let step = step(&rules, &mut History::default(), &response.clone().into(), moment);
        assert_eq!(step.decision, Decision::Fail(StopReason::DeadlineExceeded), "{sample}");
    }
}
