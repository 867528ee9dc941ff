//! How many calls succeed for callers that call again and again, while the service refuses some of the calls.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::task::JoinSet;

use super::{
    concurrency_limit::ConcurrencyLimit,
    feedback::Feedback,
    limiter::Limiter,
    test_calls::{MS, acquire},
};
use crate::time;

/// Callers that call again as soon as a call has succeeded, and half a second after a refusal.
struct Crowd {
    callers: u32,
    /// What a call takes, in milliseconds, and a refusal.
    takes: [u64; 2],
    refuses: Refuses,
}

/// Which calls are refused.
#[derive(Clone, Copy)]
enum Refuses {
    First(u32),
    /// Pseudo-random ones.
    OneIn(u32),
}

impl Refuses {
    fn refuses(self, number: u32) -> bool {
        match self {
            Self::First(first) => number < first,
            Self::OneIn(many) => number.wrapping_mul(2_654_435_761) % many == 0,
        }
    }
}

impl Crowd {
    /// The successes of each second.
    async fn successes(&self, seconds: usize) -> Vec<u32> {
        let limiter = Limiter::new(&ConcurrencyLimit::Adaptive);
        let (sent, began) = (Arc::<AtomicU32>::default(), time::now());
        let succeeded: Arc<[AtomicU32]> = (0..=seconds).map(|_| AtomicU32::new(0)).collect();
        let mut callers = JoinSet::new();
        for _ in 0..self.callers {
            let ([takes, refusal], refuses) = (self.takes, self.refuses);
            let (limiter, sent, succeeded) = (limiter.clone(), sent.clone(), succeeded.clone());
            callers.spawn(async move {
                while let Some(succeeded) = succeeded.get(began.elapsed().as_secs() as usize) {
                    let permit = acquire(&limiter, MS(60_000)).await.unwrap();
                    if refuses.refuses(sent.fetch_add(1, Relaxed)) {
                        time::sleep(MS(refusal)).await;
                        permit.release(Feedback::Throttled, time::now());
                        time::sleep(MS(500)).await;
                    } else {
                        time::sleep(MS(takes)).await;
                        permit.release(Feedback::Response, time::now());
                        succeeded.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        callers.join_all().await;
        succeeded[..seconds].iter().map(|succeeded| succeeded.load(Relaxed)).collect()
    }
}

/// Without a limit each of them has 50 successes a second.
#[tokio::test(start_paused = true)]
async fn refusals_of_the_first_calls_are_soon_forgotten() {
    for (callers, refused) in [(10, 10), (10, 5), (10, 1), (10, 12), (3, 3)] {
        let crowd = Crowd { callers, takes: [20, 2], refuses: Refuses::First(refused) };
        let successes = crowd.successes(11).await;
        assert!(successes[10] >= 45 * callers, "{successes:?}");
    }
}

/// Only one call waits at a time. Without a limit the caller has 50 successes a second.
#[tokio::test(start_paused = true)]
async fn one_that_calls_again_and_again_is_not_slowed_down_for_long() {
    let crowd = Crowd { callers: 1, takes: [20, 2], refuses: Refuses::First(1) };
    let successes = crowd.successes(5).await;
    assert!(successes[4] >= 48, "{successes:?}");
}

/// Without a limit they have some 830 successes a second.
#[tokio::test(start_paused = true)]
async fn refusals_at_random_do_not_slow_down() {
    for many in [20, 25, 33] {
        let crowd = Crowd { callers: 100, takes: [100, 2], refuses: Refuses::OneIn(many) };
        let successes = crowd.successes(30).await;
        // After ten seconds the limit is open again. The next refusal begins a new pace, which takes a second to find.
        let on_average = successes[2..].iter().sum::<u32>() / 28;
        assert!(on_average >= 720 && successes[2..].iter().all(|successes| *successes >= 300), "{successes:?}");
    }
}
