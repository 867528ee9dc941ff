//! What must hold for every sequence of outcomes, whatever the service, the policy and the verifier.

use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;
use reqwest_safe_retry::{
    Backoff, ConcurrentRequests, Effect, Failure, Jitter, KeyAction, KeyKind, Meaning, Redirect, RetryPolicy,
    StatusSet, StopReason,
    decide::{Decision, History, KeyPlace, Moment, Outcome, ResolvedPolicy, ResponseFacts, RetryCosts, Rules, step},
};

fn failures() -> impl Strategy<Value = Failure> {
    prop::sample::select(vec![
        Failure::NotSent,
        Failure::NotProcessed,
        Failure::Ambiguous,
        Failure::Tls,
        Failure::InvalidRequest,
        Failure::RedirectLoop,
        Failure::Middleware,
    ])
}

fn meanings() -> impl Strategy<Value = Option<Meaning>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Meaning::InProgress)),
        1 => Just(Some(Meaning::PayloadMismatch)),
        1 => Just(Some(Meaning::AlreadyExists)),
        1 => Just(Some(Meaning::KeyInvalidated)),
        1 => Just(Some(Meaning::NotApplied)),
        1 => Just(Some(Meaning::Throttled)),
        1 => Just(Some(Meaning::Unavailable)),
        1 => Just(Some(Meaning::Final)),
    ]
}

prop_compose! {
    fn responses()(
        status in prop_oneof![
            4 => Just(500_u16), 2 => Just(429), 1 => Just(425), 1 => Just(408), 2 => Just(409), 1 => 502..=504_u16,
            2 => 400..=599_u16,
        ],
        (meaning, is_classified) in (meanings(), any::<bool>()),
        retry_after in prop_oneof![
            4 => Just(None),
            2 => (0..100_000_u64).prop_map(|ms| Some(Duration::from_millis(ms))),
            1 => Just(Some(Duration::MAX)),
        ],
        retry_signal in prop_oneof![8 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))],
        transient in any::<bool>(),
        replayed in prop::bool::weighted(0.2),
        redirect in prop_oneof![
            9 => Just(Redirect::NotFollowed), 1 => Just(Redirect::SameOrigin), 1 => Just(Redirect::OtherOrigin),
        ],
    ) -> ResponseFacts {
        let mut response = ResponseFacts::new(StatusCode::from_u16(status).unwrap());
        (response.meaning, response.retry_after, response.retry_signal) = (meaning, retry_after, retry_signal);
        (response.transient, response.replayed, response.redirect) = (transient, replayed, redirect);
        response.is_classified = is_classified && meaning.is_some();
        response
    }
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![1 => failures().prop_map(Outcome::from), 4 => responses().prop_map(Outcome::from)]
}

prop_compose! {
    fn policies()(
        max_attempts in 1..7_u32,
        base in 1..2_000_u64,
        cap in 1..10_000_u64,
        max_retry_after in 0..90_000_u64,
        deadline in 1..150_000_u64,
    ) -> ResolvedPolicy {
        let ms = Duration::from_millis;
        RetryPolicy::new()
            .max_attempts(max_attempts)
            .transient(Backoff::new(ms(base.min(cap)), ms(cap)))
            .throttled(Backoff::new(ms(base.min(cap)), ms(cap)).jitter(Jitter::Equal))
            .max_retry_after(ms(max_retry_after))
            .deadline(ms(deadline))
            .resolve()
    }
}

#[derive(Clone, Debug)]
struct Call {
    effect: Effect,
    key: KeyPlace,
    kind: KeyKind,
    policy: ResolvedPolicy,
    retryable: StatusSet,
    costs: (u32, u32),
    body_replayable: bool,
    has_verifier: bool,
    adaptive_limit: bool,
    jitter_sample: f64,
    times: Times,
    script: Vec<Outcome>,
}

/// What a description says about time, and how long each attempt takes.
#[derive(Clone, Debug)]
struct Times {
    took: Duration,
    in_progress_for: Option<Duration>,
    longest_execution: Option<Duration>,
    key_lifetime: Option<Duration>,
    concurrent: ConcurrentRequests,
}

