//! The one file that names `metrics`. Without the feature nothing is left of what is in it.

use std::time::Duration;

use crate::decide::effect::Effect;

/// What every metric of a call is labelled with.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) struct Labels<'a> {
    pub(crate) effect: Effect,
    pub(crate) instruments: &'a Instruments,
}

/// What the gauges of a service show.
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) struct Levels {
    /// `None` where each host has its own; so is the next, which is also `None` without a limit.
    pub(crate) retry_budget: Option<u32>,
    pub(crate) concurrency_limit: Option<usize>,
}

/// What tells the values of a metric apart, beside service and effect.
pub(super) type Label = Option<(&'static str, &'static str)>;

/// What is counted or measured; the table in the documentation of [`telemetry`](super) has each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(super) enum Metric {
    Calls,
    Attempts,
    AttemptDuration,
    Retries,
    Wait,
    InDoubt,
    Rotations,
    Verdicts,
    Replays,
    QueueWait,
    ConcurrencyLimit,
    RetryBudget,
}

#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
impl Metric {
    /// How many metrics have the label `effect`: all but the gauges, which come last.
    const WITH_EFFECT: usize = Self::ConcurrencyLimit as usize;

    const fn name(self) -> &'static str {
        match self {
            Self::Calls => "safe_retry_calls_total",
            Self::Attempts => "safe_retry_attempts_total",
            Self::AttemptDuration => "safe_retry_attempt_duration_seconds",
            Self::Retries => "safe_retry_retries_total",
            Self::Wait => "safe_retry_wait_seconds",
            Self::InDoubt => "safe_retry_in_doubt_total",
            Self::Rotations => "safe_retry_rotations_total",
            Self::Verdicts => "safe_retry_verdicts_total",
            Self::Replays => "safe_retry_replays_total",
            Self::QueueWait => "safe_retry_queue_wait_seconds",
            Self::ConcurrencyLimit => "safe_retry_concurrency_limit",
            Self::RetryBudget => "safe_retry_budget_tokens",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Calls => "calls that ended",
            Self::Attempts => "attempts that ended",
            Self::AttemptDuration => "time from sending an attempt to its response head or failure",
            Self::Retries => "repeats that were sent",
            Self::Wait => "waits between attempts",
            Self::InDoubt => "calls that ended in doubt",
            Self::Rotations => "new keys sent",
            Self::Verdicts => "verdicts of verifiers",
            Self::Replays => "responses marked as stored ones",
            Self::QueueWait => "waits in the queue of the concurrency limit",
            Self::ConcurrencyLimit => {
                "how many attempts may be in flight; absent without a limit, and where each host has its own"
            }
            Self::RetryBudget => "what is left of the retry budget; absent where each host has its own",
        }
    }
}

#[cfg(feature = "metrics")]
mod facade {
    use std::{borrow::Cow, sync::OnceLock};

    use metrics::{Key, Level, Metadata, Unit, describe_counter, describe_gauge, describe_histogram, with_recorder};

    use super::{Duration, Effect, Label, Labels, Levels, Metric};

    static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

    const EFFECTS: usize = Effect::Write as usize + 1;

    /// The keys of a service's metrics, each made when it is first recorded: a key owns its labels.
    #[derive(Debug)]
    pub(crate) struct Instruments {
        service: Cow<'static, str>,
        retry_budget: Key,
        concurrency_limit: Key,
        /// By effect, then by metric.
        made: [[Made; Metric::WITH_EFFECT]; EFFECTS],
    }

    /// A list of the keys of one metric and effect, one for each value of the label. The first is nearly always the one that
    /// is looked for. The list is read without a lock, and nothing is ever removed.
    #[derive(Debug, Default)]
    struct Made(OnceLock<Box<(Label, Key, Made)>>);

