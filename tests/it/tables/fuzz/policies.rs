//! Retry policies.

use std::time::Duration;

use proptest::prelude::*;
use reqwest_safe_retry::{Backoff, Jitter, RetryPolicy, StatusSet};

use super::texts::{durations, statuses};

/// A base and a cap, mostly in their order.
fn waits() -> BoxedStrategy<Backoff> {
    let ordered = (durations(), durations()).prop_map(|(one, other)| (one.min(other), one.max(other)));
    let waits = prop_oneof![12 => ordered, 1 => (durations(), durations())];
    let jitter = prop::sample::select(vec![Jitter::None, Jitter::Equal, Jitter::Full]);
    (waits, jitter).prop_map(|((base, cap), jitter)| Backoff::new(base, cap).jitter(jitter)).boxed()
}

fn jitter_shares() -> impl Strategy<Value = f64> {
    prop_oneof![12 => 0.0..=1.0_f64, 1 => any::<f64>()]
}

prop_compose! {
    pub(super) fn policies()(
        attempts in prop_oneof![8 => 1..5_u32, 1 => any::<u32>()],
        (transient, throttled) in (waits(), waits()),
        (max_retry_after, share, jitter_cap) in (durations(), jitter_shares(), durations()),
        // Mostly long enough for everything else.
        deadline in prop::option::weighted(0.1, durations()),
        verify_timeout in durations(),
        body_timeout in durations(),
        sizes in (any::<usize>(), any::<usize>()),
        retry_on in prop::option::of(prop::collection::vec(statuses(), 0..5)),
    ) -> RetryPolicy {
        let longest = transient.base.max(throttled.base).max(verify_timeout).max(Duration::from_millis(1));
        let mut policy = RetryPolicy::new()
            .max_attempts(attempts)
            .transient(transient)
            .throttled(throttled)
            .max_retry_after(max_retry_after)
            .retry_after_jitter(share, jitter_cap)
            .deadline(deadline.unwrap_or(longest))
            .verify_timeout(verify_timeout)
            .error_body_timeout(body_timeout)
            .max_error_body(sizes.0)
            .buffer_bodies(sizes.1)
            .buffer_responses(sizes.1);
        if let Some(statuses) = retry_on {
            policy = policy.retry_on(StatusSet::of(&statuses));
        }
        policy
    }
}
