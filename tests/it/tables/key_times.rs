//! What time says about a key: how long it may be sent again, when it is settled, and when a verdict counts.

use std::time::Duration;

use reqwest_safe_retry::{
    Applied, Backoff, ConcurrentRequests, Effect, Failure, Jitter, KeyAction, KeyKind, Meaning, RetryPolicy,
    StopReason,
    decide::{Decision, History, KeyPlace, Moment, Outcome, ResolvedPolicy, Rules, step},
};

use super::{meaning, outcome};

const SECOND: Duration = Duration::from_secs(1);

/// Waits of half a second.
fn policy() -> ResolvedPolicy {
    let wait = Backoff::new(SECOND / 2, SECOND / 2).jitter(Jitter::None);
    RetryPolicy::new().max_attempts(9).transient(wait.clone()).throttled(wait).resolve()
}

/// A keyed write with a verifier.
fn rules(kind: KeyKind, policy: &ResolvedPolicy) -> Rules<'_> {
    let mut rules = Rules::new(Effect::Write, KeyPlace::Header, kind, policy);
    rules.has_verifier = true;
    rules
}

fn in_progress() -> Outcome {
    meaning(409, Meaning::InProgress)
}

fn lost() -> Outcome {
    Failure::Ambiguous.into()
}

/// Runs attempts that take no time; returns the last decision, its time and the history.
fn run(rules: &Rules<'_>, script: &[Outcome]) -> (Decision, Duration, History) {
    let (mut history, mut elapsed) = (History::default(), Duration::ZERO);
    for (index, outcome) in script.iter().enumerate() {
        let decision = step(rules, &mut history, outcome, Moment::new(elapsed, 1.0)).decision;
        let Decision::Retry { delay, key, .. } = decision else {
            assert_eq!(index + 1, script.len(), "the call has ended before the script: {decision:?}");
            return (decision, elapsed, history);
        };
        if index + 1 == script.len() {
            return (decision, elapsed, history);
        }
        history.begin_repeat(key);
        elapsed += delay;
    }
    unreachable!("a script is not empty")
}

fn retry(decision: &Decision) -> (KeyAction, Duration) {
    match decision {
        Decision::Retry { key, delay, .. } => (*key, *delay),
        other => panic!("{other:?}"),
    }
}

#[test]
fn conflict_that_lasts_after_an_internal_error_is_stuck() {
    let mut policy = policy();
    // The last attempt but one waits for the conflict that tells.
    policy.max_attempts = 4;
    for kind in [KeyKind::ReplaySuccess, KeyKind::ReplayAll] {
        let mut rules = rules(kind, &policy);
        rules.in_progress_for = Some(10 * SECOND);
        let script = [outcome(500), in_progress(), in_progress()];
        let (decision, elapsed, _) = run(&rules, &script[..2]);
        assert_eq!(retry(&decision), (KeyAction::Preserve, 10 * SECOND), "{kind}");
        let (decision, later, mut history) = run(&rules, &script);
        assert_eq!(later - elapsed, 10 * SECOND, "{kind}");
        assert_eq!(retry(&decision).0, KeyAction::VerifyThenRotate, "{kind}");
        assert_eq!(history.applied(Effect::Write), Applied::Unknown, "{kind}");
        history.verified_not_applied(&rules, later);
        assert_eq!(history.applied(Effect::Write), Applied::No, "{kind}");
        // Without a verifier nothing proves that it was not applied.
        rules.has_verifier = false;
        assert_eq!(run(&rules, &script).0, Decision::Fail(StopReason::Unverified), "{kind}");
    }
}

/// Those before it may find that the conflict is over.
#[test]
fn last_attempt_but_one_alone_waits_until_the_key_is_stuck() {
    let mut policy = policy();
    for (max_attempts, conflicts, wait) in [(9, 1, SECOND / 2), (5, 1, SECOND / 2), (5, 2, 10 * SECOND - SECOND / 2)] {
        policy.max_attempts = max_attempts;
        let mut rules = rules(KeyKind::ReplaySuccess, &policy);
        rules.in_progress_for = Some(10 * SECOND);
        let script = [outcome(500), in_progress(), in_progress()];
        let (decision, ..) = run(&rules, &script[..=conflicts]);
        assert_eq!(retry(&decision), (KeyAction::Preserve, wait), "{conflicts} conflicts of {max_attempts} attempts");
    }
    policy.max_attempts = 4;
    let mut rules = rules(KeyKind::ReplaySuccess, &policy);
    rules.in_progress_for = Some(10 * SECOND);
    // Without an internal error it does not get stuck.
    assert_eq!(retry(&run(&rules, &[lost(), in_progress()]).0), (KeyAction::Preserve, SECOND / 2));
    // It would be stuck when the deadline has passed.
    rules.in_progress_for = Some(policy.deadline - SECOND / 2);
    assert_eq!(retry(&run(&rules, &[outcome(500), in_progress()]).0), (KeyAction::Preserve, SECOND / 2));
}

