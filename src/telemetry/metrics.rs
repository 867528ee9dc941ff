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
    use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

    use super::{
        ATTEMPTS, About, BUDGET, CALLS, Duration, IN_DOUBT, Metric, REPLAYS, RETRIES, ROTATIONS, Service, VERDICTS,
        WAIT, WINDOW_LIMIT, WINDOW_WAIT,
    };
    use crate::telemetry::names;

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

    fn labels(about: About<'_>, more: super::Label) -> Vec<Label> {
        let mut labels = Vec::with_capacity(3);
        labels.push(Label::new("service", about.service.shared_name()));
        labels.push(Label::from_static_parts("effect", names::effect(about.effect)));
        labels.extend(more.map(|(name, value)| Label::from_static_parts(name, value)));
        labels
    }

    pub(crate) fn count(metric: Metric, about: About<'_>, more: super::Label) {
        counter!(metric.name, labels(about, more)).increment(1);
    }

    pub(crate) fn observe(metric: Metric, about: About<'_>, more: super::Label, time: Duration) {
        histogram!(metric.name, labels(about, more)).record(time.as_secs_f64());
    }

    /// Budget and window, as they are now.
    pub(crate) fn measure(service: &Service) {
        let labels = || vec![Label::new("service", service.shared_name())];
        gauge!(BUDGET.name, labels()).set(f64::from(service.budget().tokens()));
        if let Some(gates) = service.gates() {
            // A window has at most as many places as fit into 32 bits.
            gauge!(WINDOW_LIMIT.name, labels()).set(gates.read().limit as f64);
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod facade {
    use super::{About, Duration, Label, Metric, Service};

    pub(crate) fn count(_: Metric, _: About<'_>, _: Label) {}

    pub(crate) fn observe(_: Metric, _: About<'_>, _: Label, _: Duration) {}

    pub(crate) fn measure(_: &Service) {}
}

#[cfg(feature = "metrics")]
pub use facade::describe_metrics;
pub(super) use facade::{count, measure, observe};
