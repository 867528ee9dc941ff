//! What must hold for every sequence of outcomes, whatever the service, the policy and the verifier.

use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;
use reqwest_safe_retry::{
    Answer, Backoff, Effect, Failure, Jitter, KeyAction, KeyKind, Meaning, Outcome, RetryPolicy, StatusSet, Stop,
    decide::{Decision, History, KeyPlace, Situation, decide},
};

fn outcomes() -> impl Strategy<Value = Outcome> {
    let failure = prop_oneof![
        Just(Failure::NotSent),
        Just(Failure::NotProcessed),
        Just(Failure::Ambiguous),
        Just(Failure::Untrusted),
        Just(Failure::Unsendable),
        Just(Failure::RedirectLoop),
        Just(Failure::Middleware),
    ];
    let status = prop_oneof![
        4 => Just(500_u16), 2 => Just(429), 1 => Just(425), 1 => Just(408), 2 => Just(409), 1 => 502..=504_u16, 2 => 400..=599_u16,
    ];
    let meaning = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Meaning::InProgress)),
        1 => Just(Some(Meaning::OtherParameters)),
        1 => Just(Some(Meaning::AlreadyExists)),
        1 => Just(Some(Meaning::Burnt)),
        1 => Just(Some(Meaning::RotateAtOnce)),
    ];
    let hint = prop_oneof![4 => Just(None), 2 => (0..100_000_u64).prop_map(|ms| Some(Duration::from_millis(ms))), 1 => Just(Some(Duration::MAX))];
    let signal = prop_oneof![8 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let answer = (status, meaning, hint, signal, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(status, meaning, hint, retry_signal, transient, replayed)| {
            let mut answer = Answer::new(StatusCode::from_u16(status).unwrap());
            answer.meaning = meaning;
            answer.hint = hint;
            answer.retry_signal = retry_signal;
            answer.transient = transient;
            answer.replayed = replayed;
            Outcome::Answer(answer)
        },
    );
    prop_oneof![1 => failure.prop_map(Outcome::Failure), 4 => answer]
}

#[derive(Clone, Debug)]
struct Call {
    effect: Effect,
    key: KeyPlace,
    kind: KeyKind,
    policy: RetryPolicy,
    max_attempts: u32,
    hint_cap: Duration,
    deadline: Duration,
    retryable: StatusSet,
    body_replayable: bool,
    verifier: bool,
    chance: f64,
    tokens: u32,
    script: Vec<Outcome>,
}

prop_compose! {
    fn calls()(
        effect in prop_oneof![1 => Just(Effect::Read), 1 => Just(Effect::Idempotent), 1 => Just(Effect::Deduplicated), 3 => Just(Effect::Write)],
        keyed in any::<bool>(),
        kind in prop_oneof![
            1 => Just(KeyKind::ReplaySuccess), 3 => Just(KeyKind::ReplayAll), 1 => Just(KeyKind::Signalled),
            2 => Just(KeyKind::Poisoned), 1 => Just(KeyKind::ResourceKey), 1 => Just(KeyKind::None),
        ],
        max_attempts in 1..7_u32,
        base in 1..2_000_u64,
        cap in 1..10_000_u64,
        hint_cap in 0..90_000_u64,
        deadline in 1..150_000_u64,
        all in any::<bool>(),
        body_replayable in prop::bool::weighted(0.9),
        verifier in any::<bool>(),
        chance in 0.0..=1.0_f64,
        tokens in prop_oneof![3 => Just(500_u32), 1 => 0..40_u32],
        script in prop::collection::vec(outcomes(), 1..8),
    ) -> Call {
        let ms = Duration::from_millis;
        Call {
            effect,
            key: if keyed && effect != Effect::Read && kind != KeyKind::None { KeyPlace::Header } else { KeyPlace::Absent },
            kind,
            policy: RetryPolicy::new()
                .max_attempts(max_attempts)
                .transient(Backoff::new(ms(base.min(cap)), ms(cap)))
                .throttled(Backoff::new(ms(base.min(cap)), ms(cap)).jitter(Jitter::Equal))
                .hint_cap(ms(hint_cap))
                .deadline(ms(deadline)),
            retryable: if all { StatusSet::of(&[]).with(400..=599) } else { StatusSet::DEFAULT },
            max_attempts, hint_cap: ms(hint_cap), deadline: ms(deadline), body_replayable, verifier, chance, tokens, script,
        }
    }
}

