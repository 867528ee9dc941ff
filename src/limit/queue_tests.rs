//! The queue of a limit: which calls start, which are refused, and when a report follows.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, poll};
use tokio::sync::Notify;

use super::{
    arrival::{
        Arrival,
        Priority::{Read, Write},
        Refusal,
    },
    concurrency_limit::ConcurrencyLimit,
    feedback::Feedback,
    limiter::Limiter,
    test_calls::{MS, acquire, arrival, attempts, closed, measured, paced},
};
use crate::time;

/// A call that has 50 ms of its time left: too little for an attempt.
async fn late() -> Arrival {
    let late = arrival(Write, MS(500));
    time::sleep(MS(450)).await;
    late
}

fn is_pending<T>(call: &mut (impl Future<Output = T> + Unpin)) -> bool {
    call.now_or_never().is_none()
}

#[tokio::test(start_paused = true)]
async fn successes_that_were_only_counted_tell_the_first_rate() {
    let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
    for _ in 0..20 {
        let permits: Vec<_> = (0..10).map(|_| limiter.try_acquire(time::now(), None).unwrap()).collect();
        time::sleep(MS(100)).await;
        permits.into_iter().for_each(|permit| _ = permit.release(Feedback::Response, time::now()));
    }
    let permits: Vec<_> = (0..10).map(|_| limiter.try_acquire(time::now(), None).unwrap()).collect();
    time::sleep(MS(100)).await;
    permits.into_iter().for_each(|permit| _ = permit.release(Feedback::Throttled, time::now()));
    // A hundred a second.
    assert!((MS(35)..MS(50)).contains(&limiter.four_starts()), "{:?}", limiter.four_starts());
}

/// While the service is available, the limit looks at one success in sixteen only.
#[tokio::test(start_paused = true)]
async fn each_success_says_that_an_unavailable_service_is_back() {
    let limiter = measured(&ConcurrencyLimit::Adaptive).await;
    for _ in 0..3 {
        attempts(&limiter, 15, Feedback::Unavailable).await;
        assert!(limiter.last_limit() >= 16, "calls start as before meanwhile");
        attempts(&limiter, 1, Feedback::Response).await;
    }
    assert!(!limiter.is_closed());
    attempts(&limiter, 16, Feedback::Unavailable).await;
    assert!(limiter.is_closed());
}

/// A 500 shows that the service is reachable.
#[tokio::test(start_paused = true)]
async fn own_error_of_the_service_ends_an_outage() {
    let limiter = closed();
    attempts(&limiter, 1, Feedback::NoResponse).await;
    assert!(limiter.is_closed());
    attempts(&limiter, 1, Feedback::Failed).await;
    assert!(!limiter.is_closed());
}

/// If only writes probed and all of them hung, the limit would stay closed for reads that work.
#[tokio::test(start_paused = true)]
async fn writes_and_reads_take_turns_to_probe() {
    let limiter = closed();
    let arrivals = [Write, Write, Read, Read].map(|priority| arrival(priority, MS(60_000)));
    let calls =
        arrivals.iter().map(|arrival| Box::pin(async { (arrival.priority, limiter.acquire(arrival).await.unwrap()) }));
    let mut waiting: Vec<_> = calls.collect();
    let mut hanging = Vec::new();
    for expected in [Write, Read, Write] {
        let started = time::now();
        let ((priority, probe), _, rest) = futures_util::future::select_all(waiting).await;
        assert!(probe.is_probe() && started.elapsed() <= MS(5_100), "a probe is lost after 5 s");
        assert_eq!(priority, expected);
        hanging.push(probe);
        waiting = rest;
    }
    hanging.pop().unwrap().release(Feedback::Response, time::now());
    assert!(!limiter.is_closed());
}

#[tokio::test(start_paused = true)]
async fn newcomer_overtakes_nobody() {
    let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
    let permit = acquire(&limiter, MS(10)).await.unwrap();
    let waits = arrival(Write, MS(1000));
    let mut waiting = Box::pin(limiter.acquire(&waits));
    assert!(is_pending(&mut waiting));
    drop(permit);
    assert!(limiter.try_acquire(time::now(), None).is_none());
    assert!(poll!(waiting).is_ready());
}

