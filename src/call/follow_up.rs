//! What a failed call leaves for a later one.

use std::time::Duration;

use super::call::Call;
use crate::{
    decide::{
        advice::{Advice, Protection, Situation},
        key::{KeyKind, KeyPlace},
        stop::{Applied, StopReason},
    },
    error::{details::ErrorDetails, error::FollowUp, kind::ErrorKind},
};

impl Call<'_> {
    pub(super) fn follow_up(
        &self,
        kind: ErrorKind,
        stop: StopReason,
        applied: Applied,
        details: &ErrorDetails,
    ) -> FollowUp {
        let operating = self.operating.as_deref();
        let protection = self.protection();
        let advice = Advice::at_once(applied, stop)
            .unwrap_or_else(|| self.situation(stop, applied, protection, self.next_wait(kind, details)).advice());
        let digest = || (applied == Applied::Unknown).then(|| self.digest()).flatten();
        FollowUp {
            host: self.host_of_several(),
            operation: operating.and_then(|operating| operating.operation.clone()),
            request: operating.and_then(|operating| operating.request).or_else(digest),
            advice,
            protected_until: match protection {
                Protection::Until(until) => Some(until),
                Protection::Unknown | Protection::Over | Protection::Always => None,
            },
        }
    }

    /// What the advice depends on; `wait` is that of the policy or the server.
    fn situation(&self, stop: StopReason, applied: Applied, protection: Protection, wait: Duration) -> Situation {
        let rules = self.rules();
        let operating = self.operating.as_deref();
        let is_journaled = operating.is_some_and(|operating| operating.journal.is_some());
        let settled_from = self.history.settled_from(&rules);
        // Otherwise errors are not stored, and the same key executes again.
        let is_over = rules.kind.may_be_rotated() || self.history.key_is_closed();
        let again_after = operating
            .and_then(|operating| operating.again_after)
            .or_else(|| self.rotation_after(stop, settled_from?))
            .or_else(|| self.begins_after(stop, wait));
        Situation {
            effect: rules.effect,
            applied,
            stop,
            reenterable: operating.is_some() || self.key.is_known(),
            settled: is_over && settled_from.is_some_and(|from| from <= self.now - self.started),
            refused: self.history.was_refused(),
            generation_left: rules.key.is_replaceable()
                && rules.has_verifier
                && (is_journaled || !self.history.has_rotated()),
            again_after,
            wait,
            protection: if is_journaled { self.for_a_whole_call(protection) } else { protection },
        }
    }

    /// In how long a new key may be sent for which the deadline was too short.
    fn rotation_after(&self, stop: StopReason, settled_from: Duration) -> Option<Duration> {
        let left = settled_from.saturating_sub(self.now - self.started);
        let waits = matches!(stop, StopReason::DeadlineExceeded | StopReason::Unverified);
        (waits && !left.is_zero()).then_some(left)
    }

    /// The journal will tell a later call what this one had no time to ask.
    fn begins_after(&self, stop: StopReason, wait: Duration) -> Option<Duration> {
        let unasked = self.operating.as_ref().is_none_or(|operating| operating.is_to_be_begun());
        (stop == StopReason::DeadlineExceeded && unasked && self.names_an_operation_in_a_journal()).then_some(wait)
    }

    /// A later call with the journal sends nothing unless the key lasts for all of its time.
    fn for_a_whole_call(&self, protection: Protection) -> Protection {
        let Protection::Until(until) = protection else { return protection };
        let deadline = self.plan.policy().deadline;
        match until.checked_sub(deadline) {
            Some(until) if until > self.clock.wall() => Protection::Until(until),
            _ => Protection::Over,
        }
    }

    fn protection(&self) -> Protection {
        let idempotency = self.plan.idempotency();
        let lasting = self.key_first_sent.and_then(|first_sent| Some((first_sent, idempotency.key_lifetime()?)));
        let Some((first_sent, lifetime)) = lasting else {
            let always = idempotency.kind == KeyKind::ResourceKey && self.key.place() != KeyPlace::Absent;
            return if always { Protection::Always } else { Protection::Unknown };
        };
        match first_sent.checked_add(lifetime) {
            _ if self.key_age() >= lifetime => Protection::Over,
            Some(until) => Protection::Until(until),
            None => Protection::Always,
        }
    }

    fn next_wait(&self, kind: ErrorKind, details: &ErrorDetails) -> Duration {
        let policy = self.plan.policy();
        let waits = if kind == ErrorKind::RateLimited { &policy.throttled } else { &policy.transient };
        let own = waits.delay(self.history.attempts().saturating_sub(1), 1.0);
        details.retry_after.filter(|hint| *hint != Duration::MAX).unwrap_or_default().max(own)
    }
}
