//! The service: who is admitted when, and the crowd that calls it.
//!
//! A request arrives half a round trip after it was sent; it is admitted or refused there and then, and the answer
//! takes the other half. The service's seconds begin with the run, so the first of them is a whole one.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Extensions, StatusCode, header::RETRY_AFTER};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{Error, Middleware, Next};
use reqwest_safe_retry::async_trait;

use crate::clock::{self, Clock, locked};

/// How many requests the service admits in a second.
pub(crate) const LIMIT: u64 = 1000;
/// How many a full token bucket admits at once.
const DEPTH: u64 = 100;
/// How long an overload lasts, in calls: with the default of 10,000 calls it arrives over 60 s.
const OVERLOAD_CALLS: u64 = 12;
const SECOND: Duration = Duration::from_secs(1);

/// How the service limits, and how its callers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// All calls at once; [`LIMIT`] requests are admitted in each second of the service's own clock.
    Window,
    /// All calls at once; a bucket of [`DEPTH`] tokens, refilled [`LIMIT`] times a second.
    Bucket,
    /// All calls at once; 503 for so many seconds, then [`Model::Window`].
    Outage(u64),
    /// Calls arrive evenly, twice as many a second as [`Model::Window`] admits.
    Overload,
}

impl Model {
    pub(crate) const ALL: [Self; 5] = [Self::Window, Self::Bucket, Self::Outage(5), Self::Outage(60), Self::Overload];

    fn outage(self) -> Duration {
        match self {
            Self::Outage(seconds) => Duration::from_secs(seconds),
            Self::Window | Self::Bucket | Self::Overload => Duration::ZERO,
        }
    }

    /// The crowd, where `calls` was asked for.
    pub(crate) fn calls(self, calls: u64) -> u64 {
        if self == Self::Overload { calls * OVERLOAD_CALLS } else { calls }
    }

    /// When a call comes.
    pub(crate) fn comes(self, call: u64) -> Duration {
        match self {
            Self::Overload => SECOND / 2 * call as u32 / LIMIT as u32,
            Self::Window | Self::Bucket | Self::Outage(_) => Duration::ZERO,
        }
    }

    /// When the last of `successes` could have had its answer at the earliest, whoever had sent it.
    pub(crate) fn floor(self, calls: u64, successes: u64, round_trip: Duration) -> Option<Duration> {
        let last = successes.checked_sub(1)?;
        let first_arrival = (round_trip / 2).max(self.outage());
        let last_arrival = match self {
            Self::Bucket => first_arrival + SECOND * (last + 1).saturating_sub(DEPTH) as u32 / LIMIT as u32,
            Self::Window | Self::Outage(_) | Self::Overload => {
                first_arrival.max(Duration::from_secs(first_arrival.as_secs() + last / LIMIT))
            }
        };
        let last_comes = self.comes(calls.saturating_sub(1)) + round_trip / 2;
        Some(last_arrival.max(last_comes) + round_trip / 2)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window => f.write_str("window"),
            Self::Bucket => f.write_str("bucket"),
            Self::Outage(seconds) => write!(f, "outage{seconds}"),
            Self::Overload => f.write_str("overload"),
        }
    }
}

/// The service, as the last middleware of a chain: it answers without a socket and notes when it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    clock: Clock,
    round_trip: Duration,
    back_at: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limiter: Limiter,
    arrivals: Vec<Duration>,
}

#[derive(Debug)]
enum Limiter {
    /// The current second, and how many were admitted in it.
    Window { second: u64, admitted: u64 },
    /// What the bucket held, and when it was looked at last, in milliseconds: one token comes in each.
    Bucket { tokens: u64, at: u128 },
}

impl Service {
    pub(crate) const URL: &'static str = "http://service.invalid";

    pub(crate) fn new(model: Model, round_trip: Duration, clock: Clock) -> Self {
        let limiter = match model {
            Model::Bucket => Limiter::Bucket { tokens: DEPTH, at: 0 },
            Model::Window | Model::Outage(_) | Model::Overload => Limiter::Window { second: 0, admitted: 0 },
        };
        let state = Arc::new(Mutex::new(State { limiter, arrivals: Vec::new() }));
        Self { clock, round_trip, back_at: model.outage(), state }
    }

    /// When requests arrived, in their order.
    pub(crate) fn arrivals(&self) -> Vec<Duration> {
        std::mem::take(&mut locked(&self.state).arrivals)
    }

    fn receive(&self) -> StatusCode {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        state.arrivals.push(now);
        if now < self.back_at {
            StatusCode::SERVICE_UNAVAILABLE
        } else if state.limiter.admits(now) {
            StatusCode::OK
        } else {
            StatusCode::TOO_MANY_REQUESTS
        }
    }
}

impl Limiter {
    fn admits(&mut self, now: Duration) -> bool {
        match self {
            Self::Window { second, admitted } => {
                if *second != now.as_secs() {
                    (*second, *admitted) = (now.as_secs(), 0);
                }
                let free = *admitted < LIMIT;
                *admitted += u64::from(free);
                free
            }
            Self::Bucket { tokens, at } => {
                let passed = u64::try_from(now.as_millis() - *at).unwrap_or(u64::MAX);
                (*tokens, *at) = (tokens.saturating_add(passed * LIMIT / 1000).min(DEPTH), now.as_millis());
                let free = *tokens > 0;
                *tokens -= u64::from(free);
                free
            }
        }
    }
}

#[async_trait]
impl Middleware for Service {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        clock::sleep(self.round_trip / 2).await;
        let status = self.receive();
        clock::sleep(self.round_trip / 2).await;
        let mut answer = http::Response::builder().status(status).url(request.url().clone());
        if status == StatusCode::TOO_MANY_REQUESTS {
            // The next second begins within one second; hints are whole ones, and a bucket has no better answer.
            answer = answer.header(RETRY_AFTER, "1");
        }
        answer.body(Body::default()).map(Response::from).map_err(Error::middleware)
    }
}
