//! The metrics of the layer, counted and measured as an observer of every call.

use std::time::Duration;

use super::{
    instruments::{self, Labels, Metric, Sink},
    names,
};
use crate::{
    attempts::VerdictKind,
    decide::{decision::Decision, stop::Applied},
    observer::{AttemptFacts, CallFacts, CallOutcome, EndFacts, Observer, RetryFacts, RotationFacts},
};

/// Records what it sees of calls through the `metrics` facade; nothing without the feature.
pub(super) struct Metrics;

impl Observer for Metrics {
    fn on_attempt(&self, call: &CallFacts<'_>, attempt: &AttemptFacts<'_>) {
        let label = Some(("outcome", names::attempt_outcome(attempt.outcome)));
        record(call, |sink| {
            record_queue(sink, attempt.queued);
            sink.count(Metric::Attempts, label);
            sink.time(Metric::AttemptDuration, label, attempt.duration);
            if attempt.replayed {
                sink.count(Metric::Replays, None);
            }
            let Some(step) = attempt.step else { return };
            sink.levels(|| call.service.levels());
            if let Decision::Retry { delay, .. } = &step.decision {
                sink.time(Metric::Wait, Some(("reason", step.class.as_str())), *delay);
            }
        });
    }

    fn on_retry(&self, call: &CallFacts<'_>, retry: &RetryFacts) {
        record(call, |sink| sink.count(Metric::Retries, Some(("reason", retry.reason.as_str()))));
    }

    fn on_rotate(&self, call: &CallFacts<'_>, _: &RotationFacts) {
        record(call, |sink| sink.count(Metric::Rotations, None));
    }

    fn on_end(&self, call: &CallFacts<'_>, end: &EndFacts<'_>) {
        record(call, |sink| {
            record_queue(sink, end.queued);
            sink.count(Metric::Calls, Some(("outcome", end.outcome.as_str())));
            if let Some(error) = end.error.filter(|error| error.applied() == Applied::Unknown) {
                sink.count(Metric::InDoubt, Some(("reason", error.stop().as_str())));
            }
            if end.outcome != CallOutcome::Cancelled {
                sink.levels(|| call.service.levels());
            }
        });
    }
}

impl Metrics {
    pub(super) fn on_verdict(&self, call: &CallFacts<'_>, verdict: VerdictKind) {
        record(call, |sink| sink.count(Metric::Verdicts, Some(("verdict", verdict.as_str()))));
    }
}

fn record(call: &CallFacts<'_>, what: impl FnOnce(&Sink<'_>)) {
    instruments::record(Labels { effect: call.effect, instruments: call.service.instruments() }, what);
}

fn record_queue(sink: &Sink<'_>, queued: Option<Duration>) {
    if let Some(queued) = queued {
        sink.time(Metric::QueueWait, None, queued);
    }
}
