//! The retry mode "adaptive" of the AWS SDKs, after botocore 1.43, where it is shortest:
//! - `botocore/retries/adaptive.py`: a token bucket in front of every request once something was throttled, whose rate
//!   follows the measured rate of answers
//! - `botocore/retries/throttling.py`: that rate falls to 0.7 on a throttle and grows as CUBIC does
//! - `botocore/retries/bucket.py`: the token bucket
//! - `botocore/retries/standard.py` and `quota.py`: full jitter up to 20 s, and the quota for retries
//!
//! A 429 is a throttle; a 503 is a transient error, which counts for the rate as a success does. botocore lets all
//! who wait for a token wake when the rate changes; here they queue, and the first of them does. The rate is the same.

use std::{sync::Mutex, time::Duration};

use http::{Extensions, StatusCode};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use reqwest_safe_retry::async_trait;
use tokio::sync::Notify;

use crate::{
    clock::{self, Clock, SeededRng, locked},
    limits::{ATTEMPTS, Budget},
};

/// `ExponentialBackoff._MAX_BACKOFF` of `standard.py`, in seconds.
const MAX_BACKOFF: f64 = 20.0;

/// The mode, as a middleware.
#[derive(Debug)]
pub(crate) struct Adaptive {
    clock: Clock,
    rng: SeededRng,
    limiter: Mutex<RateLimiter>,
    rate_changed: Notify,
    queue: tokio::sync::Mutex<()>,
    quota: Mutex<RetryQuota>,
}

impl Adaptive {
    pub(crate) fn new(quota: Budget, clock: Clock, rng: SeededRng) -> Self {
        Self {
            clock,
            rng,
            limiter: Mutex::default(),
            rate_changed: Notify::new(),
            queue: tokio::sync::Mutex::default(),
            quota: Mutex::new(RetryQuota::new(quota)),
        }
    }

    fn now(&self) -> f64 {
        self.clock.now().as_secs_f64()
    }

    /// `ClientRateLimiter.on_sending_request`.
    async fn before_send(&self) {
        if !locked(&self.limiter).enabled {
            return;
        }
        let _turn = self.queue.lock().await;
        loop {
            let taken = locked(&self.limiter).bucket.take(self.now());
            match taken {
                Ok(()) => return,
                Err(wait) => {
                    let _ = clock::within(wait, self.rate_changed.notified()).await;
                }
            }
        }
    }

    fn after_answer(&self, status: StatusCode) {
        locked(&self.limiter).learn(status == StatusCode::TOO_MANY_REQUESTS, self.now());
        self.rate_changed.notify_one();
    }

    /// `ExponentialBackoff.delay_amount`: `rand(0, 1) * min(2 ** (attempt - 1), 20)`.
    fn delay(&self, attempt: u32) -> Duration {
        Duration::from_secs_f64(self.rng.sample() * f64::from(attempt - 1).exp2().min(MAX_BACKOFF))
    }
}

#[async_trait]
impl Middleware for Adaptive {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let mut attempt = 1;
        let mut paid = None;
        loop {
            self.before_send().await;
            let Some(again) = request.try_clone() else { return next.run(request, extensions).await };
            let answer = next.clone().run(again, extensions).await?;
            self.after_answer(answer.status());
            if answer.status().is_success() {
                locked(&self.quota).release(paid);
                return Ok(answer);
            }
            if attempt == ATTEMPTS {
                return Ok(answer);
            }
            paid = locked(&self.quota).acquire();
            if paid.is_none() {
                return Ok(answer);
            }
            clock::sleep(self.delay(attempt)).await;
            attempt += 1;
        }
    }
}

/// `RetryQuota` and `RetryQuotaChecker`.
#[derive(Debug)]
struct RetryQuota {
    available: u32,
    retry_cost: u32,
}

impl RetryQuota {
    const CAPACITY: u32 = 500;
    const RETRY_COST: u32 = 5;
    const NO_RETRY_INCREMENT: u32 = 1;

    fn new(quota: Budget) -> Self {
        let retry_cost = match quota {
            Budget::Default => Self::RETRY_COST,
            Budget::Off => 0,
        };
        Self { available: Self::CAPACITY, retry_cost }
    }

    fn acquire(&mut self) -> Option<u32> {
        self.available = self.available.checked_sub(self.retry_cost)?;
        Some(self.retry_cost)
    }