prop_compose! {
    fn times()(
        took in 0..5_000_u64,
        in_progress_for in prop::option::of(0..20_000_u64),
        longest_execution in prop::option::of(0..60_000_u64),
        key_lifetime in prop::option::of(0..60_000_u64),
        concurrent in prop::sample::select(vec![ConcurrentRequests::Assumed, ConcurrentRequests::Executed]),
    ) -> Times {
        let ms = Duration::from_millis;
        let (in_progress_for, longest_execution) = (in_progress_for.map(ms), longest_execution.map(ms));
        Times { took: ms(took), in_progress_for, longest_execution, key_lifetime: key_lifetime.map(ms), concurrent }
    }
}

impl Call {
    fn rules(&self) -> Rules<'_> {
        let mut rules = Rules::new(self.effect, self.key, self.kind, &self.policy);
        rules.retryable = self.retryable;
        rules.costs = RetryCosts::new(self.costs.0, self.costs.1);
        rules.body_replayable = self.body_replayable;
        rules.has_verifier = self.has_verifier;
        rules.adaptive_limit = self.adaptive_limit;
        rules.in_progress_for = self.times.in_progress_for;
        rules.longest_execution = self.times.longest_execution;
        rules.key_lifetime = self.times.key_lifetime;
        rules.concurrent_requests = self.times.concurrent;
        rules
    }

    /// What a repeat after this outcome costs.
    fn cost(&self, outcome: &Outcome) -> u32 {
        match outcome {
            Outcome::Response(response) if is_throttled(response) => {
                if self.adaptive_limit {
                    0
                } else {
                    self.costs.1
                }
            }
            _ => self.costs.0,
        }
    }
}

prop_compose! {
    fn calls()(
        effect in prop_oneof![
            1 => Just(Effect::Read), 1 => Just(Effect::Idempotent), 1 => Just(Effect::Deduplicated), 3 => Just(Effect::Write),
        ],
        keyed in any::<bool>(),
        kind in prop_oneof![
            1 => Just(KeyKind::ReplaySuccess), 3 => Just(KeyKind::ReplayAll), 1 => Just(KeyKind::Signalled),
            2 => Just(KeyKind::InvalidatedByError), 1 => Just(KeyKind::ResourceKey), 1 => Just(KeyKind::Unsupported),
        ],
        policy in policies(),
        every_error in any::<bool>(),
        costs in (0..40_u32, 0..40_u32),
        body_replayable in prop::bool::weighted(0.9),
        (has_verifier, adaptive_limit) in (any::<bool>(), any::<bool>()),
        jitter_sample in 0.0..=1.0_f64,
        times in times(),
        script in prop::collection::vec(outcomes(), 1..8),
    ) -> Call {
        let has_key = keyed && effect != Effect::Read && kind != KeyKind::Unsupported;
        let key = if has_key { KeyPlace::Header } else { KeyPlace::Absent };
        let retryable = if every_error { StatusSet::of(&[]).with(400..=599) } else { StatusSet::DEFAULT };
        Call {
            effect, key, kind, policy, retryable, costs, body_replayable, has_verifier, adaptive_limit, jitter_sample, times,
            script,
        }
    }
}

/// Whether there were too many requests, apart from the code under test.
fn is_throttled(response: &ResponseFacts) -> bool {
    match response.meaning {
        Some(meaning @ (Meaning::Throttled | Meaning::Unavailable | Meaning::Final)) => meaning == Meaning::Throttled,
        _ => response.status == StatusCode::TOO_MANY_REQUESTS,
    }
}

/// Whether the attempt may have been executed, by the table's second column and apart from the code under test.
fn may_have_executed(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failure(failure) => {
            matches!(failure, Failure::Ambiguous | Failure::RedirectLoop | Failure::Middleware)
        }
        Outcome::Response(response) if response.redirect != Redirect::NotFollowed => true,
        Outcome::Response(response) => match response.meaning {
            Some(Meaning::InProgress | Meaning::Unavailable) => true,
            Some(Meaning::Throttled) if response.is_classified => status_leaves_doubt(response.status),
            Some(Meaning::Final) | None => status_leaves_doubt(response.status),
            Some(_) => false,
        },
        _ => unreachable!(),
    }
}

