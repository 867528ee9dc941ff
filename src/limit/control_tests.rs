//! The rules of the limit, by numbers alone.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    concurrency_limit::ConcurrencyLimit,
    control::Control,
    feedback::{Change, Ended, Feedback, Start},
    shared_limit::{LimitReport, LimitShare},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A control, and how many attempts are in flight.
struct Counted {
    control: Control,
    in_flight: usize,
}

impl Counted {
    fn new(limit: &ConcurrencyLimit) -> Self {
        Self { control: Control::new(limit), in_flight: 0 }
    }

    fn start(&mut self, now: Duration) -> Start {
        let start = self.control.start(now, self.in_flight, 1, false);
        self.in_flight += usize::from(matches!(start, Start::Now | Start::Probe));
        start
    }

    fn end(&mut self, now: Duration, sent: Duration, probe: bool, feedback: Feedback) -> Option<Change> {
        let accepted = u32::from(feedback == Feedback::Response);
        self.in_flight -= 1;
        self.control.end(now, &Ended { sent, probe, feedback, in_flight: self.in_flight + 1, accepted })
    }
}

impl std::ops::Deref for Counted {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

fn adaptive() -> Counted {
    Counted::new(&ConcurrencyLimit::Adaptive)
}

/// Starts as many attempts as may start now.
fn start_all(control: &mut Counted, now: Duration) -> usize {
    std::iter::repeat_with(|| control.start(now)).take_while(|start| *start == Start::Now).count()
}

/// One attempt that is sent then, and ends after 20 ms.
fn attempt(control: &mut Counted, sent: Duration, feedback: Feedback) -> Option<Change> {
    assert!(matches!(control.start(sent), Start::Now | Start::Probe), "at {sent:?}");
    control.end(sent + MS(20), sent, control.is_closed(), feedback)
}

#[test]
fn cap_opens_with_time_while_calls_wait() {
    let mut control = adaptive();
    assert_eq!(start_all(&mut control, Duration::ZERO), 16);
    assert_eq!(start_all(&mut control, MS(100)), 16);
    assert_eq!(start_all(&mut control, MS(1000)), 16 * 1024 - 32);
    // Nobody waits any more: it stands still, and shrinks while it is not used.
    control.control.queue_is_empty(MS(1000));
    assert_eq!((control.limit(MS(2000)), control.limit(MS(31_000))), (16 * 1024, 2048));
}

#[test]
fn fixed_limit_is_what_it_says() {
    let mut control = Counted::new(&ConcurrencyLimit::Fixed(2));
    assert_eq!(start_all(&mut control, Duration::ZERO), 2);
    assert_eq!(control.start(MS(60_000)), Start::WhenReleased);
    assert_eq!(control.end(MS(60_000), Duration::ZERO, false, Feedback::Throttled), None);
    assert_eq!(start_all(&mut control, MS(60_000)), 1);
}

#[test]
fn errors_never_open_the_limit() {
    for feedback in [Feedback::NoResponse, Feedback::Unavailable, Feedback::Throttled] {
        let mut control = adaptive();
        let limit = control.limit(Duration::ZERO);
        for number in 0..15 {
            let now = MS(number * 1000);
            if control.start(now) == Start::Now {
                control.end(now + MS(20), now, false, feedback);
            }
            assert!(control.limit(now + MS(20)) <= limit, "{feedback:?}");
        }
    }
}

#[test]
fn refusal_paces_the_starts() {
    let mut control = adaptive();
    for number in 0..100 {
        attempt(&mut control, MS(number * 20), Feedback::Response);
    }
    attempt(&mut control, MS(2000), Feedback::Throttled);
    // One in flight at a time is 50 a second.
    let (mut started, mut now) = (0, MS(2020));
    while now < MS(2220) {
        match control.start(now) {
            Start::Now => started += 1,
            Start::At(at) => now = at,
            other => panic!("{other:?}"),
        }
    }
    assert!((8..=12).contains(&started), "{started}");
}

#[test]
fn run_of_refusals_closes_and_one_success_reopens() {
    let mut control = adaptive();
    for number in 0..100 {
        attempt(&mut control, MS(number * 20), Feedback::Response);
    }
    let mut now = MS(2000);
    let closed = (0..20).find_map(|_| {
        while let Start::At(at) = control.start(now) {
            now = at;
        }
        now += MS(20);
        control.end(now, now - MS(20), false, Feedback::Throttled)
    });
    assert_eq!((closed, control.is_closed()), (Some(Change::Closed), true));
    let mut probe = |feedback| {
        while let Start::At(at) = control.start(now) {
            now = at;
        }
        assert_eq!(control.start(now), Start::At(now + MS(5000)), "one at a time");
        now += MS(20);
        control.end(now, now - MS(20), true, feedback)
    };
    assert_eq!([probe(Feedback::Throttled), probe(Feedback::NoResponse)], [None, None]);
    assert_eq!(probe(Feedback::Response), Some(Change::Reopened));
}

/// Six that call one after the other are fewer than the starts of a second, and each waits for the pace.
#[test]
fn pace_after_a_stray_refusal_grows_for_a_few_that_wait() {
    let mut control = adaptive();
    attempt(&mut control, Duration::ZERO, Feedback::Throttled);
    let (mut now, mut started) = (MS(20), 0);
    while now < MS(30_000) {
        match control.control.start(now, 0, 6, false) {
            Start::At(at) => now = at,
            _ => {
                started += 1;
                let ended = Ended { sent: now, probe: false, feedback: Feedback::Response, in_flight: 1, accepted: 1 };
                control.control.end(now + MS(5), &ended);
            }
        }
    }
    assert!(started > 10_000, "{started}");
}

#[test]
fn unavailable_service_closes_after_many_in_a_row() {
    let mut control = adaptive();
    for number in 0..15 {
        assert_eq!(attempt(&mut control, MS(number * 20), Feedback::Unavailable), None);
    }
    assert_eq!(attempt(&mut control, MS(400), Feedback::Response), None);
    for number in 0..15 {
        assert_eq!(attempt(&mut control, MS(500 + number * 20), Feedback::Unavailable), None);
    }
    assert_eq!(attempt(&mut control, MS(1000), Feedback::Unavailable), Some(Change::Closed));
    // After an outage of a service that has refused nothing it opens from one on.
    let back = MS(60_000);
    assert_eq!(control.start(back), Start::Probe);
    assert_eq!(control.end(back + MS(20), back, true, Feedback::Response), Some(Change::Reopened));
    assert_eq!(control.limit(back + MS(20)), 1);
}

/// Makes up for the time between the service's recovery and the probe that noticed it.
#[test]
fn starts_catch_up_after_the_limit_was_closed() {
    let mut pace = super::pace::Pace::new(Duration::ZERO, Duration::ZERO, 100.0, super::cycle::Cycle::new(MS(0)));
    let mut starts_from = |from: u64| (from..from + 100).filter(|at| pace.start(MS(*at)).is_ok()).count();
    assert_eq!(starts_from(0), 10);
    pace.catch_up(MS(100), MS(500));
    let mut starts_from = |from: u64| (from..from + 100).filter(|at| pace.start(MS(*at)).is_ok()).count();
    assert_eq!((starts_from(100), starts_from(200)), (20, 10), "for 100 ms at most");
}

/// Random faults that are no overload.
#[test]
fn scattered_failures_do_not_slow_down() {
    let mut control = adaptive();
    for number in 0..1000_u64 {
        let feedback = if number % 3 == 0 { Feedback::Unavailable } else { Feedback::Response };
        assert_eq!(attempt(&mut control, MS(number * 20), feedback), None);
    }
    assert_eq!(control.limit(MS(20_000)), 16);
}

#[test]
fn pace_ends_when_it_is_needless() {
    let mut control = adaptive();
    attempt(&mut control, Duration::ZERO, Feedback::Response);
    attempt(&mut control, MS(20), Feedback::Throttled);
    assert!(control.is_limited());
    assert_eq!(start_all(&mut control, MS(10_050)), 16, "nothing was refused for ten seconds, and nobody waits");
    assert!(!control.is_limited());
}

/// 500 a second, 20 ms each: ten are sent before the first response comes, and the second one is a refusal.
#[test]
fn early_refusal_says_little_of_what_has_no_response_yet() {
    let mut control = adaptive();
    for now in (0..24).step_by(2).map(MS) {
        assert_eq!(control.start(now), Start::Now, "at {now:?}");
        if let Some(sent) = now.checked_sub(MS(20)) {
            let feedback = if sent.is_zero() { Feedback::Response } else { Feedback::Throttled };
            control.end(now, sent, false, feedback);
        }
    }
    assert!(control.is_limited() && control.time_for(400) < MS(1_000), "{:?}", control.time_for(400));
}

/// The most that wait after 5 s of a minute, of calls that come every 5 ms, to a service that refuses and fails at random,
/// whatever the load. Each attempt needs 20 ms.
fn most_waiting(mut random: fastrand::Rng) -> usize {
    let mut control = adaptive();
    let (mut waiting, mut most_waiting, mut in_flight) = (0, 0, VecDeque::new());
    for now in (0..60_000).map(MS) {
        waiting += usize::from(now.as_millis() % 5 == 0);
        while let Some(&sent) = in_flight.front().filter(|sent| now >= **sent + MS(20)) {
            in_flight.pop_front();
            let feedback = match random.u32(..100) {
                0..3 => Feedback::Throttled,
                3..13 => Feedback::NoResponse,
                13..23 => Feedback::Unavailable,
                _ => Feedback::Response,
            };
            control.end(now, sent, false, feedback);
        }
        while waiting > 0 && control.control.start(now, control.in_flight, waiting, false) == Start::Now {
            (waiting, control.in_flight) = (waiting - 1, control.in_flight + 1);
            in_flight.push_back(now);
        }
        if now > MS(5_000) {
            most_waiting = most_waiting.max(waiting);
        }
    }
    most_waiting
}

#[test]
fn stray_refusals_do_not_slow_down() {
    let mut most: Vec<usize> = (0..20).map(|seed| most_waiting(fastrand::Rng::with_seed(seed))).collect();
    most.sort_unstable();
    assert!(most[10] <= 200 && most[19] <= 700, "{most:?}");
}

/// How many attempts of 64 callers start in so long, each after the one before has ended, at a service that refuses and fails
/// at random, whatever the load. It refuses sooner than it does anything else.
fn started(control: &mut Counted, time: Duration, random: &mut fastrand::Rng) -> usize {
    let (mut waiting, mut started, mut now) = (64, 0, Duration::ZERO);
    let mut in_flight = BTreeMap::new();
    while now < time {
        let next_start = loop {
            match control.control.start(now, control.in_flight, waiting, false) {
                _ if waiting == 0 => break None,
                Start::At(at) => break Some(at),
                Start::WhenReleased => break None,
                start => {
                    (waiting, control.in_flight, started) = (waiting - 1, control.in_flight + 1, started + 1);
                    let (takes, feedback) = match random.u32(..100) {
                        0..3 => (2, Feedback::Throttled),
                        3..9 => (100, Feedback::NoResponse),
                        9..18 => (5, Feedback::Unavailable),
                        18..21 => (45, Feedback::Response),
                        _ => (5, Feedback::Response),
                    };
                    let ends = now + MS(takes) + Duration::from_micros(random.u64(..3_000));
                    in_flight.insert((ends, started), (now, start == Start::Probe, feedback));
                }
            }
        };
        let next_end = in_flight.keys().next().map(|(at, _)| *at);
        now = next_start.into_iter().chain(next_end).min().unwrap_or(time).max(now);
        while let Some(ended) = in_flight.first_entry().filter(|ended| ended.key().0 <= now) {
            let ((at, _), (sent, probe, feedback)) = ended.remove_entry();
            control.end(at, sent, probe, feedback);
            waiting += 1;
        }
    }
    started
}

#[test]
fn stray_refusals_that_come_sooner_than_the_rest_do_not_slow_down() {
    for seed in 0..12 {
        let started = |time| started(&mut adaptive(), time, &mut fastrand::Rng::with_seed(seed));
        let (first_second, all) = (started(MS(1_000)), started(MS(20_000)));
        // About 4,700 a second are possible.
        assert!(first_second > 2_000 && all > 80_000, "seed {seed}: {first_second}, {all}");
    }
}

#[test]
fn store_alone_closes_a_shared_limit() {
    let mut control = adaptive();
    assert!(control.control.join(Duration::ZERO));
    control.control.receive(Duration::ZERO, Some(&LimitShare::new(MS(200))));
    for number in 0..20 {
        assert_eq!(attempt(&mut control, MS(number * 20), Feedback::Unavailable), None);
    }
    let closed = LimitShare { closed: true, ..LimitShare::new(MS(200)) };
    assert_eq!(control.control.receive(MS(420), Some(&closed)), Some(Change::Closed));
}

#[test]
fn member_of_a_fleet_that_is_not_refused_is_as_open_as_one_alone() {
    let mut control = adaptive();
    control.control.join(Duration::ZERO);
    assert_eq!(control.limit(Duration::ZERO), 1, "until it has its share");
    control.control.receive(MS(10), Some(&LimitShare::new(MS(200))));
    assert_eq!(control.limit(MS(10)), 16);
}

#[test]
fn own_pace_stays_and_a_shared_one_ends_where_nothing_is_refused() {
    let open = LimitShare::new(MS(200));
    let mut alone = adaptive();
    attempt(&mut alone, Duration::ZERO, Feedback::Throttled);
    alone.control.join(MS(30));
    alone.control.receive(MS(40), Some(&open));
    assert!(alone.is_limited());
    alone.control.receive(MS(50), Some(&LimitShare { rate: Some(100.0), ..open.clone() }));
    alone.control.receive(MS(60), Some(&open));
    assert!(!alone.is_limited());
}

/// A 500 to a probe shows that the service is reachable. A 500 to another attempt says nothing about the limit.
#[test]
fn own_error_ends_an_outage_of_a_fleet() {
    for (probe, accepted) in [(true, 1), (false, 0)] {
        let mut control = Control::new(&ConcurrencyLimit::Adaptive);
        assert!(control.join(MS(0)));
        control.end(MS(20), &Ended { sent: MS(10), probe, feedback: Feedback::Failed, in_flight: 1, accepted: 0 });
        let mut report = LimitReport::new("service", 1);
        control.report(MS(30), 0, &mut report);
        assert_eq!((report.accepted, report.last_accepted.is_some()), (accepted, probe));
    }
}
