//! The key ladder: what becomes of the key after a 5xx, by what the service stores.

use std::time::Duration;

use reqwest_safe_retry::{
    Applied, Effect, Failure, KeyAction,
    KeyKind::{self, InvalidatedByError, ReplayAll, ReplaySuccess, ResourceKey, Signalled},
    Meaning, Probe, Redirect, RetryPolicy, StatusSet, StopReason,
    decide::{Decision, History, KeyPlace, Moment, Outcome, Rules, step},
};

use self::Short::{
    Conflict, Duplicate, InProgress, KeyInvalidated, Lost, NotApplied, NotSent, Replayed, Status, Transient,
};
use super::{meaning, outcome, status};

/// An outcome in short.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Short {
    Status(u16),
    Replayed(u16),
    Transient(u16),
    Lost,
    NotSent,
    Conflict,
    InProgress,
    Duplicate,
    KeyInvalidated,
    NotApplied,
}

impl Short {
    fn outcome(self) -> Outcome {
        match self {
            Status(number) => outcome(number),
            Replayed(number) => {
                let mut response = status(number);
                response.replayed = true;
                response.into()
            }
            Transient(number) => {
                let mut response = status(number);
                response.transient = true;
                response.into()
            }
            Lost => Failure::Ambiguous.into(),
            NotSent => Failure::NotSent.into(),
            Conflict => outcome(409),
            InProgress => meaning(409, Meaning::InProgress),
            Duplicate => meaning(409, Meaning::AlreadyExists),
            KeyInvalidated => meaning(400, Meaning::KeyInvalidated),
            NotApplied => meaning(409, Meaning::NotApplied),
        }
    }
}

/// The steps of a call in short: `=` preserve, `+` rotate, `?` verify and rotate; then why it stops, and whether the write
/// took effect. The verifier, if there is one, says that it did not.
fn climb(rules: &Rules<'_>, script: &[Short]) -> (String, Option<StopReason>, Applied) {
    let mut history = History::default();
    let mut steps = String::new();
    for short in script {
        let decision = step(rules, &mut history, &short.outcome(), Moment::default()).decision;
        let key = match decision {
            Decision::Retry { key, .. } => key,
            Decision::Fail(stop) => return (steps, Some(stop), history.applied(rules.effect)),
            other => panic!("{other:?}"),
        };
        match key {
            KeyAction::Preserve => steps.push('='),
            KeyAction::Rotate => steps.push('+'),
            KeyAction::VerifyThenRotate => {
                steps.push('?');
                history.verified_not_applied(rules, Duration::ZERO);
            }
            other => panic!("{other:?}"),
        }
        history.begin_repeat(key);
    }
    (steps, None, history.applied(rules.effect))
}

/// The same, by the rules of such a service.
pub(crate) fn ladder(
    kind: KeyKind,
    effect: Effect,
    has_verifier: bool,
    script: &[Short],
) -> (String, Option<StopReason>, Applied) {
    let policy = RetryPolicy::new().max_attempts(6).resolve();
    let mut rules = Rules::new(effect, KeyPlace::Header, kind, &policy);
    rules.has_verifier = has_verifier;
    rules.retryable = StatusSet::DEFAULT.with(506..=599);
    climb(&rules, script)
}

/// Kind, whether there is a verifier, the outcomes; the steps, why they end, whether the write took effect.
type Climb = (KeyKind, bool, &'static [Short], &'static str, Option<StopReason>, Applied);

const UNVERIFIED: Option<StopReason> = Some(StopReason::Unverified);
const PERMANENT: Option<StopReason> = Some(StopReason::Permanent);

