//! Operations in a journal: what one process has begun, another one goes on with.

mod beside;
mod changed;
mod failing;
mod held_up;
mod keys;
mod processes;
mod resolved;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::Method;
use reqwest::Response;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use reqwest_safe_retry::{
    Advice, Applied, Attempts, Clock, ConcurrentRequests, Effect, Error, ErrorKind, Idempotency, IdempotencyKey,
    KeyKind, Operation, Record, RequestBuilderExt, RetryPolicy, SafeRetry, Service, ServiceBuilder, StopReason,
    Verdict, VerifierFn, async_trait,
    durable::{
        EntryState, InMemoryJournal, Journal, JournalAnswer, JournalEntry, JournalError, JournalSettings, JournalStep,
    },
};

use super::{CHARGE, CONTRACTS, FIRST, LIST, NEXT, facts};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport, reply, status},
};

const SECOND_OF_TIME: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The processes of a service share its journal and the clock.
struct World {
    transport: Transport,
    journal: InMemoryJournal,
    clock: FixedClock,
}

/// A service that stores every result for a day.
fn storing() -> ServiceBuilder {
    let idempotency = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll)
        .replay_header("idempotent-replayed")
        .retention(24 * HOUR);
    Service::builder("metronome", "https://api.metronome.com").idempotency(idempotency)
}

fn short_attempts() -> JournalSettings {
    JournalSettings::new().longest_attempt(30 * SECOND_OF_TIME)
}

impl World {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let clock = FixedClock::at(1.0);
        let journal = InMemoryJournal::default().clock(clock.clone());
        Self { transport: Transport::new(replies), journal, clock }
    }

    /// A process, in which a call with an operation is made.
    fn client(&self, service: ServiceBuilder) -> ClientWithMiddleware {
        let service = service.build().unwrap().journal(self.journal.clone());
        self.transport.layered(SafeRetry::new([service]).clock(self.clock.clone()))
    }

    async fn run(&self, service: ServiceBuilder) -> Result<Response, Error> {
        ended(charge(&self.client(service))).await
    }

    /// The process dies once it has sent so many requests.
    async fn killed_after(&self, service: ServiceBuilder, sent: usize) {
        let call = tokio::spawn(charge(&self.client(service)).send());
        while self.transport.sent().len() < sent {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }

    fn keys(&self) -> Vec<String> {
        self.transport.keys().into_iter().map(|key| key.unwrap_or_default()).collect()
    }

    async fn in_doubt(&self) -> Vec<JournalEntry> {
        self.journal.in_doubt(10).await.unwrap()
    }
}

fn charge(client: &ClientWithMiddleware) -> RequestBuilder {
    client.post(CONTRACTS).operation(CHARGE)
}

async fn ended(request: RequestBuilder) -> Result<Response, Error> {
    request.send().await.map_err(|error| match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast().expect("the layer's error"),
        other => panic!("{other}"),
    })
}

/// A wall clock that runs ahead while the machine sleeps.
#[derive(Clone, Debug)]
struct Sleeper {
    clock: FixedClock,
    asleep: Arc<AtomicBool>,
}

impl Clock for Sleeper {
    fn wall(&self) -> SystemTime {
        let slept = if self.asleep.load(Ordering::SeqCst) { HOUR } else { Duration::ZERO };
        self.clock.wall() + slept
    }
}

fn not_applied() -> ServiceBuilder {
    storing().verifier_fn(|_| async { Verdict::NotApplied })
}

fn applied() -> ServiceBuilder {
    storing().verifier_fn(|_| async { Verdict::Applied(None) })
}
