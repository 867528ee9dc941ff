//! The one file that names `metrics`. Without the feature nothing is left of what is in it.

use std::time::Duration;

use super::About;
use crate::service::Service;

/// What is counted or measured; the table in the documentation of [`telemetry`](super) has each.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(super) struct Metric {
    name: &'static str,
    what: &'static str,
}

const fn metric(name: &'static str, what: &'static str) -> Metric {
    Metric { name, what }
}

type Label = Option<(&'static str, &'static str)>;

pub(super) const CALLS: Metric = metric("safe_retry_calls_total", "calls that ended");
pub(super) const ATTEMPTS: Metric = metric("safe_retry_attempts_total", "attempts that ended");
pub(super) const RETRIES: Metric = metric("safe_retry_retries_total", "repeats that were sent");
pub(super) const WAIT: Metric = metric("safe_retry_wait_seconds", "waits between attempts");
pub(super) const IN_DOUBT: Metric = metric("safe_retry_in_doubt_total", "calls that ended in doubt");
pub(super) const ROTATIONS: Metric = metric("safe_retry_rotations_total", "new keys sent");
pub(super) const VERDICTS: Metric = metric("safe_retry_verdicts_total", "what verifiers said");
pub(super) const REPLAYS: Metric = metric("safe_retry_replays_total", "answers marked as stored ones");
pub(super) const WINDOW_WAIT: Metric = metric("safe_retry_window_wait_seconds", "waits for a place in the window");
#[cfg(feature = "metrics")]
const WINDOW_LIMIT: Metric = metric("safe_retry_window_limit", "how many may be in flight; absent without a window");
#[cfg(feature = "metrics")]
const BUDGET: Metric = metric("safe_retry_budget_tokens", "what is left of the retry budget");

#[cfg(feature = "metrics")]
mod facade {
    use std::borrow::Cow;

    use metrics::{
        Key, Label, Level, Metadata, Unit, describe_counter, describe_gauge, describe_histogram, with_recorder,
    };

    use super::{
        ATTEMPTS, About, BUDGET, CALLS, Duration, IN_DOUBT, Metric, REPLAYS, RETRIES, ROTATIONS, Service, VERDICTS,
        WAIT, WINDOW_LIMIT, WINDOW_WAIT,
    };
    use crate::{route::Effect, telemetry::names};

    static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

    /// The keys of what a call tells that succeeds at once, made once per service: a key owns its labels.
    #[derive(Debug)]
    pub(crate) struct Meters {
        budget: Key,
        window: Key,
        effects: [Success; 4],
    }

    #[derive(Debug)]
    struct Success {
        call: Key,
        attempt: Key,
        window_wait: Key,
    }

    impl Meters {
        pub(crate) fn new(service: Cow<'static, str>) -> Self {
            let of_service =
                |metric: Metric| Key::from_parts(metric.name, vec![Label::new("service", service.clone())]);
            let effects = EFFECTS.map(|effect| Success {
                call: key(CALLS, service.clone(), effect, SUCCESS),
                attempt: key(ATTEMPTS, service.clone(), effect, ANSWERED),
                window_wait: key(WINDOW_WAIT, service.clone(), effect, None),
            });
            Self { budget: of_service(BUDGET), window: of_service(WINDOW_LIMIT), effects }
        }

        fn of(&self, metric: Metric, effect: Effect, more: super::Label) -> Option<&Key> {
            let success = &self.effects[effect as usize];
            match more {
                SUCCESS if metric.name == CALLS.name => Some(&success.call),
                ANSWERED if metric.name == ATTEMPTS.name => Some(&success.attempt),
                None if metric.name == WINDOW_WAIT.name => Some(&success.window_wait),
                _ => None,
            }
        }
    }

    /// In the order in which they are numbered.
    const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Idempotent, Effect::Deduplicated, Effect::Write];
    const SUCCESS: super::Label = Some(("outcome", "success"));
    const ANSWERED: super::Label = Some(("outcome", "2xx"));

    /// Tells the recorder that is installed the units and meanings of the layer's metrics; they are recorded without it.
    pub fn describe_metrics() {
        for Metric { name, what } in [CALLS, ATTEMPTS, RETRIES, IN_DOUBT, ROTATIONS, VERDICTS, REPLAYS] {
            describe_counter!(name, Unit::Count, what);
        }
        for Metric { name, what } in [WAIT, WINDOW_WAIT] {
            describe_histogram!(name, Unit::Seconds, what);
        }
        for Metric { name, what } in [WINDOW_LIMIT, BUDGET] {
            describe_gauge!(name, Unit::Count, what);
        }
    }

    fn key(metric: Metric, service: Cow<'static, str>, effect: Effect, more: super::Label) -> Key {
        let mut labels = Vec::with_capacity(3);
        labels.push(Label::new("service", service));
        labels.push(Label::from_static_parts("effect", names::effect(effect)));
        labels.extend(more.map(|(name, value)| Label::from_static_parts(name, value)));
        Key::from_parts(metric.name, labels)
    }

    fn with_key(metric: Metric, about: About<'_>, more: super::Label, tell: impl FnOnce(&Key)) {
        match about.service.meters().of(metric, about.effect, more) {
            Some(key) => tell(key),
            None => tell(&key(metric, about.service.shared_name(), about.effect, more)),
        }
    }

    pub(crate) fn count(metric: Metric, about: About<'_>, more: super::Label) {
        with_key(metric, about, more, |key| {
            with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
        });
    }

    pub(crate) fn observe(metric: Metric, about: About<'_>, more: super::Label, time: Duration) {
        with_key(metric, about, more, |key| {
            with_recorder(|recorder| recorder.register_histogram(key, &METADATA).record(time.as_secs_f64()));
        });
    }

    /// Budget and window, as they are now.
    pub(crate) fn measure(service: &Service) {
        let set = |key, value| with_recorder(|recorder| recorder.register_gauge(key, &METADATA).set(value));
        set(&service.meters().budget, f64::from(service.budget().tokens()));
        if let Some(gates) = service.gates() {
            // A window has at most as many places as fit into 32 bits.
            set(&service.meters().window, gates.read().limit as f64);
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod facade {
    use std::borrow::Cow;

    use super::{About, Duration, Label, Metric, Service};

    #[derive(Debug)]
    pub(crate) struct Meters;

    impl Meters {
        pub(crate) fn new(_: Cow<'static, str>) -> Self {
            Self
        }
    }

    pub(crate) fn count(_: Metric, _: About<'_>, _: Label) {}

    pub(crate) fn observe(_: Metric, _: About<'_>, _: Label, _: Duration) {}

    pub(crate) fn measure(_: &Service) {}
}

pub(crate) use facade::Meters;
#[cfg(feature = "metrics")]
pub use facade::describe_metrics;
pub(super) use facade::{count, measure, observe};
