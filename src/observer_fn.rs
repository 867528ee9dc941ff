//! Closures as observers, each of one event.

use crate::{
    middleware::SafeRetry,
    observer::{AttemptFacts, CallFacts, EndFacts, Observer, RetryFacts, RotationFacts},
};

struct OnAttempt<F>(F);
struct OnRetry<F>(F);
struct OnRotate<F>(F);
struct OnEnd<F>(F);

impl<F: Fn(&CallFacts<'_>, &AttemptFacts<'_>) + Send + Sync + 'static> Observer for OnAttempt<F> {
    fn on_attempt(&self, call: &CallFacts<'_>, attempt: &AttemptFacts<'_>) {
        (self.0)(call, attempt);
    }
}

impl<F: Fn(&CallFacts<'_>, &RetryFacts) + Send + Sync + 'static> Observer for OnRetry<F> {
    fn on_retry(&self, call: &CallFacts<'_>, retry: &RetryFacts) {
        (self.0)(call, retry);
    }
}

impl<F: Fn(&CallFacts<'_>, &RotationFacts) + Send + Sync + 'static> Observer for OnRotate<F> {
    fn on_rotate(&self, call: &CallFacts<'_>, rotation: &RotationFacts) {
        (self.0)(call, rotation);
    }
}

impl<F: Fn(&CallFacts<'_>, &EndFacts<'_>) + Send + Sync + 'static> Observer for OnEnd<F> {
    fn on_end(&self, call: &CallFacts<'_>, end: &EndFacts<'_>) {
        (self.0)(call, end);
    }
}

impl SafeRetry {
    /// Calls this closure after each attempt; see [`Observer::on_attempt`].
    #[must_use]
    pub fn on_attempt_fn(self, show: impl Fn(&CallFacts<'_>, &AttemptFacts<'_>) + Send + Sync + 'static) -> Self {
        self.observer(OnAttempt(show))
    }

    /// Calls this closure before a request is sent again; see [`Observer::on_retry`].
    ///
    /// ```
    /// use reqwest_safe_retry::{SafeRetry, Service};
    ///
    /// let layer = SafeRetry::new([Service::metronome()]).on_retry_fn(|call, retry| {
    ///     eprintln!("{}: sent again after {:?}: {}", call.service(), retry.wait(), retry.reason());
    /// });
    /// # let _: SafeRetry = layer;
    /// ```
    #[must_use]
    pub fn on_retry_fn(self, show: impl Fn(&CallFacts<'_>, &RetryFacts) + Send + Sync + 'static) -> Self {
        self.observer(OnRetry(show))
    }

    /// Calls this closure before a request is sent with a new key; see [`Observer::on_rotate`].
    #[must_use]
    pub fn on_rotate_fn(self, show: impl Fn(&CallFacts<'_>, &RotationFacts) + Send + Sync + 'static) -> Self {
        self.observer(OnRotate(show))
    }

    /// Calls this closure when a call has ended; see [`Observer::on_end`].
    #[must_use]
    pub fn on_end_fn(self, show: impl Fn(&CallFacts<'_>, &EndFacts<'_>) + Send + Sync + 'static) -> Self {
        self.observer(OnEnd(show))
    }
}
