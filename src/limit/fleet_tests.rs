//! The rules of a limit that processes share, by numbers alone.

use std::time::Duration;

use super::{
    fleet_state::FleetState,
    shared_limit::{LimitReport, LimitShare},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn report(process: u64, waiting: usize) -> LimitReport {
    LimitReport { waiting, round_trip: MS(20), ..LimitReport::new("service", process) }
}

fn accepted(process: u64, waiting: usize, accepted: u32) -> LimitReport {
    LimitReport { accepted, last_accepted: Some(MS(0)), ..report(process, waiting) }
}

fn refused(process: u64, waiting: usize, refused: u32) -> LimitReport {
    LimitReport { refused, last_refused: Some(MS(0)), ..report(process, waiting) }
}

/// A state of two processes, of which one was refused after 1,000 were accepted in a second.
fn limited() -> FleetState {
    let mut state = FleetState::default();
    for step in 0..10_u32 {
        state.publish(1.0 + 100.0 * f64::from(step), &accepted(1, 1000, 100));
        state.publish(2.0 + 100.0 * f64::from(step), &report(2, 1000));
    }
    state.publish(1001.0, &refused(1, 1000, 100));
    state.publish(1002.0, &report(2, 1000));
    state.publish(1101.0, &accepted(1, 1000, 10));
    state
}

fn rate(share: &LimitShare) -> f64 {
    share.rate.unwrap()
}

#[test]
fn open_limit_opens_while_calls_wait() {
    let mut state = FleetState::default();
    let first = state.publish(1.0, &report(1, 100));
    assert!(rate(&first) <= 320.0, "{first:?}");
    let opened = (1..20).map(|step| state.publish(1.0 + 100.0 * f64::from(step), &report(1, 10_000))).last().unwrap();
    assert_eq!(opened, LimitShare::new(MS(200)), "nothing is refused: no process is paced");
    // Who comes now is not paced either.
    assert_eq!(state.publish(2000.0, &report(2, 100)).rate, None);
}

/// Of callers that make one call after the other only a few wait, however slow the pace is.
#[test]
fn rate_grows_for_few_once_nothing_is_refused_any_more() {
    for (waiting, grows) in [(5, true), (1, false)] {
        let mut state = FleetState::default();
        for step in 0..10_u32 {
            state.publish(1.0 + 100.0 * f64::from(step), &accepted(1, 1000, 100));
        }
        state.publish(1001.0, &refused(1, 1000, 100));
        let rates: Vec<f64> = (11..80)
            .map(|step| rate(&state.publish(1.0 + 100.0 * f64::from(step), &accepted(1, waiting, 50))))
            .collect();
        assert_eq!(rates[68] > 2.0 * rates[0], grows, "{rates:?}");
        assert!(rates[15] < 1.1 * rates[0], "not within two seconds of the refusals: {rates:?}");
    }
}

#[test]
fn refusals_of_one_pace_all() {
    let mut state = limited();
    let shares = [state.publish(1200.0, &report(1, 1000)), state.publish(1201.0, &report(2, 1000))];
    let both = rate(&shares[0]) + rate(&shares[1]);
    assert!((900.0..=1010.0).contains(&both), "{shares:?}");
    assert!((rate(&shares[0]) - rate(&shares[1])).abs() < 1.0, "{shares:?}");
}

#[test]
fn process_that_wants_less_leaves_the_rest_to_others() {
    let mut state = limited();
    for now in [1200.0, 1300.0, 1400.0] {
        state.publish(now, &report(1, 1000));
        state.publish(now + 1.0, &report(2, 0));
    }
    let (busy, idle) = (state.publish(1500.0, &report(1, 1000)), state.publish(1501.0, &report(2, 0)));
    assert!(rate(&busy) > 900.0 && rate(&idle) < 100.0, "{busy:?} {idle:?}");
    // Its demand is met up to an equal part at once, and then in full.
    let next = state.publish(1502.0, &report(2, 1000));
    assert!((rate(&next) - (rate(&busy) + rate(&idle)) / 2.0).abs() < 60.0 && next.next_report == MS(100), "{next:?}");
}

#[test]
fn limit_closes_when_nothing_is_accepted_and_one_process_probes() {
    let mut state = limited();
    for now in [1200.0, 1300.0] {
        state.publish(now, &refused(1, 1000, 10));
    }
    let shares = [state.publish(1400.0, &report(1, 1000)), state.publish(1401.0, &report(2, 1000))];
    assert!(shares.iter().all(|share| share.closed), "{shares:?}");
    assert_eq!(shares.iter().filter(|share| share.probe).count(), 1, "{shares:?}");
    let open = state.publish(1450.0, &accepted(1, 1000, 1));
    assert!(!open.closed && rate(&open) > 0.0, "{open:?}");
}

#[test]
fn pause_holds_the_probe_of_all() {
    let mut state = limited();
    let pause = Some(MS(5000));
    state.publish(1200.0, &LimitReport { pause, ..refused(1, 1000, 20) });
    let closed = state.publish(1300.0, &LimitReport { pause, ..refused(1, 1000, 20) });
    assert!(closed.closed && closed.pause.unwrap() > MS(4000), "{closed:?}");
    assert!(!state.publish(4000.0, &report(2, 1000)).probe);
}

#[test]
fn wiped_store_takes_up_what_the_processes_hold() {
    let mut state = FleetState::default();
    let held = |process| LimitReport { rate: 250.0, ..report(process, 1000) };
    let shares: Vec<_> = (0..4).map(|process| state.publish(1.0, &held(process))).collect();
    assert!(shares.iter().all(|share| share.rate == Some(250.0)), "{shares:?}");
    let shares: Vec<_> = (0..4).map(|process| state.publish(301.0, &held(process))).collect();
    assert!(shares.iter().all(|share| (rate(share) - 250.0).abs() < 1.0), "{shares:?}");
}

#[test]
fn process_that_has_gone_leaves_its_share() {
    let mut state = limited();
    let alone = (0..30).map(|step| state.publish(1200.0 + 100.0 * f64::from(step), &report(1, 1000))).last().unwrap();
    assert!(rate(&alone) > 900.0, "{alone:?}");
}

#[test]
fn limit_that_nobody_needs_any_more_ends() {
    let mut state = limited();
    let shares: Vec<_> =
        (0..60).map(|step| state.publish(1200.0 + 200.0 * f64::from(step), &accepted(1, 0, 1))).collect();
    assert!(shares[0].rate.is_some());
    let fast =
        (0..20).map(|step| state.publish(20_000.0 + 100.0 * f64::from(step), &report(1, 10_000))).last().unwrap();
    assert_eq!(fast.rate, None);
}

#[test]
fn open_limit_doubles_in_its_time() {
    let mut state = FleetState::default();
    state.publish(1.0, &report(1, 10_000));
    let opened = rate(&state.publish(101.0, &report(1, 10_000)));
    assert!((opened - 320.0 * (100.0_f64 / 180.0).exp2()).abs() < 0.1, "{opened}");
}

/// After short refusals the best second is what the service takes; after long ones that may be long ago.
#[test]
fn best_second_counts_after_short_refusals() {
    let after = |refusals: u32| {
        let mut state = limited();
        for process in [1, 2] {
            state.publish(1150.0, &report(process, 100));
        }
        let mut times = (12..).map(|step| 100.0 * f64::from(step));
        for now in times.by_ref().take(10) {
            state.publish(now, &accepted(1, 100, 100));
        }
        for now in times.by_ref().take(refusals as usize) {
            state.publish(now, &refused(1, 100, 20));
        }
        let now = times.next().unwrap();
        state.publish(now, &accepted(1, 100, 1));
        rate(&state.publish(now + 60.0, &report(2, 100))) + rate(&state.publish(now + 120.0, &report(1, 100)))
    };
    let (short, long) = (after(8), after(20));
    assert!((900.0..1010.0).contains(&short) && (700.0..820.0).contains(&long), "{short}, {long}");
}

/// Calls that wait need the limit, and so may those that find the service unavailable.
#[test]
fn limit_that_is_needed_stays_without_refusals() {
    let waiting = accepted(1, 1000, 100);
    let failing = LimitReport { unavailable: 1, last_refused: Some(MS(0)), ..accepted(1, 0, 1) };
    for report in [waiting, failing] {
        let mut state = limited();
        let last = (0..100).map(|step| state.publish(1200.0 + 200.0 * f64::from(step), &report)).last().unwrap();
        assert!(last.rate.is_some() && last.next_report == MS(200), "it is as it was: {last:?}");
    }
}

/// Successes that an earlier report has counted already say nothing about now.
#[test]
fn success_that_is_not_counted_does_not_reopen() {
    let mut state = limited();
    let refused = LimitReport { last_accepted: Some(MS(0)), ..refused(1, 1000, 20) };
    let closed = (0..5).map(|step| state.publish(1200.0 + 100.0 * f64::from(step), &refused)).last().unwrap();
    assert!(closed.closed, "{closed:?}");
}

#[test]
fn more_processes_than_fit_get_what_is_left() {
    let mut state = FleetState::default();
    let last = (0..12_000).map(|process| state.publish(1.0, &report(process, 1))).last().unwrap();
    assert!(rate(&last) >= 0.0 && rate(&last).is_finite(), "{last:?}");
}

/// Two processes that send all that their shares allow, of which 3 % are refused whatever the rate.
#[test]
fn stray_refusals_do_not_slow_a_fleet_down() {
    let mut state = limited();
    let mut random = fastrand::Rng::with_seed(7);
    let mut sent = [50_u32; 2];
    for step in 0..600_u32 {
        let now = 1200.0 + 100.0 * f64::from(step);
        for (process, sent) in (1..).zip(&mut sent) {
            let refused = (0..*sent).filter(|_| random.u32(..100) < 3).count() as u32;
            let report = LimitReport {
                refused,
                last_refused: (refused > 0).then(|| MS(if random.u32(..100) < 3 { 0 } else { 50 })),
                last_accepted: Some(MS(1)),
                ..accepted(process, 1000, *sent - refused)
            };
            *sent = (rate(&state.publish(now, &report)) / 10.0) as u32;
        }
    }
    assert!(sent.iter().sum::<u32>() > 80, "{sent:?}");
}
