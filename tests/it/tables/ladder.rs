//! The key ladder: what becomes of the key after a 5xx, by what the service stores.

use http::StatusCode;
use reqwest_safe_retry::{
    Answer, Applied, Effect, Failure, KeyAction, KeyKind, Meaning, Outcome, Probe, Redirected, RetryPolicy, Stop,
    decide::{Decision, History, KeyPlace, Situation, decide},
};

use self::Met::{Burnt, Conflict, Duplicate, InProgress, Lost, NotSent, Replayed, RotateNow, Status, Transient};

/// What an attempt meets, in short.
#[derive(Clone, Copy, Debug)]
enum Met {
    Status(u16),
    Replayed(u16),
    Transient(u16),
    Lost,
    NotSent,
    Conflict,
    InProgress,
    Duplicate,
    Burnt,
    RotateNow,
}

impl Met {
    fn outcome(self) -> Outcome {
        let mut answer = Answer::new(StatusCode::from_u16(self.status()).unwrap());
        match self {
            Lost => return Outcome::Failure(Failure::Ambiguous),
            NotSent => return Outcome::Failure(Failure::NotSent),
            Status(_) | Conflict => {}
            Replayed(_) => answer.replayed = true,
            Transient(_) => answer.transient = true,
            InProgress => answer.meaning = Some(Meaning::InProgress),
            Duplicate => answer.meaning = Some(Meaning::AlreadyExists),
            Burnt => answer.meaning = Some(Meaning::Burnt),
            RotateNow => answer.meaning = Some(Meaning::RotateAtOnce),
        }
        Outcome::Answer(answer)
    }

    fn status(self) -> u16 {
        match self {
            Status(status) | Replayed(status) | Transient(status) => status,
            Burnt => 400,
            _ => 409,
        }
    }
}

/// The steps of a call in short: `=` preserve, `+` rotate, `?` ask and rotate; and at its end the stop and the three
/// answers to "did it take effect". The verifier, where there is one, says that the write was not applied.
fn ladder(kind: KeyKind, effect: Effect, verifier: bool, script: &[Met]) -> (String, Option<Stop>, Applied) {
    let policy = RetryPolicy::new().max_attempts(6);
    let mut situation = Situation::new(effect, KeyPlace::Header, kind, &policy, script[0].outcome());
    situation.verifier = verifier;
    situation.history = History::default();
    let mut steps = String::new();
    for met in script {
        situation.outcome = met.outcome();
        situation.history = situation.history.after(&situation);
        match decide(&situation) {
            Decision::Fail(stop) => return (steps, Some(stop), situation.history.applied(effect)),
            Decision::Retry { key: KeyAction::Preserve, .. } => steps.push('='),
            Decision::Retry { key: KeyAction::Rotate, .. } => {
                steps.push('+');
                situation.history = situation.history.rotated();
            }
            Decision::Retry { key: KeyAction::VerifyThenRotate, .. } => {
                steps.push('?');
                situation.history = situation.history.not_applied(true).rotated();
            }
        }
    }
    (steps, None, situation.history.applied(effect))
}

/// Kind, whether there is a verifier, what the attempts meet; the steps taken, why they end, whether it was applied.
type Climb = (KeyKind, bool, &'static [Met], &'static str, Option<Stop>, Applied);

#[test]
fn a_write_climbs_the_ladder_of_its_service() {
    use KeyKind::{Poisoned, ReplayAll, ReplaySuccess, ResourceKey, Signalled};
    const UNVERIFIED: Option<Stop> = Some(Stop::Unverified);
    const PERMANENT: Option<Stop> = Some(Stop::Permanent);
    #[rustfmt::skip]
    let table: &[Climb] = &[
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
        // A header says whether the error was stored.
        (Signalled, true,  &[Transient(500), Transient(502), Status(500)], "==", PERMANENT, Applied::Unknown),
        (Signalled, true,  &[Status(503)], "", PERMANENT, Applied::Unknown),
        (Signalled, true,  &[Lost, Status(429), InProgress], "==", PERMANENT, Applied::Unknown),
        // An internal error makes the key unusable, and settles it.
        (Poisoned, false, &[Status(500)], "", UNVERIFIED, Applied::Unknown),
        (Poisoned, true,  &[Status(500)], "?", None, Applied::No),
        (Poisoned, true,  &[Lost, Status(500), Status(500)], "=?", UNVERIFIED, Applied::Unknown),
        (Poisoned, true,  &[Status(503), Burnt], "=?", None, Applied::No),
        (Poisoned, false, &[Lost, Burnt], "=", UNVERIFIED, Applied::Unknown),
        (Poisoned, false, &[Burnt], "", UNVERIFIED, Applied::No),
        // An answer that proves no effect rotates at once, unless an attempt before it is still in doubt.
        (Poisoned, false, &[RotateNow], "+", None, Applied::No),
        (Poisoned, false, &[RotateNow, RotateNow], "+", UNVERIFIED, Applied::No),
        (Poisoned, false, &[Lost, RotateNow], "=", UNVERIFIED, Applied::Unknown),
        (Poisoned, true,  &[Lost, RotateNow], "=", UNVERIFIED, Applied::Unknown),
        // The key is an attribute of what was created: a duplicate says nothing new.
        (ResourceKey, true, &[Status(500), Status(500), Duplicate], "==", PERMANENT, Applied::Unknown),
        (ResourceKey, true, &[Duplicate], "", PERMANENT, Applied::No),
        // A duplicate after an internal error of this call is its own; after anything else it may be somebody's.
        (ReplayAll, false, &[Status(500), Duplicate], "=", PERMANENT, Applied::Yes),
        (ReplayAll, false, &[Lost, Duplicate], "=", PERMANENT, Applied::Unknown),
        (ReplayAll, false, &[Status(504), Duplicate], "=", PERMANENT, Applied::Unknown),
        (ReplayAll, false, &[Status(429), Duplicate], "=", PERMANENT, Applied::No),
    ];
    for (kind, verifier, script, steps, stop, applied) in table {
        let found = ladder(*kind, Effect::Write, *verifier, script);
        assert_eq!(found, ((*steps).to_owned(), *stop, *applied), "{kind:?}, verifier {verifier}: {script:?}");
    }
}

