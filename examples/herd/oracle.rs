//! The policy that knows the limit.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};
use reqwest_safe_retry::async_trait;

use crate::{
    clock::{Clock, locked},
    limits::ATTEMPTS,
    scenario::Scenario,
};

/// Sends in the order of asking, one request per millisecond if so many are admitted; a refused call asks again at once.
/// A call is not sent if its response would come after its deadline. All clones share one queue, even across the
/// processes of a fleet.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    clock: Clock,
    /// Between two requests.
    interval: Duration,
    round_trip: Duration,
    deadline: Option<Duration>,
    next: Arc<Mutex<Duration>>,
}

impl Oracle {
    pub(crate) fn new(scenario: Scenario, clock: Clock) -> Self {
        let Scenario { model, round_trip, .. } = scenario;
        let interval = model.limit().map_or(Duration::ZERO, |limit| Duration::from_secs(1) / limit as u32);
        Self { clock, interval, round_trip, deadline: model.deadline(), next: Arc::default() }
    }

    /// Waits for the next turn, if its answer comes by `end`.
    async fn turn(&self, end: Option<Duration>) -> reqwest_middleware::Result<()> {
        let turn = {
            let mut next = locked(&self.next);
            let turn = self.clock.now().max(*next);
            if end.is_some_and(|end| turn + self.round_trip > end) {
                return Err(Error::middleware(io::Error::from(io::ErrorKind::TimedOut)));
            }
            *next = turn + self.interval;
            turn
        };
        self.clock.sleep_until(turn).await;
        Ok(())
    }
}

#[async_trait]
impl Middleware for Oracle {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let end = self.deadline.map(|deadline| self.clock.now() + deadline);
        for _ in 1..ATTEMPTS {
            self.turn(end).await?;
            let Some(again) = request.try_clone() else { return next.run(request, extensions).await };
            let answer = next.clone().run(again, extensions).await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
        }
        self.turn(end).await?;
        next.run(request, extensions).await
    }
}