fn status_leaves_doubt(status: StatusCode) -> bool {
    status.as_u16() >= 500 || matches!(status.as_u16(), 408 | 424 | 499)
}

/// Whether the attempt may still be executing.
fn is_unanswered(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failure(failure) => *failure == Failure::Ambiguous,
        Outcome::Response(response) => match response.meaning {
            Some(Meaning::InProgress | Meaning::Unavailable) => true,
            Some(_) => false,
            None => matches!(response.status.as_u16(), 408 | 502..=504),
        },
        _ => unreachable!(),
    }
}

/// A stored result shows that nothing is executed under the key any more, and so does a key that is unusable.
fn ends_the_execution(response: &ResponseFacts) -> bool {
    response.redirect == Redirect::NotFollowed
        && (response.replayed || response.meaning == Some(Meaning::KeyInvalidated))
}

/// A marked replay of a 4xx: what was executed under the key had no effect.
fn is_stored_refusal(outcome: &Outcome) -> bool {
    let Outcome::Response(response) = outcome else { return false };
    response.replayed
        && response.redirect == Redirect::NotFollowed
        && matches!(response.meaning, None | Some(Meaning::Final))
        && response.status.is_client_error()
        && !matches!(response.status.as_u16(), 408 | 424 | 499)
}

fn meaning_of(outcome: &Outcome) -> Option<Meaning> {
    let Outcome::Response(response) = outcome else { return None };
    response.meaning
}

/// A call on its way, watched apart from the code under test.
#[derive(Default)]
struct Watched {
    history: History,
    elapsed: Duration,
    sent: u32,
    rotations: u32,
    executed_under_this_key: bool,
    /// When the last attempt began that may still be executing.
    executing_since: Option<Duration>,
    execution_is_over: bool,
    /// The service has asked for a repeat, whatever its key.
    told_to_retry: bool,
}

impl Watched {
    /// Whether the call goes on after this outcome.
    fn attempt(&mut self, call: &Call, outcome: &Outcome) -> Result<bool, TestCaseError> {
        let rules = call.rules();
        self.sent += 1;
        self.executed_under_this_key |= may_have_executed(outcome);
        self.executed_under_this_key &= !is_stored_refusal(outcome);
        let began = self.elapsed;
        self.elapsed += call.times.took;
        match outcome {
            Outcome::Response(response) if ends_the_execution(response) => {
                (self.execution_is_over, self.executing_since) = (true, None);
            }
            _ if is_unanswered(outcome) && !self.execution_is_over => self.executing_since = Some(began),
            _ => {}
        }
        self.told_to_retry |= matches!(outcome, Outcome::Response(response) if response.retry_signal == Some(true));
        let mut moment = Moment::new(self.elapsed, call.jitter_sample);
        (moment.attempt_began, moment.key_age) = (began, self.elapsed);
        let decision = step(&rules, &mut self.history, outcome, moment).decision;
        prop_assert_eq!(self.history.attempts(), self.sent);
        let Decision::Retry { delay, key, cost, .. } = decision else { return Ok(false) };

        prop_assert!(self.sent < call.policy.max_attempts, "never beyond the attempts");
        prop_assert!(self.elapsed + delay < call.policy.deadline, "never past the deadline");
        prop_assert_eq!(cost, call.cost(outcome), "never at another price");
        prop_assert!(call.body_replayable, "never a body that is gone");
        if let Outcome::Response(ResponseFacts { retry_after: Some(hint), .. }) = outcome {
            prop_assert!(delay >= *hint, "never sooner than a hint");
            prop_assert!(*hint <= call.policy.max_retry_after, "never a hint above the maximum");
        }
        if call.effect == Effect::Write && call.key == KeyPlace::Absent {
            prop_assert!(!self.executed_under_this_key, "never an un-keyed write again after it may have executed");
        }
        self.check_times(call, outcome, key, delay)?;
        if key != KeyAction::Preserve {
            self.rotate(call, outcome, key, delay)?;
        }
        self.history.begin_repeat(key);
        self.elapsed += delay;
        Ok(true)
    }