#[rustfmt::skip]
const CLIMBS: &[Climb] = &[
    // Only successes are stored: the same key executes again, a new one would double.
    (ReplaySuccess, true,  &[Status(500), Status(500), Status(500)], "===", None, Applied::Unknown),
    // The first result is stored: one probe, then only a verdict helps.
    (ReplayAll, false, &[Status(500), Status(500)], "=", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Status(500), Status(500)], "=?", None, Applied::No),
    (ReplayAll, true,  &[Status(500), Status(429), Status(500)], "==?", None, Applied::No),
    (ReplayAll, true,  &[NotSent, Status(500), Status(425), Status(500)], "===?", None, Applied::No),
    (ReplayAll, true,  &[Status(500), Status(503), Status(500)], "==", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Lost, Status(500), Status(500)], "==", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Status(408), Status(500), Status(500)], "==", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[InProgress, Status(500), Status(500)], "==", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Status(504), Conflict, Status(500), Status(500)], "===", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Status(500), Status(500), Status(500)], "=?", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Status(500), Status(500), Status(503), Status(500)], "=?=", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Status(500), Status(500), Status(404)], "=?", PERMANENT, Applied::No),
    // A marked replay settles the key, and skips the probe.
    (ReplayAll, false, &[Replayed(500)], "", UNVERIFIED, Applied::Unknown),
    (ReplayAll, true,  &[Replayed(500)], "?", None, Applied::No),
    (ReplayAll, true,  &[Lost, Replayed(500)], "=?", None, Applied::No),
    (ReplayAll, false, &[Lost, Replayed(404)], "=", PERMANENT, Applied::No),
    (ReplayAll, false, &[Lost, Status(404)], "=", PERMANENT, Applied::Unknown),
    (ReplayAll, false, &[Lost, Replayed(409)], "=", PERMANENT, Applied::No),
    // Network ambiguity and gateways never rotate.
    (ReplayAll, true,  &[Lost, Lost, Status(502), Status(503), Status(504)], "=====", None, Applied::Unknown),
    (ReplayAll, true,  &[Status(524), Status(524), Status(524)], "===", None, Applied::Unknown),
    (ReplayAll, true,  &[Status(507), Status(511), Status(509), Status(530)], "====", None, Applied::Unknown),
    (ReplayAll, true,  &[Status(599), Status(500), Status(500)], "==", UNVERIFIED, Applied::Unknown),
    // A header says whether the error was stored.
    (Signalled, true,  &[Transient(500), Transient(502), Status(500)], "==", PERMANENT, Applied::Unknown),
    (Signalled, true,  &[Status(500)], "", PERMANENT, Applied::Unknown),
    (Signalled, true,  &[Status(503), Status(524), Status(500)], "==", PERMANENT, Applied::Unknown),
    (Signalled, true,  &[Lost, Status(429), InProgress], "===", None, Applied::Unknown),
    // An internal error makes the key unusable, and settles it unless another attempt may still be executing.
    (InvalidatedByError, false, &[Status(500)], "", UNVERIFIED, Applied::Unknown),
    (InvalidatedByError, true,  &[Status(500)], "?", None, Applied::No),
    (InvalidatedByError, true,  &[Status(500), Status(500)], "?", UNVERIFIED, Applied::Unknown),
    (InvalidatedByError, true,  &[Status(598), Status(598)], "==", None, Applied::Unknown),
    (InvalidatedByError, true,  &[Lost, Status(500), Status(500)], "==", UNVERIFIED, Applied::Unknown),
    (InvalidatedByError, true,  &[Lost, Status(500), KeyInvalidated], "==?", None, Applied::No),
    (InvalidatedByError, true,  &[Status(503), KeyInvalidated], "=?", None, Applied::No),
    (InvalidatedByError, false, &[Lost, KeyInvalidated], "=", UNVERIFIED, Applied::Unknown),
    (InvalidatedByError, false, &[KeyInvalidated], "", UNVERIFIED, Applied::No),
    // An answer that proves no effect rotates at once, unless an attempt before it is still in doubt.
    (InvalidatedByError, false, &[NotApplied], "+", None, Applied::No),
    (InvalidatedByError, false, &[NotApplied, NotApplied], "+", UNVERIFIED, Applied::No),
    (InvalidatedByError, false, &[Lost, NotApplied], "=", UNVERIFIED, Applied::Unknown),
    (InvalidatedByError, true,  &[Lost, NotApplied], "=", UNVERIFIED, Applied::Unknown),
    // The key is an attribute of what was created: a duplicate says nothing new.
    (ResourceKey, true, &[Status(500), Status(500), Duplicate], "==", PERMANENT, Applied::Unknown),
    (ResourceKey, true, &[Duplicate], "", PERMANENT, Applied::No),
    // A duplicate may be this call's own, or somebody else's.
    (ReplayAll, false, &[Status(500), Duplicate], "=", PERMANENT, Applied::Unknown),
    (ReplayAll, false, &[Status(522), Duplicate], "=", PERMANENT, Applied::Unknown),
    (ReplayAll, false, &[Lost, Duplicate], "=", PERMANENT, Applied::Unknown),
    (ReplayAll, false, &[Status(504), Duplicate], "=", PERMANENT, Applied::Unknown),
    (ReplayAll, false, &[Status(429), Duplicate], "=", PERMANENT, Applied::No),
];