#[test]
fn what_guards_itself_rotates_without_a_verdict() {
    for effect in [Effect::Idempotent, Effect::Deduplicated] {
        let (steps, stop, applied) = ladder(KeyKind::ReplayAll, effect, false, &[Status(500), Status(500)]);
        assert_eq!((steps.as_str(), stop, applied), ("=+", None, Applied::Unknown), "{effect:?}");
        let (steps, stop, applied) = ladder(KeyKind::ReplayAll, effect, true, &[Status(500), Status(500), Status(500)]);
        assert_eq!((steps.as_str(), stop, applied), ("=+", Some(Stop::Unverified), Applied::Unknown), "{effect:?}");
        let (steps, ..) = ladder(KeyKind::Poisoned, effect, false, &[Status(500)]);
        assert_eq!(steps, "+", "{effect:?}");
    }
}

#[test]
fn a_verdict_counts_only_for_keys_that_are_settled() {
    let policy = RetryPolicy::new();
    let mut situation =
        Situation::new(Effect::Idempotent, KeyPlace::Header, KeyKind::ReplayAll, &policy, Lost.outcome());
    assert_eq!(situation.history.not_applied(true).applied(Effect::Idempotent), Applied::Unknown);
    // A key given up while an attempt under it may still be running keeps every later verdict from being final.
    situation.history = situation.history.rotated();
    for _ in 0..2 {
        situation.outcome = Status(500).outcome();
        situation.history = situation.history.after(&situation);
    }
    assert!(situation.history.is_settled());
    assert_eq!(situation.history.not_applied(true).applied(Effect::Idempotent), Applied::Unknown);

    // One under which nothing was executed takes nothing away from them.
    situation = Situation::new(Effect::Write, KeyPlace::Header, KeyKind::Poisoned, &policy, RotateNow.outcome());
    situation.history = situation.history.rotated();
    situation.outcome = Status(500).outcome();
    assert_eq!(situation.history.after(&situation).not_applied(true).applied(Effect::Write), Applied::No);

    let settled = Situation::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy, Replayed(500).outcome());
    assert_eq!(settled.history.not_applied(true).applied(Effect::Write), Applied::No);
    assert_eq!(settled.history.not_applied(false).applied(Effect::Write), Applied::Unknown, "no key, nothing settled");
}

#[test]
fn an_error_that_is_known_to_be_stored_settles_a_key_unless_an_attempt_under_it_is_unanswered() {
    let policy = RetryPolicy::new();
    let climb = |script: &[Met]| {
        let mut situation =
            Situation::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy, script[0].outcome());
        (situation.probe, situation.verifier, situation.history) = (Probe::Never, true, History::default());
        for met in script {
            situation.outcome = met.outcome();
            situation.history = situation.history.after(&situation);
        }
        decide(&situation)
    };
    let asked = climb(&[Status(500)]);
    assert!(matches!(asked, Decision::Retry { key: KeyAction::VerifyThenRotate, .. }), "{asked:?}");
    assert_eq!(climb(&[Lost, Status(500)]), Decision::Fail(Stop::Unverified));
}

#[test]
fn a_key_that_was_taken_to_another_origin_is_never_rotated() {
    let policy = RetryPolicy::new();
    let first = |redirected| {
        let mut answer = Answer::new(StatusCode::INTERNAL_SERVER_ERROR);
        answer.redirected = redirected;
        let met = Outcome::Answer(answer);
        let mut situation = Situation::new(Effect::Write, KeyPlace::Header, KeyKind::Poisoned, &policy, met);
        situation.verifier = true;
        situation
    };
    let asked = decide(&first(Redirected::No));
    assert!(matches!(asked, Decision::Retry { key: KeyAction::VerifyThenRotate, .. }), "{asked:?}");
    let mut situation = first(Redirected::OtherOrigin);
    assert_eq!(decide(&situation), Decision::Fail(Stop::Unverified));
    // Nor later, when it was not redirected again.
    situation.outcome = Status(500).outcome();
    situation.history = situation.history.after(&situation);
    assert_eq!(decide(&situation), Decision::Fail(Stop::Unverified));
}