/// Whether the attempt may have been executed, told apart from the code under test: by the table's second column.
fn may_have_executed(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failure(failure) => {
            matches!(failure, Failure::Ambiguous | Failure::RedirectLoop | Failure::Middleware)
        }
        Outcome::Answer(answer) => match answer.meaning {
            Some(meaning) => meaning == Meaning::InProgress,
            None => answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT,
        },
        _ => unreachable!(),
    }
}

/// A marked replay of a 4xx: what was executed under the key had no effect.
fn is_stored_refusal(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Answer(Answer { replayed: true, meaning: None, status, .. })
        if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_outcomes_breaks_the_promise(call in calls()) {
        let mut situation = Situation::new(call.effect, call.key, call.kind, &call.policy, call.script[0]);
        situation.history = History::default();
        situation.retryable = call.retryable;
        situation.body_replayable = call.body_replayable;
        situation.verifier = call.verifier;
        situation.chance = call.chance;
        situation.tokens = call.tokens;
        let (mut sent, mut rotations, mut executed_under_this_key) = (0, 0, false);
        for outcome in &call.script {
            sent += 1;
            executed_under_this_key |= may_have_executed(*outcome);
            executed_under_this_key &= !is_stored_refusal(*outcome);
            situation.outcome = *outcome;
            situation.history = situation.history.after(&situation);
            let Decision::Retry { delay, key, cost } = decide(&situation) else { break };

            prop_assert!(sent < call.max_attempts, "never beyond the attempts");
            prop_assert!(situation.elapsed + delay < call.deadline, "never past the deadline");
            prop_assert!(cost <= situation.tokens, "never beyond the budget");
            prop_assert!(call.body_replayable, "never a body that is gone");
            if let Outcome::Answer(Answer { hint: Some(hint), .. }) = outcome {
                prop_assert!(delay >= *hint, "never sooner than a hint");
                prop_assert!(*hint <= call.hint_cap, "never a hint above its cap");
            }
            if call.effect == Effect::Write && call.key == KeyPlace::Absent {
                prop_assert!(!executed_under_this_key, "never an un-keyed write again after it may have executed");
            }
            if key != KeyAction::Preserve {
                rotations += 1;
                prop_assert!(call.key == KeyPlace::Header, "never a key made where there was none");
                prop_assert_eq!(rotations, 1, "never a second rotation");
                if call.effect == Effect::Write {
                    let proof = matches!(outcome, Outcome::Answer(Answer { meaning: Some(Meaning::RotateAtOnce), .. }));
                    let verdict = key == KeyAction::VerifyThenRotate && call.verifier && situation.history.is_settled();
                    prop_assert!(verdict || (proof && !executed_under_this_key), "never a new key for a write without proof");
                }
                if key == KeyAction::VerifyThenRotate {
                    situation.history = situation.history.not_applied(true);
                }
                situation.history = situation.history.rotated();
                executed_under_this_key = false;
            }
            situation.elapsed += delay;
            situation.tokens -= cost;
        }
    }

    #[test]
    fn the_stop_given_is_the_first_that_holds(call in calls(), outcome in outcomes()) {
        // Taking one obstacle away never makes an earlier stop appear.
        let mut situation = Situation::new(call.effect, call.key, call.kind, &call.policy, outcome);
        situation.retryable = call.retryable;
        situation.body_replayable = call.body_replayable;
        situation.verifier = call.verifier;
        situation.tokens = call.tokens;
        situation.history = History::default();
        situation.history = situation.history.after(&situation);
        let Decision::Fail(before) = decide(&situation) else { return Ok(()) };
        situation.tokens = u32::MAX;
        situation.body_replayable = true;
        if let Decision::Fail(after) = decide(&situation) {
            prop_assert!(after >= before, "{before:?} became {after:?}");
        }
        if before < Stop::BodyNotReplayable {
            situation.body_replayable = false;
            situation.tokens = 0;
            prop_assert_eq!(decide(&situation), Decision::Fail(before));
        }
    }
}