    /// Gives back what the last retry has cost, or a little for a call without retries.
    fn release(&mut self, paid: Option<u32>) {
        self.available = (self.available + paid.unwrap_or(Self::NO_RETRY_INCREMENT)).min(Self::CAPACITY);
    }
}

/// `ClientRateLimiter`: off until the first throttle.
#[derive(Debug, Default)]
struct RateLimiter {
    enabled: bool,
    clocker: RateClocker,
    cubic: Cubic,
    bucket: TokenBucket,
}

impl RateLimiter {
    const MAX_RATE_ADJUST_SCALE: f64 = 2.0;

    /// `on_receiving_response`; `now` in seconds, as everywhere below.
    fn learn(&mut self, throttled: bool, now: f64) {
        let measured = self.clocker.record(now);
        let rate = if throttled {
            let rate = if self.enabled { measured.min(self.bucket.fill_rate) } else { measured };
            self.enabled = true;
            self.cubic.throttled(rate, now)
        } else {
            self.cubic.succeeded(now)
        };
        self.bucket.set_rate(rate.min(Self::MAX_RATE_ADJUST_SCALE * measured), now);
    }
}

/// The measured rate of answers, smoothed over half seconds.
#[derive(Debug, Default)]
struct RateClocker {
    measured: f64,
    last_bucket: f64,
    count: f64,
}

impl RateClocker {
    const SMOOTHING: f64 = 0.8;
    const BUCKETS_PER_SECOND: f64 = 2.0;

    fn record(&mut self, now: f64) -> f64 {
        let bucket = (now * Self::BUCKETS_PER_SECOND).floor() / Self::BUCKETS_PER_SECOND;
        self.count += 1.0;
        if bucket > self.last_bucket {
            let rate = self.count / (bucket - self.last_bucket);
            self.measured = rate * Self::SMOOTHING + self.measured * (1.0 - Self::SMOOTHING);
            self.count = 0.0;
            self.last_bucket = bucket;
        }
        self.measured
    }
}

/// `CubicCalculator`, which starts with a largest rate of 0.
#[derive(Debug, Default)]
struct Cubic {
    largest: f64,
    zero_point: f64,
    last_throttle: f64,
}

impl Cubic {
    const SCALE: f64 = 0.4;
    const BETA: f64 = 0.7;

    fn succeeded(&self, now: f64) -> f64 {
        Self::SCALE * (now - self.last_throttle - self.zero_point).powi(3) + self.largest
    }

    fn throttled(&mut self, rate: f64, now: f64) -> f64 {
        self.largest = rate;
        self.zero_point = (rate * (1.0 - Self::BETA) / Self::SCALE).cbrt();
        self.last_throttle = now;
        rate * Self::BETA
    }
}

/// `TokenBucket`.
#[derive(Debug)]
struct TokenBucket {
    fill_rate: f64,
    capacity: f64,
    tokens: f64,
    filled: f64,
}

impl Default for TokenBucket {
    fn default() -> Self {
        Self { fill_rate: 1.0, capacity: 1.0, tokens: 0.0, filled: 0.0 }
    }
}

impl TokenBucket {
    const MIN_RATE: f64 = 0.5;

    fn refill(&mut self, now: f64) {
        self.tokens = (self.tokens + (now - self.filled) * self.fill_rate).min(self.capacity);
        self.filled = now;
    }

    fn set_rate(&mut self, rate: f64, now: f64) {
        self.refill(now);
        self.fill_rate = rate.max(Self::MIN_RATE);
        self.capacity = rate.max(1.0);
        self.tokens = self.tokens.min(self.capacity);
    }

    /// Takes a token, or tells how long to wait for one.
    fn take(&mut self, now: f64) -> Result<(), Duration> {
        self.refill(now);
        if self.tokens < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.fill_rate);
            // What rounds to nothing would be waited for without end on a clock that stands still.
            return Err(wait.max(Duration::from_nanos(1)));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_for_the_last_bit_of_a_token_is_not_zero() {
        let mut bucket = TokenBucket { tokens: 1.0 - f64::EPSILON, ..TokenBucket::default() };
        assert!(bucket.take(0.0).unwrap_err() > Duration::ZERO);
    }
}
