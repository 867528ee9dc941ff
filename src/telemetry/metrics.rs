//! The one file that names `metrics`. Without the feature nothing is left of what is in it.

use std::time::Duration;

use super::About;
#[cfg(feature = "metrics")]
use crate::service::Service;

/// What is counted or measured; the table in the documentation of [`telemetry`](super) has each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(super) enum Metric {
    Calls,
    Attempts,
    Retries,
    Wait,
    InDoubt,
    Rotations,
    Verdicts,
    Replays,
    WindowWait,
    WindowLimit,
    Budget,
}

#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
impl Metric {
    const fn name(self) -> &'static str {
        match self {
            Self::Calls => "safe_retry_calls_total",
            Self::Attempts => "safe_retry_attempts_total",
            Self::Retries => "safe_retry_retries_total",
            Self::Wait => "safe_retry_wait_seconds",
            Self::InDoubt => "safe_retry_in_doubt_total",
            Self::Rotations => "safe_retry_rotations_total",
            Self::Verdicts => "safe_retry_verdicts_total",
            Self::Replays => "safe_retry_replays_total",
            Self::WindowWait => "safe_retry_window_wait_seconds",
            Self::WindowLimit => "safe_retry_window_limit",
            Self::Budget => "safe_retry_budget_tokens",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Calls => "calls that ended",
            Self::Attempts => "attempts that ended",
            Self::Retries => "repeats that were sent",
            Self::Wait => "waits between attempts",
            Self::InDoubt => "calls that ended in doubt",
            Self::Rotations => "new keys sent",
            Self::Verdicts => "what verifiers said",
            Self::Replays => "answers marked as stored ones",
            Self::WindowWait => "waits for a place in the window",
            Self::WindowLimit => "how many may be in flight; absent without a window",
            Self::Budget => "what is left of the retry budget",
        }
    }
}

/// What tells the values of a metric apart, beside service and effect.
pub(super) type Label = Option<(&'static str, &'static str)>;

#[cfg(feature = "metrics")]
mod facade {
    use std::{
        borrow::Cow,
        sync::{Arc, PoisonError, RwLock},
    };

    use metrics::{
        Key, Level, Metadata, Recorder, Unit, describe_counter, describe_gauge, describe_histogram, with_recorder,
    };

    use super::{About, Duration, Label, Metric, Service};
    use crate::{route::Effect, telemetry::names};

    static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

    /// The keys of a service's metrics, each made when it is first told: a key owns its labels.
    #[derive(Debug)]
    pub(crate) struct Meters {
        service: Cow<'static, str>,
        budget: Key,
        window: Key,
        told: RwLock<Vec<(Which, Arc<Key>)>>,
    }

    /// There are as many as the words of the labels allow.
    type Which = (Metric, Effect, Label);

    impl Meters {
        pub(crate) fn new(service: Cow<'static, str>) -> Self {
            let of_service =
                |metric: Metric| Key::from_parts(metric.name(), vec![metrics::Label::new("service", service.clone())]);
            let (budget, window) = (of_service(Metric::Budget), of_service(Metric::WindowLimit));
            Self { service, budget, window, told: RwLock::default() }
        }

        fn key(&self, which: Which) -> Arc<Key> {
            let of =
                |told: &[(Which, Arc<Key>)]| told.iter().find(|(one, _)| *one == which).map(|(_, key)| key.clone());
            // No panic leaves the list half-written.
            if let Some(key) = of(&self.told.read().unwrap_or_else(PoisonError::into_inner)) {
                return key;
            }
            let mut told = self.told.write().unwrap_or_else(PoisonError::into_inner);
            of(&told).unwrap_or_else(|| {
                let key = Arc::new(self.new_key(which));
                told.push((which, key.clone()));
                key
            })
        }

        fn new_key(&self, (metric, effect, more): Which) -> Key {
            let mut labels = Vec::with_capacity(3);
            labels.push(metrics::Label::new("service", self.service.clone()));
            labels.push(metrics::Label::from_static_parts("effect", names::effect(effect)));
            labels.extend(more.map(|(name, value)| metrics::Label::from_static_parts(name, value)));
            Key::from_parts(metric.name(), labels)
        }
    }

    /// Tells the recorder that is installed the units and meanings of the layer's metrics; they are recorded without it.
    pub fn describe_metrics() {
        use Metric::{
            Attempts, Budget, Calls, InDoubt, Replays, Retries, Rotations, Verdicts, Wait, WindowLimit, WindowWait,
        };
        for metric in [Calls, Attempts, Retries, InDoubt, Rotations, Verdicts, Replays] {
            describe_counter!(metric.name(), Unit::Count, metric.what());
        }
        for metric in [Wait, WindowWait] {
            describe_histogram!(metric.name(), Unit::Seconds, metric.what());
        }
        for metric in [WindowLimit, Budget] {
            describe_gauge!(metric.name(), Unit::Count, metric.what());
        }
    }

    /// The recorder, looked for once for all that is told at one moment.
    pub(crate) struct Listener<'a> {
        recorder: &'a dyn Recorder,
        about: About<'a>,
    }

    pub(crate) fn tell(about: About<'_>, what: impl FnOnce(&Listener<'_>)) {
        with_recorder(|recorder| what(&Listener { recorder, about }));
    }

    impl Listener<'_> {
        pub(crate) fn count(&self, metric: Metric, more: Label) {
            self.recorder.register_counter(&self.key(metric, more), &METADATA).increment(1);
        }

        pub(crate) fn time(&self, metric: Metric, more: Label, time: Duration) {
            self.recorder.register_histogram(&self.key(metric, more), &METADATA).record(time.as_secs_f64());
        }

        fn key(&self, metric: Metric, more: Label) -> Arc<Key> {
            self.about.service.meters().key((metric, self.about.effect, more))
        }

        /// Budget and window, as they are now.
        pub(crate) fn levels(&self) {
            let set = |key, value| self.recorder.register_gauge(key, &METADATA).set(value);
            let service: &Service = self.about.service;
            set(&service.meters().budget, f64::from(service.budget().tokens()));
            if let Some(gates) = service.gates() {
                // A window has at most as many places as fit into 32 bits.
                set(&service.meters().window, gates.read().limit as f64);
            }
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod facade {
    use std::{borrow::Cow, marker::PhantomData};

    use super::{About, Duration, Label, Metric};

    #[derive(Debug)]
    pub(crate) struct Meters;

    impl Meters {
        pub(crate) fn new(_: Cow<'static, str>) -> Self {
            Self
        }
    }

    pub(crate) struct Listener<'a>(PhantomData<About<'a>>);

    pub(crate) fn tell(_: About<'_>, _: impl FnOnce(&Listener<'_>)) {}

    impl Listener<'_> {
        pub(crate) fn count(&self, _: Metric, _: Label) {}

        pub(crate) fn time(&self, _: Metric, _: Label, _: Duration) {}

        pub(crate) fn levels(&self) {}
    }
}

pub(crate) use facade::Meters;
#[cfg(feature = "metrics")]
pub use facade::describe_metrics;
pub(super) use facade::{Listener, tell};
