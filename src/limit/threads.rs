//! A limit that several threads use at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use super::{
    arrival::{Arrival, Priority},
    concurrency_limit::ConcurrencyLimit,
    feedback::Feedback,
    limiter::Limiter,
};
use crate::time;

const THREADS: usize = 4;
const TASKS: usize = 8;
const CALLS: usize = 5_000;

/// Calls that take no time; returns how many were in flight at most. A call that is never woken ends in a panic.
fn contend(limit: &ConcurrencyLimit) -> usize {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_time().build().unwrap();
    let limiter = Limiter::new(limit);
    let (in_flight, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (limiter, in_flight, most) = (limiter.clone(), Arc::clone(&in_flight), Arc::clone(&most));
        tasks.spawn_on(
            async move {
                for call in 0..CALLS {
                    let began = time::now();
                    let deadline = began.checked_add(Duration::from_secs(20));
                    let arrival = Arrival {
                        priority: Priority::Write,
                        began,
                        deadline,
                        is_repeat: true,
                        longest_hint: Duration::from_secs(60),
                    };
                    let permit = limiter.acquire(&arrival).await.expect("a permit before the deadline");
                    most.fetch_max(in_flight.fetch_add(1, SeqCst) + 1, SeqCst);
                    if call % 3 == 0 {
                        tokio::task::yield_now().await;
                    }
                    in_flight.fetch_sub(1, SeqCst);
                    permit.release(Feedback::Response, time::now());
                }
            },
            runtime.handle(),
        );
    }
    runtime.block_on(tasks.join_all());
    let reading = runtime.block_on(async { limiter.read() });
    assert_eq!((reading.in_flight, reading.waiting), (0, 0));
    most.load(SeqCst)
}

#[test]
fn fixed_limit_is_kept_and_wakes_all() {
    for limit in [1, 2, 3] {
        assert!(contend(&ConcurrencyLimit::Fixed(limit)) <= limit as usize, "{limit}");
    }
}

#[test]
fn open_limit_counts_all() {
    assert!(contend(&ConcurrencyLimit::Adaptive) <= TASKS);
}