#[tokio::test(start_paused = true)]
async fn call_without_the_time_does_not_take_the_next_start() {
    let limiter = paced().await;
    time::sleep(MS(1000)).await;
    assert_eq!(limiter.acquire(&late().await).await.unwrap_err(), Refusal::Deadline);
    assert_eq!(limiter.read().in_flight, 0);
    let started = time::now();
    assert!(acquire(&limiter, MS(500)).await.is_ok());
    assert_eq!(started.elapsed(), Duration::ZERO);
}

/// The pace may be too low if calls are turned away for it, for a second from then on.
#[tokio::test(start_paused = true)]
async fn pace_grows_after_a_call_was_turned_away() {
    let limiter = paced().await;
    let grows_after = |wait| {
        let limiter = &limiter;
        async move {
            let before = limiter.four_starts();
            time::sleep(MS(wait)).await;
            attempts(limiter, 1, Feedback::NoResponse).await;
            limiter.four_starts() < before
        }
    };
    assert!(!grows_after(600).await, "nobody waits");
    assert!(limiter.acquire(&late().await).await.is_err());
    assert!(grows_after(600).await);
    assert!(!grows_after(1000).await);
}

/// A write waits for the writes before it alone, however many reads do.
#[tokio::test(start_paused = true)]
async fn wait_is_expected_for_those_ahead() {
    let limiter = measured(&ConcurrencyLimit::Fixed(1)).await;
    let permit = acquire(&limiter, MS(10_000)).await.unwrap();
    let (reads, hurried) = (arrival(Read, MS(10_000)), arrival(Write, MS(800)));
    let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(limiter.acquire(&reads))).collect();
    assert!(waiting.iter_mut().all(is_pending));
    let mut writes: Vec<_> = (0..4).map(|_| Box::pin(limiter.acquire(&hurried))).collect();
    assert!(writes.iter_mut().all(is_pending), "four take 400 ms, and itself 125");
    for _ in 0..4 {
        writes.push(Box::pin(limiter.acquire(&hurried)));
        is_pending(writes.last_mut().unwrap());
    }
    assert!(limiter.read().waiting < 10 + 8, "those behind seven others have not the time");
    drop((waiting, writes, permit));
}

#[tokio::test(start_paused = true)]
async fn waits_and_refusals_are_reported_soon() {
    let (limiter, reports) = (paced().await, Arc::new(Notify::new()));
    let _shared = limiter.join_fleet(&reports).unwrap();
    attempts(&limiter, 1, Feedback::NoResponse).await;
    assert!(reports.notified().now_or_never().is_none());
    attempts(&limiter, 1, Feedback::Throttled).await;
    assert!(reports.notified().now_or_never().is_some(), "a refusal");
    let waits = arrival(Write, MS(60_000));
    let permits: Vec<_> = std::iter::from_fn(|| limiter.try_acquire(time::now(), None)).collect();
    let mut calls: Vec<_> = (0..2).map(|_| Box::pin(limiter.acquire(&waits))).collect();
    assert!(is_pending(&mut calls[0]) && reports.notified().now_or_never().is_some(), "the first that waits");
    assert!(is_pending(&mut calls[1]) && reports.notified().now_or_never().is_none(), "others are seen in time");
    drop((permits, calls));
}

#[tokio::test(start_paused = true)]
async fn hint_as_long_as_the_longest_is_waited_for() {
    let limiter = closed();
    let waits = arrival(Write, MS(600_000));
    let mut waiting = Box::pin(limiter.acquire(&waits));
    assert!(is_pending(&mut waiting));
    limiter.hint(MS(60_000), MS(60_000));
    assert!(is_pending(&mut waiting));
    assert_eq!(limiter.read().paused, Some(MS(60_000)));
    // Another caller would not wait that long.
    limiter.hint(MS(60_000), MS(1_000));
    assert!(is_pending(&mut waiting));
}

#[tokio::test(start_paused = true)]
async fn limit_in_use_is_not_idle() {
    let limiter = Limiter::new(&ConcurrencyLimit::Fixed(1));
    assert!(limiter.is_idle());
    let permit = acquire(&limiter, MS(10)).await.unwrap();
    assert!(!limiter.is_idle());
    let waits = arrival(Write, MS(1000));
    let mut waiting = Box::pin(limiter.acquire(&waits));
    assert!(is_pending(&mut waiting));
    drop(permit);
    assert!(!limiter.is_idle(), "one waits");
    drop(waiting);
    assert!(limiter.is_idle() && !closed().is_idle());
}