/// The conflict may just as well be about a request that was not answered.
#[test]
fn key_is_not_stuck_while_a_request_may_be_executing() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplaySuccess, &policy);
    rules.in_progress_for = Some(Duration::ZERO);
    for script in [
        [outcome(500), outcome(504), in_progress(), in_progress()],
        [lost(), outcome(500), in_progress(), in_progress()],
    ] {
        let (decision, at, mut history) = run(&rules, &script);
        assert_eq!(retry(&decision).0, KeyAction::Preserve, "{script:?}");
        history.verified_not_applied(&rules, at);
        assert_eq!(history.applied(Effect::Write), Applied::Unknown, "{script:?}");
    }
    // Once that is over it is.
    rules.longest_execution = Some(SECOND);
    let script = [outcome(504), outcome(500), in_progress()];
    assert_eq!(retry(&run(&rules, &script).0).0, KeyAction::VerifyThenRotate);
    // A conflict about the used key of another process is no proof either.
    let mut history = History::of_used_key();
    rules.longest_execution = None;
    for outcome in [outcome(500), in_progress(), in_progress()] {
        let decision = step(&rules, &mut history, &outcome, Moment::new(SECOND, 1.0)).decision;
        assert_eq!(retry(&decision).0, KeyAction::Preserve);
    }
}

/// The service asks for a repeat after a status that leaves open whether the request is executing.
#[test]
fn repeated_final_status_does_not_settle_the_key() {
    let policy = policy();
    for (kind, errors) in [(KeyKind::ReplayAll, 2), (KeyKind::InvalidatedByError, 1)] {
        for number in [501, 520, 505, 599, 499] {
            let rules = rules(kind, &policy);
            let mut first = super::status(number);
            first.retry_signal = Some(true);
            let script: Vec<_> = std::iter::once(first.into()).chain((0..errors).map(|_| outcome(500))).collect();
            let (decision, at, mut history) = run(&rules, &script);
            assert!(!matches!(decision, Decision::Retry { key: KeyAction::VerifyThenRotate, .. }), "{kind} {number}");
            history.verified_not_applied(&rules, at);
            assert_eq!(history.applied(Effect::Write), Applied::Unknown, "{kind} {number}");
        }
    }
}

#[test]
fn only_an_unbroken_run_of_conflicts_makes_a_key_stuck() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplaySuccess, &policy);
    let preserved = |rules: &Rules<'_>, script: &[Outcome]| retry(&run(rules, script).0).0 == KeyAction::Preserve;
    // Nothing says how long it may go on.
    assert!(preserved(&rules, &[outcome(500), in_progress(), in_progress(), in_progress()]));
    rules.in_progress_for = Some(SECOND * 3 / 4);
    // No internal error: the first request may still be executing.
    assert!(preserved(&rules, &[lost(), in_progress(), in_progress(), in_progress()]));
    // The first request is over by now, but it may have been executed: the key is not stuck.
    rules.longest_execution = Some(Duration::ZERO);
    assert!(preserved(&rules, &[lost(), in_progress(), in_progress(), in_progress()]));
    rules.longest_execution = None;
    // Something else was executed between two conflicts.
    assert!(preserved(&rules, &[outcome(500), in_progress(), outcome(503), in_progress()]));
    // A refusal says nothing about the key.
    assert!(!preserved(&rules, &[outcome(500), in_progress(), outcome(429), in_progress()]));
    // It does not fit into the deadline: the conflict may still end.
    rules.in_progress_for = Some(24 * 3600 * SECOND);
    assert_eq!(retry(&run(&rules, &[outcome(500), in_progress()]).0), (KeyAction::Preserve, SECOND / 2));
}

#[test]
fn unanswered_attempt_is_over_after_the_longest_execution() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplayAll, &policy);
    let script = [lost(), outcome(500), outcome(500)];
    assert_eq!(run(&rules, &script).0, Decision::Fail(StopReason::Unverified));
    rules.longest_execution = Some(30 * SECOND);
    // The third attempt began after one second: both it and the lost one are over 30 s later.
    let (decision, elapsed, mut history) = run(&rules, &script);
    assert_eq!((retry(&decision), elapsed), ((KeyAction::VerifyThenRotate, 30 * SECOND), SECOND));
    assert_eq!(history.settled_from(&rules), Some(30 * SECOND));
    for (asked, expected) in [(29 * SECOND, Applied::Unknown), (30 * SECOND, Applied::No)] {
        history.verified_not_applied(&rules, asked);
        assert_eq!(history.applied(Effect::Write), expected, "{asked:?}");
    }
    rules.longest_execution = Some(119 * SECOND);
    assert_eq!(run(&rules, &script).0, Decision::Fail(StopReason::DeadlineExceeded));
}