    fn check_times(
        &self,
        call: &Call,
        outcome: &Outcome,
        key: KeyAction,
        delay: Duration,
    ) -> Result<(), TestCaseError> {
        let begins = self.elapsed + delay;
        let is_keyed_write = call.effect == Effect::Write && call.key == KeyPlace::Header;
        if call.effect != Effect::Read {
            let followed = matches!(outcome, Outcome::Response(response) if response.redirect != Redirect::NotFollowed);
            prop_assert!(!followed, "never a write again after a followed redirect");
        }
        if key == KeyAction::VerifyThenRotate {
            let over = self.executing_since.zip(call.times.longest_execution).map(|(began, longest)| began + longest);
            prop_assert!(over.is_none_or(|over| over <= begins), "never a verdict before everything is over");
        }
        if !is_keyed_write || key != KeyAction::Preserve {
            return Ok(());
        }
        let lifetime = call.times.key_lifetime;
        prop_assert!(lifetime.is_none_or(|lifetime| begins < lifetime), "never a key that may be forgotten");
        if let (ConcurrentRequests::Executed, Some(began), false) =
            (call.times.concurrent, self.executing_since, self.told_to_retry)
        {
            let over = call.times.longest_execution.map(|longest| began + longest);
            prop_assert!(over.is_some_and(|over| over <= begins), "never beside a request that is executed too");
        }
        Ok(())
    }

    fn rotate(&mut self, call: &Call, outcome: &Outcome, key: KeyAction, delay: Duration) -> Result<(), TestCaseError> {
        self.rotations += 1;
        prop_assert!(call.key == KeyPlace::Header, "never a key made where there was none");
        prop_assert_eq!(self.rotations, 1, "never a second rotation");
        if call.effect == Effect::Write {
            let proof = meaning_of(outcome) == Some(Meaning::NotApplied) && !self.executed_under_this_key;
            let settled = self.history.settled_from(&call.rules()).is_some_and(|from| from <= self.elapsed + delay);
            let verdict = key == KeyAction::VerifyThenRotate && call.has_verifier && settled;
            prop_assert!(verdict || proof, "never a new key for a write without proof");
        }
        if key == KeyAction::VerifyThenRotate {
            self.history.verified_not_applied(&call.rules(), self.elapsed + delay);
        }
        (self.executed_under_this_key, self.executing_since, self.execution_is_over) = (false, None, false);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promise_holds_for_every_sequence(call in calls()) {
        let mut watched = Watched::default();
        for outcome in &call.script {
            if !watched.attempt(&call, outcome)? {
                break;
            }
        }
    }

    #[test]
    fn first_stop_reason_is_given(call in calls(), outcome in outcomes()) {
        let decide = |body_replayable, max_attempts| {
            let mut policy = call.policy.clone();
            policy.max_attempts = max_attempts;
            let mut rules = call.rules();
            (rules.policy, rules.body_replayable) = (&policy, body_replayable);
            step(&rules, &mut History::default(), &outcome, Moment::default()).decision
        };
        let most = call.policy.max_attempts;
        let Decision::Fail(before) = decide(call.body_replayable, most) else { return Ok(()) };
        // The budget is not a matter of the decision.
        prop_assert!(before < StopReason::BudgetExhausted);
        // Taking one obstacle away never makes an earlier reason appear.
        if let Decision::Fail(after) = decide(true, most) {
            prop_assert!(after >= before, "{before:?} became {after:?}");
        }
        // Another obstacle that comes later in the order changes nothing.
        if before <= StopReason::BodyNotReplayable {
            prop_assert_eq!(decide(false, 1), Decision::Fail(before));
        } else {
            prop_assert_eq!(decide(true, 1), Decision::Fail(StopReason::AttemptsExhausted));
        }
    }
}
