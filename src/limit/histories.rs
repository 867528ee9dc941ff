//! What must hold for every history of calls: random arrivals, durations, outcomes, deadlines, cancellations, hints, and
//! shares of a fleet's limit.

use std::{cell::RefCell, mem, rc::Rc, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{
    arrival::{Arrival, Priority},
    concurrency_limit::ConcurrencyLimit,
    feedback::Feedback,
    limiter::Limiter,
    shared_limit::{LimitReport, LimitShare},
};
use crate::time::{self, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A call: when it comes, how long its attempt takes and how that ends, how much time it has, and when it is dropped.
#[derive(Clone, Debug)]
struct Call {
    comes: u64,
    takes: u64,
    feedback: Feedback,
    hint: Option<u64>,
    timeout: u64,
    dropped: Option<u64>,
    is_write: bool,
}

fn feedback() -> impl Strategy<Value = Feedback> {
    prop_oneof![
        6 => Just(Feedback::Response),
        2 => Just(Feedback::Throttled),
        2 => Just(Feedback::Unavailable),
        1 => Just(Feedback::NoResponse),
    ]
}

prop_compose! {
    fn calls()(
        comes in 0..2_000_u64,
        takes in 1..300_u64,
        feedback in feedback(),
        hint in prop::option::weighted(0.2, prop_oneof![0..3_000_u64, Just(100_000)]),
        timeout in prop_oneof![1..500_u64, 500..20_000_u64],
        dropped in prop::option::weighted(0.2, 0..1_000_u64),
        is_write in any::<bool>(),
    ) -> Call {
        Call { comes, takes, feedback, hint, timeout, dropped, is_write }
    }
}

/// When a store answers, and what; `None` if it does not.
#[derive(Clone, Debug)]
struct Answer {
    after: u64,
    share: Option<LimitShare>,
}

prop_compose! {
    fn answers()(
        after in 0..700_u64,
        rate in prop::option::of(prop_oneof![1.0..2000.0_f64, Just(1e9)]),
        growing in any::<bool>(),
        closed in prop::bool::weighted(0.3),
        probe in any::<bool>(),
        pause in prop::option::weighted(0.2, 0..2_000_u64),
        answers in prop::bool::weighted(0.8),
        next_report in 0..500_u64,
    ) -> Answer {
        let share = LimitShare { rate, growing, closed, probe, pause: pause.map(MS), next_report: MS(next_report) };
        Answer { after, share: answers.then_some(share) }
    }
}

fn limits() -> impl Strategy<Value = ConcurrencyLimit> {
    prop_oneof![3 => Just(ConcurrencyLimit::Adaptive), 1 => (1..4_u32).prop_map(ConcurrencyLimit::Fixed)]
}

/// What is seen of a history while it goes on.
#[derive(Default)]
struct Seen {
    last_start: Option<Instant>,
    late: Vec<String>,
}

/// Runs one call; it never waits longer than its deadline.
async fn run(limiter: Limiter, call: Call, seen: Rc<RefCell<Seen>>) {
    time::sleep(MS(call.comes)).await;
    let began = time::now();
    let priority = if call.is_write { Priority::Write } else { Priority::Read };
    let arrival = Arrival {
        priority,
        began,
        deadline: began.checked_add(MS(call.timeout)),
        is_repeat: false,
        longest_hint: Duration::from_secs(60),
    };
    let attempt = async {
        let Ok(permit) = limiter.acquire(&arrival).await else { return };
        seen.borrow_mut().last_start = Some(time::now());
        time::sleep(MS(call.takes)).await;
        permit.release(call.feedback, time::now());
        if let Some(hint) = call.hint {
            limiter.hint(MS(hint), MS(60_000));
        }
    };
    let longest = call.timeout + call.takes;
    match call.dropped {
        Some(after) if after < longest => drop(time::within(MS(after), attempt).await),
        _ => {
            attempt.await;
            if began.elapsed() > MS(longest) {
                seen.borrow_mut().late.push(format!("{call:?} took {:?}", began.elapsed()));
            }
        }
    }
}

/// The limit is shared from the first answer on, as long as there are some.
async fn answer(limiter: Limiter, answers: Vec<Answer>) {
    let shared = limiter.join_fleet(&Arc::default()).and_then(|limit| limit.upgrade());
    for Answer { after, share } in answers {
        time::sleep(MS(after)).await;
        if let Some(shared) = &shared {
            shared.lock().report(&mut LimitReport::new("service", 1));
            shared.lock().receive(share.as_ref());
        }
    }
}

/// While calls wait, nothing is paused and fewer than the limit are in flight, an attempt starts soon: within two round
/// trips, or within the time of four starts at the pace.
async fn watch(limiter: Limiter, seen: Rc<RefCell<Seen>>) {
    const TWO_ROUND_TRIPS: Duration = Duration::from_millis(600);
    let (mut idle_since, mut starts_within) = (time::now(), Duration::ZERO);
    loop {
        time::sleep(MS(10)).await;
        let reading = limiter.read();
        let could_start = reading.waiting > 0 && reading.paused.is_none() && reading.in_flight < reading.limit;
        let started = seen.borrow().last_start.is_some_and(|at| at.elapsed() < MS(10));
        let is_faster = limiter.four_starts() < mem::replace(&mut starts_within, limiter.four_starts());
        if !could_start || started || is_faster {
            idle_since = time::now();
        } else if idle_since.elapsed() > TWO_ROUND_TRIPS.max(starts_within) {
            seen.borrow_mut().late.push(format!("nothing starts: {reading:?}"));
            return;
        }
    }
}

fn check(limit: &ConcurrencyLimit, calls: &[Call], answers: Vec<Answer>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (limiter, seen) = {
        let _entered = runtime.enter();
        (Limiter::new(limit), Rc::<RefCell<Seen>>::default())
    };
    let local = tokio::task::LocalSet::new();
    let running: Vec<_> =
        calls.iter().map(|call| local.spawn_local(run(limiter.clone(), call.clone(), seen.clone()))).collect();
    if !answers.is_empty() {
        local.spawn_local(answer(limiter.clone(), answers));
    }
    let watching = local.spawn_local(watch(limiter.clone(), seen.clone()));
    runtime.block_on(local.run_until(async {
        for call in running {
            call.await.unwrap();
        }
        watching.abort();
    }));
    let _entered = runtime.enter();
    let reading = limiter.read();
    prop_assert_eq!((reading.in_flight, reading.waiting), (0, 0), "every place is given back");
    prop_assert!(seen.borrow().late.is_empty(), "{:?}", seen.borrow().late);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_is_stranded(
        limit in limits(),
        calls in prop::collection::vec(calls(), 1..40),
        answers in prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(answers(), 1..20)],
    ) {
        check(&limit, &calls, answers)?;
    }
}
