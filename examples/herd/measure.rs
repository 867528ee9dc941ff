//! The figures of a run.

use std::time::Duration;

use crate::{
    model::{heavy_seconds, light_seconds, possible},
    run::Run,
    scenario::Scenario,
};

/// The interval of the largest burst.
const BURST: Duration = Duration::from_millis(100);

/// The figures of a run. Most are `None` if no call succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// All requests that reached the service, over the calls that succeeded.
    pub(crate) requests_per_success: Option<f64>,
    /// When the last call ended, over the earliest moment at which as many could have succeeded.
    pub(crate) time_ratio: Option<f64>,
    /// Calls that failed, of all calls.
    pub(crate) failed_pct: f64,
    /// The most requests in any interval of 100 ms.
    pub(crate) peak_100ms: u64,
    /// How long calls took that succeeded: the 99th percentile over the median.
    pub(crate) fairness: Option<f64>,
    /// Calls that failed and may have taken effect.
    pub(crate) in_doubt: u64,
    /// How long calls took that succeeded: the median.
    pub(crate) p50_ms: Option<u64>,
    /// When the last request reached the service.
    pub(crate) last_start_ms: Option<u64>,
    /// For each second of a model with deadlines: calls that ended in it with a success, over those that could have.
    pub(crate) goodput: Vec<f64>,
    /// The lowest second of too many calls, without the first.
    pub(crate) goodput_min: Option<f64>,
    /// The lowest of the seconds that begin 1 s after there were too many calls, or later.
    pub(crate) goodput_after: Option<f64>,
}

impl Scenario {
    pub(crate) fn figures(self, run: &Run) -> Figures {
        let mut waits: Vec<Duration> =
            run.endings.iter().filter(|call| call.succeeded()).map(|call| call.ended - call.came).collect();
        waits.sort_unstable();
        let (calls, successes) = (run.endings.len(), waits.len());
        let floor = self.model.floor(self.calls, successes as u64, self.round_trip);
        let goodput = self.goodput(run);
        let heavy = heavy_seconds(self.calls) as usize;
        Figures {
            requests_per_success: (successes > 0).then(|| run.arrivals.len() as f64 / successes as f64),
            time_ratio: floor.map(|floor| run.finished().as_secs_f64() / floor.as_secs_f64()),
            failed_pct: 100.0 * (calls - successes) as f64 / calls as f64,
            peak_100ms: largest_burst(&run.arrivals) as u64,
            fairness: quantile(&waits, 0.99)
                .zip(quantile(&waits, 0.5))
                .map(|(late, middle)| late.as_secs_f64() / middle.as_secs_f64()),
            in_doubt: run.endings.iter().filter(|call| call.is_in_doubt()).count() as u64,
            p50_ms: quantile(&waits, 0.5).map(milliseconds),
            last_start_ms: run.arrivals.last().copied().map(milliseconds),
            goodput_min: lowest(goodput.iter().take(heavy).skip(1)),
            goodput_after: lowest(goodput.iter().skip(heavy + 1)),
            goodput,
        }
    }

    /// Second by second, to the end of the last whole one in which calls come.
    fn goodput(self, run: &Run) -> Vec<f64> {
        let Some(deadline) = self.model.deadline() else { return Vec::new() };
        let seconds = heavy_seconds(self.calls) + light_seconds(self.calls);
        let mut successes = vec![0_u64; seconds as usize];
        for call in run.endings.iter().filter(|call| call.succeeded() && call.ended <= call.came + deadline) {
            if let Some(second) = successes.get_mut(call.ended.as_secs() as usize) {
                *second += 1;
            }
        }
        (0..seconds).zip(successes).map(|(second, all)| all as f64 / possible(second, self.calls) as f64).collect()
    }
}

fn lowest<'a>(seconds: impl Iterator<Item = &'a f64>) -> Option<f64> {
    seconds.copied().reduce(f64::min)
}

/// The most arrivals in any interval of [`BURST`].
fn largest_burst(arrivals: &[Duration]) -> usize {
    let mut first = 0;
    let mut largest = 0;
    for (last, arrival) in arrivals.iter().enumerate() {
        while arrivals[first] + BURST <= *arrival {
            first += 1;
        }
        largest = largest.max(last - first + 1);
    }
    largest
}

fn quantile(sorted: &[Duration], share: f64) -> Option<Duration> {
    let place = (sorted.len().checked_sub(1)? as f64 * share).round();
    sorted.get(place as usize).copied()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Model, policies::Policy};

    fn oracle(scenario: Scenario) -> Figures {
        scenario.figures(&scenario.run(Policy::Oracle).unwrap())
    }

    #[test]
    fn oracle_wastes_no_second_with_deadlines() {
        for round_trip in [20, 200].map(Duration::from_millis) {
            let figures = oracle(Scenario { model: Model::Deadline, round_trip, ..Scenario::first(5_000, 1) });
            assert_eq!(figures.goodput.len(), 6);
            assert!(figures.goodput_min >= Some(0.99), "{figures:?}");
            assert!(figures.goodput_after >= Some(0.99), "{figures:?}");
            assert_eq!(figures.in_doubt, 0);
        }
    }

    #[test]
    fn oracle_starts_all_slow_calls_at_once() {
        let figures = oracle(Scenario { model: Model::Slow, ..Scenario::first(1_000, 1) });
        assert_eq!((figures.requests_per_success, figures.time_ratio), (Some(1.0), Some(1.0)));
        assert_eq!(figures.last_start_ms, Some(10));
        assert_eq!(figures.p50_ms, Some(20_020));
    }

    #[test]
    fn oracle_is_the_same_for_a_fleet() {
        let one = Scenario::first(1_500, 1);
        let fleet = oracle(Scenario { processes: 50, ..one });
        assert_eq!(format!("{fleet:?}"), format!("{:?}", oracle(one)));
        assert_eq!(fleet.requests_per_success, Some(1.0));
    }
}
