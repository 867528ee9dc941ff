use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// Long enough for responses to come out of order.
const ROUND_TRIP: Duration = Duration::from_millis(800);

/// 70 were accepted, and 31 refused, until 610 ms; calls wait.
fn refused() -> Pace {
    let mut cycle = Cycle::new(Duration::ZERO);
    cycle.accept(Duration::ZERO, 70);
    let mut pace = Pace::new(MS(600), MS(590), 50.0, cycle);
    for _ in 0..30 {
        pace.refused(MS(610), MS(590), ROUND_TRIP);
    }
    pace.grow(MS(610), 5, false, ROUND_TRIP);
    pace
}

/// What was sent before the refusals ended, and comes late, is not what ends the cycle.
#[test]
fn cycle_ends_where_the_refusals_have_ended() {
    let mut pace = refused();
    pace.accepted(MS(720), MS(700), 1, ROUND_TRIP);
    pace.refused(MS(730), MS(650), ROUND_TRIP);
    pace.not_refused(MS(750), MS(720));
    assert!(!pace.is_measured(), "a quarter of a round trip has to pass");
    pace.accepted(MS(900), MS(880), 1, ROUND_TRIP);
    // Of 73, two belong to the next cycle.
    let measured = MARGIN * 71.0 / 0.7;
    assert!(pace.is_measured() && (pace.rate() - measured).abs() < 0.01, "{} is not {measured}", pace.rate());
}

#[test]
fn few_outcomes_do_not_end_a_cycle_soon() {
    let ended = |at: u64| {
        let mut pace = Pace::new(MS(0), MS(0), 10.0, Cycle::new(MS(0)));
        pace.refused(MS(300), MS(280), MS(20));
        pace.accepted(MS(at + 20), MS(at), 1, MS(20));
        pace.is_measured()
    };
    assert!(!ended(700) && ended(2_500));
}

/// Below what the service has proven to take, a few that wait are enough for the rate to grow.
#[test]
fn rate_below_what_is_proven_grows_for_few() {
    for (proven, grown) in [(200.0, true), (100.0, false)] {
        let mut pace = Pace { proven, measured: 1, overloaded: MS(500), ..refused() };
        pace.rate = 100.0;
        pace.grow(MS(2_000), 2, false, MS(20));
        assert_eq!(pace.rate() > 100.0, grown, "{proven}");
    }
}

/// A queue that is empty when growth is due does not put it off for another interval.
#[test]
fn growth_that_is_due_comes_with_the_next_that_wait() {
    let mut pace = Pace::new(MS(0), MS(0), 100.0, Cycle::new(MS(0)));
    pace.cycle.accept(MS(10), 50);
    for (at, waiting, rate) in [(240, 5, 100.0), (260, 0, 100.0), (270, 5, 150.0), (280, 5, 150.0), (530, 5, 225.0)] {
        pace.grow(MS(at), waiting, false, MS(20));
        assert_eq!(pace.rate(), rate, "after {at} ms");
    }
}

/// The first refusal after a measurement is one of few attempts, of which one may be refused by chance.
#[test]
fn refusal_soon_after_a_measurement_leaves_the_rate() {
    for (refused, lower) in [(1, false), (3, true)] {
        let mut cycle = Cycle::new(MS(1_000));
        cycle.accept(MS(1_010), 5);
        let mut pace = Pace { was_needed: true, ..Pace::new(MS(1_021), MS(1_018), 1_000.0, cycle) };
        for _ in 1..refused {
            pace.refused(MS(1_021), MS(1_018), MS(5));
        }
        pace.accepted(MS(1_027), MS(1_022), 1, MS(5));
        assert_eq!(pace.rate() < 1_000.0, lower, "{refused} refused: {}", pace.rate());
    }
}

/// The last second counts by itself after short refusals alone: before long ones it may have been another time.
#[test]
fn last_second_counts_after_short_refusals() {
    let measured = |first_refused: u64| {
        let mut cycle = Cycle::new(Duration::ZERO);
        cycle.accept(MS(1_500), 70);
        let mut pace = Pace::new(MS(first_refused), MS(first_refused), 500.0, cycle);
        for _ in 0..30 {
            pace.refused(MS(2_000), MS(1_990), ROUND_TRIP);
        }
        pace.grow(MS(2_000), 5, false, ROUND_TRIP);
        pace.accepted(MS(2_320), MS(2_300), 1, ROUND_TRIP);
        pace.rate()
    };
    let (short, long) = (measured(1_900), measured(100));
    assert!((short - MARGIN * 71.0).abs() < 1.5 && (long - MARGIN * 71.0 / 2.3).abs() < 1.0, "{short}, {long}");
}