    /// Labels are compared by the addresses of their values, which is fast: a text that the program has twice has two equal
    /// keys. The name of the label follows from the metric.
    fn is_same(one: Label, other: Label) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some((_, one)), Some((_, other))) => std::ptr::eq(one, other),
            _ => false,
        }
    }

    impl Instruments {
        pub(crate) fn new(service: Cow<'static, str>) -> Self {
            let of_service =
                |metric: Metric| Key::from_parts(metric.name(), vec![metrics::Label::new("service", service.clone())]);
            let (retry_budget, concurrency_limit) =
                (of_service(Metric::RetryBudget), of_service(Metric::ConcurrencyLimit));
            Self { service, retry_budget, concurrency_limit, made: Default::default() }
        }

        fn key(&self, effect: Effect, metric: Metric, label: Label) -> &Key {
            let mut made = &self.made[effect as usize][metric as usize];
            loop {
                // Another thread may have added another one here meanwhile.
                let (one, key, more) =
                    &**made.0.get_or_init(|| Box::new((label, self.new_key(effect, metric, label), Made::default())));
                if is_same(*one, label) {
                    return key;
                }
                made = more;
            }
        }

        fn new_key(&self, effect: Effect, metric: Metric, label: Label) -> Key {
            let mut labels = Vec::with_capacity(3);
            labels.push(metrics::Label::new("service", self.service.clone()));
            labels.push(metrics::Label::from_static_parts("effect", effect.as_str()));
            labels.extend(label.map(|(name, value)| metrics::Label::from_static_parts(name, value)));
            Key::from_parts(metric.name(), labels)
        }
    }

    /// Gives the units and descriptions of the layer's metrics to the installed recorder; they are recorded without it.
    pub fn describe_metrics() {
        use Metric::{
            AttemptDuration, Attempts, Calls, ConcurrencyLimit, InDoubt, QueueWait, Replays, Retries, RetryBudget,
            Rotations, Verdicts, Wait,
        };
        for metric in [Calls, Attempts, Retries, InDoubt, Rotations, Verdicts, Replays] {
            describe_counter!(metric.name(), Unit::Count, metric.description());
        }
        for metric in [AttemptDuration, Wait, QueueWait] {
            describe_histogram!(metric.name(), Unit::Seconds, metric.description());
        }
        for metric in [ConcurrencyLimit, RetryBudget] {
            describe_gauge!(metric.name(), Unit::Count, metric.description());
        }
    }

    /// The installed recorder, looked up once for all that is recorded at one moment.
    pub(crate) struct Sink<'a> {
        recorder: &'a dyn metrics::Recorder,
        labels: Labels<'a>,
    }

    pub(crate) fn record(labels: Labels<'_>, what: impl FnOnce(&Sink<'_>)) {
        with_recorder(|recorder| what(&Sink { recorder, labels }));
    }

    impl Sink<'_> {
        pub(crate) fn count(&self, metric: Metric, more: Label) {
            self.recorder.register_counter(self.key(metric, more), &METADATA).increment(1);
        }

        pub(crate) fn time(&self, metric: Metric, more: Label, time: Duration) {
            self.recorder.register_histogram(self.key(metric, more), &METADATA).record(time.as_secs_f64());
        }

        fn key(&self, metric: Metric, more: Label) -> &Key {
            self.labels.instruments.key(self.labels.effect, metric, more)
        }

        /// Retry budget and concurrency limit, as they are now.
        pub(crate) fn levels(&self, levels: impl FnOnce() -> Levels) {
            let Levels { retry_budget, concurrency_limit } = levels();
            let set = |key, value| self.recorder.register_gauge(key, &METADATA).set(value);
            if let Some(tokens) = retry_budget {
                set(&self.labels.instruments.retry_budget, f64::from(tokens));
            }
            if let Some(limit) = concurrency_limit {
                // A limit fits into 32 bits.
                set(&self.labels.instruments.concurrency_limit, limit as f64);
            }
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod facade {
    use std::{borrow::Cow, marker::PhantomData};

    use super::{Duration, Label, Labels, Levels, Metric};

    #[derive(Debug)]
    pub(crate) struct Instruments;

    impl Instruments {
        pub(crate) fn new(_: Cow<'static, str>) -> Self {
            Self
        }
    }

    pub(crate) struct Sink<'a>(PhantomData<Labels<'a>>);

    pub(crate) fn record(_: Labels<'_>, _: impl FnOnce(&Sink<'_>)) {}

    impl Sink<'_> {
        pub(crate) fn count(&self, _: Metric, _: Label) {}

        pub(crate) fn time(&self, _: Metric, _: Label, _: Duration) {}

        pub(crate) fn levels(&self, _: impl FnOnce() -> Levels) {}
    }
}

pub(crate) use facade::Instruments;
#[cfg(feature = "metrics")]
pub use facade::describe_metrics;
pub(super) use facade::{Sink, record};
