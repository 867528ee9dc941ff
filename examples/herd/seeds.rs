//! The figures of one policy over several seeds.

use crate::measure::Figures;

/// The median and the worst of each figure. The two figures of a pair need not be of the same seed.
#[derive(Clone, Debug)]
pub(crate) struct OverSeeds {
    pub(crate) median: Figures,
    /// `None` if there is one seed only.
    pub(crate) worst: Option<Figures>,
}

impl OverSeeds {
    /// `None` without figures.
    pub(crate) fn new(all: &[Figures]) -> Option<Self> {
        let median = at(all, all.len() / 2)?;
        let worst = if all.len() > 1 { at(all, all.len() - 1) } else { None };
        Some(Self { median, worst })
    }
}

/// Each figure where it is worse than in `place` other seeds, or as bad.
fn at(all: &[Figures], place: usize) -> Option<Figures> {
    let most = |figure: fn(&Figures) -> Option<f64>| pick(all, place, figure, |value| value.unwrap_or(f64::INFINITY));
    let whole = |figure: fn(&Figures) -> u64| pick(all, place, figure, |value| *value as f64);
    let late = |figure: fn(&Figures) -> Option<u64>| {
        pick(all, place, figure, |value| value.map_or(f64::INFINITY, |value| value as f64))
    };
    let least = |figure: fn(&Figures) -> Option<f64>| pick(all, place, figure, |value| -value.unwrap_or_default());
    let seconds = 0..all.first()?.goodput.len();
    Some(Figures {
        requests_per_success: most(|figures| figures.requests_per_success)?,
        time_ratio: most(|figures| figures.time_ratio)?,
        failed_pct: pick(all, place, |figures| figures.failed_pct, |value| *value)?,
        peak_100ms: whole(|figures| figures.peak_100ms)?,
        fairness: most(|figures| figures.fairness)?,
        in_doubt: whole(|figures| figures.in_doubt)?,
        p50_ms: late(|figures| figures.p50_ms)?,
        last_start_ms: late(|figures| figures.last_start_ms)?,
        goodput: seconds
            .map(|second| pick(all, place, |figures| figures.goodput[second], |value| -value))
            .collect::<Option<_>>()?,
        goodput_min: least(|figures| figures.goodput_min)?,
        goodput_after: least(|figures| figures.goodput_after)?,
    })
}

fn pick<T>(all: &[Figures], place: usize, figure: impl Fn(&Figures) -> T, badness: impl Fn(&T) -> f64) -> Option<T> {
    let mut values: Vec<T> = all.iter().map(figure).collect();
    values.sort_by(|one, other| badness(one).total_cmp(&badness(other)));
    (place < values.len()).then(|| values.swap_remove(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(requests: Option<f64>, in_doubt: u64, goodput: f64) -> Figures {
        Figures {
            requests_per_success: requests,
            time_ratio: None,
            failed_pct: 0.0,
            peak_100ms: 0,
            fairness: None,
            in_doubt,
            p50_ms: None,
            last_start_ms: None,
            goodput: vec![goodput],
            goodput_min: Some(goodput),
            goodput_after: None,
        }
    }

    #[test]
    fn worst_is_high_but_low_for_goodput() {
        let all = [figures(None, 0, 0.9), figures(Some(1.2), 7, 1.0), figures(Some(1.1), 3, 0.8)];
        let OverSeeds { median, worst } = OverSeeds::new(&all).unwrap();
        let shown = |figures: &Figures| (figures.requests_per_success, figures.in_doubt, figures.goodput_min);
        assert_eq!(shown(&median), (Some(1.2), 3, Some(0.9)));
        let worst = worst.unwrap();
        assert_eq!(shown(&worst), (None, 7, Some(0.8)));
        assert_eq!(worst.goodput, [0.8]);
    }

    #[test]
    fn one_seed_has_no_worst() {
        assert!(OverSeeds::new(&[figures(None, 0, 1.0)]).unwrap().worst.is_none());
    }
}