#[test]
fn write_climbs_the_ladder_of_its_service() {
    for (kind, has_verifier, script, steps, stop, applied) in CLIMBS {
        let found = ladder(*kind, Effect::Write, *has_verifier, script);
        assert_eq!(found, ((*steps).to_owned(), *stop, *applied), "{kind:?}, verifier {has_verifier}: {script:?}");
    }
}

#[test]
fn repeatable_operation_rotates_without_verdict() {
    for effect in [Effect::Idempotent, Effect::Deduplicated] {
        let found = ladder(ReplayAll, effect, false, &[Status(500), Status(500)]);
        assert_eq!(found, ("=+".to_owned(), None, Applied::Unknown), "{effect:?}");
        let found = ladder(ReplayAll, effect, true, &[Status(500), Status(500), Status(500)]);
        assert_eq!(found, ("=+".to_owned(), UNVERIFIED, Applied::Unknown), "{effect:?}");
        let (steps, ..) = ladder(InvalidatedByError, effect, false, &[Status(500)]);
        assert_eq!(steps, "+", "{effect:?}");
    }
}

#[test]
fn claimed_effect_needs_a_verdict() {
    let policy = RetryPolicy::new().resolve();
    for effect in [Effect::Idempotent, Effect::Deduplicated] {
        let mut rules = Rules::new(effect, KeyPlace::Header, InvalidatedByError, &policy);
        rules.effect_is_documented = false;
        assert_eq!(climb(&rules, &[Status(500)]), (String::new(), UNVERIFIED, Applied::Unknown), "{effect:?}");
        rules.has_verifier = true;
        assert_eq!(climb(&rules, &[Status(500)]).0, "?", "{effect:?}");
    }
}

#[test]
fn body_key_is_never_rotated() {
    let policy = RetryPolicy::new().resolve();
    for effect in [Effect::Write, Effect::Idempotent] {
        let mut rules = Rules::new(effect, KeyPlace::Body, InvalidatedByError, &policy);
        rules.has_verifier = true;
        for script in [Status(500), NotApplied, KeyInvalidated] {
            let (steps, stop, _) = climb(&rules, &[script]);
            assert_eq!((steps.as_str(), stop), ("", UNVERIFIED), "{effect:?} {script:?}");
        }
    }
}

/// The history after these outcomes under one key.
fn history_of(rules: &Rules<'_>, script: &[Short]) -> History {
    let mut history = History::default();
    extend(&mut history, rules, script);
    history
}

fn extend(history: &mut History, rules: &Rules<'_>, script: &[Short]) {
    for short in script {
        let _ = step(rules, history, &short.outcome(), Moment::default());
    }
}

/// What a call would say if the verifier now said "not applied".
fn verified(history: &History, rules: &Rules<'_>) -> Applied {
    let mut history = history.clone();
    history.verified_not_applied(rules, Duration::ZERO);
    history.applied(rules.effect)
}