/// One error may be of any of the attempts: two are of the same stored one.
#[test]
fn one_internal_error_does_not_settle_a_key_that_may_be_executing() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplayAll, &policy);
    rules.longest_execution = Some(30 * SECOND);
    let (_, _, history) = run(&rules, &[lost(), outcome(500)]);
    assert_eq!(history.settled_from(&rules), None);
}

#[test]
fn history_says_what_may_be_running_and_whether_the_key_was_replaced() {
    let policy = policy();
    let rules = rules(KeyKind::ReplayAll, &policy);
    for (outcome, may_be_running) in [(lost(), true), (in_progress(), true), (outcome(500), false)] {
        let (_, _, mut history) = run(&rules, std::slice::from_ref(&outcome));
        assert_eq!(history.may_be_running(), may_be_running, "{outcome:?}");
        history.begin_repeat(KeyAction::Preserve);
        assert!(!history.has_rotated());
        history.begin_repeat(KeyAction::VerifyThenRotate);
        assert!(history.has_rotated() && !history.may_be_running());
    }
}

#[test]
fn key_is_not_used_beside_a_request_that_is_executed_too() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplaySuccess, &policy);
    rules.concurrent_requests = ConcurrentRequests::Executed;
    for script in [lost(), outcome(504), in_progress()].map(|outcome| [outcome]) {
        rules.longest_execution = None;
        assert_eq!(run(&rules, &script).0, Decision::Fail(StopReason::NotIdempotent), "{script:?}");
        rules.longest_execution = Some(20 * SECOND);
        assert_eq!(retry(&run(&rules, &script).0), (KeyAction::Preserve, 20 * SECOND), "{script:?}");
        // An idempotent request needs no key.
        rules.effect = Effect::Idempotent;
        assert_eq!(retry(&run(&rules, &script).0).1, SECOND / 2);
        rules.effect = Effect::Write;
    }
    // Nothing is executing.
    assert_eq!(retry(&run(&rules, &[outcome(500)]).0), (KeyAction::Preserve, SECOND / 2));
    assert_eq!(retry(&run(&rules, &[outcome(429)]).0), (KeyAction::Preserve, SECOND / 2));
}

#[test]
fn forgotten_key_is_not_sent_again() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplaySuccess, &policy);
    rules.key_lifetime = Some(60 * SECOND);
    let decide = |rules: &Rules<'_>, outcome: &Outcome, age| {
        let mut moment = Moment::new(SECOND, 1.0);
        moment.key_age = age;
        step(rules, &mut History::default(), outcome, moment).decision
    };
    let (fresh, old) = (59 * SECOND, 60 * SECOND - SECOND / 2);
    for failed in [lost(), outcome(503), outcome(429), Failure::NotSent.into()] {
        assert!(matches!(decide(&rules, &failed, fresh), Decision::Retry { .. }), "{failed:?}");
        assert_eq!(decide(&rules, &failed, old), Decision::Fail(StopReason::KeyExpired), "{failed:?}");
        assert_eq!(decide(&rules, &failed, Duration::MAX), Decision::Fail(StopReason::KeyExpired), "{failed:?}");
    }
    // The hint ends after the key's time.
    let mut hinted = super::status(503);
    hinted.retry_after = Some(30 * SECOND);
    assert_eq!(decide(&rules, &hinted.into(), 40 * SECOND), Decision::Fail(StopReason::KeyExpired));
    // A repeat that does nothing more needs no key, and no time is known of others.
    rules.effect = Effect::Idempotent;
    assert!(matches!(decide(&rules, &lost(), Duration::MAX), Decision::Retry { .. }));
    (rules.effect, rules.key_lifetime) = (Effect::Write, None);
    assert!(matches!(decide(&rules, &lost(), Duration::MAX), Decision::Retry { .. }));
}

#[test]
fn used_key_starts_in_doubt() {
    let policy = policy();
    let mut rules = rules(KeyKind::ReplayAll, &policy);
    let end = |rules: &Rules<'_>, script: &[Outcome]| {
        let mut history = History::of_used_key();
        for outcome in script {
            let _ = step(rules, &mut history, outcome, Moment::default());
        }
        history.verified_not_applied(rules, SECOND);
        history.applied(Effect::Write)
    };
    assert_eq!(end(&rules, &[]), Applied::Unknown);
    assert_eq!(end(&rules, &[outcome(404)]), Applied::Unknown, "about this request alone");
    assert_eq!(end(&rules, &[outcome(500), outcome(500)]), Applied::Unknown, "the earlier one may be executing");
    rules.longest_execution = Some(SECOND);
    assert_eq!(end(&rules, &[outcome(500), outcome(500)]), Applied::No);
    for (number, expected) in [(404, Applied::No), (429, Applied::Unknown)] {
        let mut stored = super::status(number);
        stored.replayed = true;
        rules.has_verifier = false;
        let mut history = History::of_used_key();
        let _ = step(&rules, &mut history, &stored.into(), Moment::default());
        assert_eq!(history.applied(Effect::Write), expected, "a rate limiter stores nothing: {number}");
    }
}