#[test]
fn verdict_counts_on_settled_key_only() {
    let policy = RetryPolicy::new().resolve();
    let rules = Rules::new(Effect::Write, KeyPlace::Header, ReplayAll, &policy);
    assert_eq!(verified(&history_of(&rules, &[Lost]), &rules), Applied::Unknown);
    let settled = history_of(&rules, &[Replayed(500)]);
    assert!(settled.settled_from(&rules) == Some(Duration::ZERO));
    assert_eq!(verified(&settled, &rules), Applied::No);
    // Without a key nothing is settled.
    let unkeyed = Rules::new(Effect::Write, KeyPlace::Absent, ReplayAll, &policy);
    assert_eq!(verified(&settled, &unkeyed), Applied::Unknown);
}

#[test]
fn unsettled_key_spoils_later_verdicts() {
    let policy = RetryPolicy::new().resolve();
    let rules = Rules::new(Effect::Idempotent, KeyPlace::Header, ReplayAll, &policy);
    // An attempt under the replaced key may still be executing.
    let mut history = history_of(&rules, &[Lost]);
    history.begin_repeat(KeyAction::Rotate);
    extend(&mut history, &rules, &[Status(500), Status(500)]);
    assert!(history.settled_from(&rules) == Some(Duration::ZERO));
    assert_eq!(verified(&history, &rules), Applied::Unknown);

    // Nothing was executed under this one.
    let rules = Rules::new(Effect::Write, KeyPlace::Header, InvalidatedByError, &policy);
    let mut history = history_of(&rules, &[NotApplied]);
    history.begin_repeat(KeyAction::Rotate);
    extend(&mut history, &rules, &[Status(500)]);
    assert_eq!(verified(&history, &rules), Applied::No);
}

#[test]
fn stored_error_settles_without_probe() {
    let policy = RetryPolicy::new().resolve();
    let mut rules = Rules::new(Effect::Write, KeyPlace::Header, ReplayAll, &policy);
    (rules.probe, rules.has_verifier) = (Probe::Never, true);
    assert_eq!(climb(&rules, &[Status(500)]).0, "?");
    // Unless an attempt under the key is unanswered.
    assert_eq!(climb(&rules, &[Lost, Status(500)]), ("=".to_owned(), UNVERIFIED, Applied::Unknown));
}

/// A redirect's target does not speak for the request that was sent before it.
#[test]
fn error_after_a_redirect_is_final_for_a_write() {
    let policy = RetryPolicy::new().resolve();
    for (key, redirect) in [KeyPlace::Header, KeyPlace::Absent]
        .into_iter()
        .flat_map(|key| [(key, Redirect::SameOrigin), (key, Redirect::OtherOrigin)])
    {
        let mut rules = Rules::new(Effect::Write, key, ReplayAll, &policy);
        rules.has_verifier = true;
        let said = [None, Some(Meaning::KeyInvalidated), Some(Meaning::NotApplied), Some(Meaning::InProgress)];
        for (code, meaning) in [404, 409, 425, 429, 500, 503].into_iter().flat_map(|code| said.map(|said| (code, said)))
        {
            let mut response = status(code);
            (response.redirect, response.replayed, response.retry_signal) = (redirect, true, Some(true));
            response.meaning = meaning;
            let mut history = History::default();
            let step = step(&rules, &mut history, &response.into(), Moment::default());
            assert_eq!(step.decision, Decision::Fail(StopReason::Permanent), "{code} {redirect:?}");
            assert_eq!(history.applied(Effect::Write), Applied::Unknown, "{code} {redirect:?}");
            assert_eq!(verified(&history, &rules), Applied::Unknown, "no marker settles the key");
        }
    }
    // A read can be sent again wherever it went.
    let rules = Rules::new(Effect::Read, KeyPlace::Absent, ReplayAll, &policy);
    let mut response = status(503);
    response.redirect = Redirect::OtherOrigin;
    let step = step(&rules, &mut History::default(), &response.into(), Moment::default());
    assert!(matches!(step.decision, Decision::Retry { .. }));
}
