//! Keys that are too old, and keys of an earlier pass of the same request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_safe_retry::{
    Applied, Clock, ConcurrentRequests, Error, ErrorKind, Idempotency, IdempotencyKey, KeyKind, RequestBuilderExt,
    RetryPolicy, SafeRetry, Service, StopReason, Verdict, async_trait, services,
};

use super::{CONTRACTS, LEDGER, LIST, facts, failure, metronome};
use crate::support::transport::{Reply, Transport, reply, status, unused};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A wall clock that a test moves.
#[derive(Clone, Debug)]
struct WallClock {
    start: SystemTime,
    seconds: Arc<AtomicI64>,
}

impl WallClock {
    fn new() -> Self {
        Self { start: SystemTime::UNIX_EPOCH + 500_000 * HOUR, seconds: Arc::default() }
    }

    fn set(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for WallClock {
    fn wall(&self) -> SystemTime {
        let seconds = self.seconds.load(Ordering::SeqCst);
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { self.start - distance } else { self.start + distance }
    }

    fn jitter(&self) -> f64 {
        1.0
    }
}

fn client(transport: &Transport, service: Service, clock: &WallClock) -> ClientWithMiddleware {
    transport.layered(SafeRetry::new([service]).clock(clock.clone()))
}

/// Lets the call make its first attempt, and moves the clock while it waits for the second one.
async fn ended_after(transport: &Transport, service: Service, url: &str, seconds: i64) -> Result<Response, Error> {
    let clock = WallClock::new();
    let call = tokio::spawn(client(transport, service, &clock).post(url).send());
    while transport.sent().is_empty() {
        tokio::task::yield_now().await;
    }
    clock.set(seconds);
    call.await.unwrap().map_err(|error| match error {
        reqwest_middleware::Error::Middleware(error) => error.downcast().unwrap(),
        reqwest_middleware::Error::Reqwest(error) => panic!("{error}"),
    })
}

#[tokio::test(start_paused = true)]
async fn forgotten_key_is_not_sent_after_a_sleep() {
    // Kept for 24 hours, of which 5 % are left as a margin. A clock that was set back by more than a minute tells nothing.
    for (seconds, sent) in [(0, 2), (22 * 3600, 2), (23 * 3600, 1), (30 * 3600, 1), (-1, 2), (-60, 2), (-61, 1)] {
        let transport = Transport::new([status(504), status(200)]);
        let ended = ended_after(&transport, Service::metronome(), LEDGER, seconds).await;
        assert_eq!(transport.sent().len(), sent, "{seconds}");
        if sent == 2 {
            assert!(ended.is_ok(), "{seconds}");
            continue;
        }
        let error = ended.unwrap_err();
        assert_eq!(facts(&error), (ErrorKind::Server, StopReason::KeyExpired, Applied::Unknown), "{seconds}");
        assert_eq!(error.status().unwrap(), 504);
    }
    // Without a stated time, or without a key, nothing is too old.
    let transport = Transport::new([status(504), status(200)]);
    ended_after(&transport, services::increase(), "https://api.increase.com/accounts", 1_000 * 3600).await.unwrap();
    let transport = Transport::new([status(504), status(200)]);
    ended_after(&transport, Service::metronome(), LIST, 1_000 * 3600).await.unwrap();
    // A deduplicated write needs no key.
    let transport = Transport::new([status(504), status(200)]);
    let ingest = "https://api.metronome.com/v1/ingest";
    ended_after(&transport, Service::metronome(), ingest, 1_000 * 3600).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn key_of_known_age_is_sent_while_it_is_kept() {
    let clock = WallClock::new();
    let sent_before = |age| IdempotencyKey::new("invoice-7").first_sent(clock.wall() - age);
    let transport = Transport::new([status(200)]);
    let client = client(&transport, Service::metronome(), &clock);
    client.post(LEDGER).idempotency_key(sent_before(22 * HOUR)).send().await.unwrap();
    assert_eq!(transport.keys(), [Some("invoice-7".to_owned())]);

    for key in [sent_before(23 * HOUR), IdempotencyKey::new("invoice-7").first_sent(clock.wall() + HOUR)] {
        failure!(client.post(LEDGER).idempotency_key(key), |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, StopReason::KeyExpired, Applied::Unknown));
            assert_eq!(error.attempts().count(), 0);
            let text = error.to_string();
            assert!(text.contains("nothing was sent") && text.contains("before it is sent with a new key"), "{text}");
            assert!(!text.contains("invoice-7"), "{text}");
        });
    }
    assert_eq!(transport.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn error_about_a_used_key_leaves_doubt() {
    let clock = WallClock::new();
    let transport = Transport::new([status(504), status(404), status(404)]);
    let client = client(&transport, metronome(RetryPolicy::never()), &clock);
    let outer = client.post(LEDGER).send().await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    let key = error.key().unwrap().clone();
    assert_eq!(key.first_sent_at(), Some(clock.wall()));
    // The first request may have been executed, whatever this one is told.
    failure!(client.post(LEDGER).idempotency_key(key), |error| {
        assert_eq!(facts(error), (ErrorKind::NotFound, StopReason::Permanent, Applied::Unknown));
    });
    failure!(client.post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::NotFound, StopReason::Permanent, Applied::No));
        assert_eq!(error.key().unwrap().first_sent_at(), None, "nothing was executed under it");
    });
}

/// Another layer outside that sends every failed request again.
struct SendsAgain(usize);

#[async_trait]
impl Middleware for SendsAgain {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        for _ in 1..self.0 {
            let again = request.try_clone().expect("a body in memory");
            let pass = next.clone().run(again, extensions);
            if let Ok(Ok(response)) = tokio::time::timeout(Duration::from_secs(300), pass).await {
                return Ok(response);
            }
        }
        next.run(request, extensions).await
    }
}

fn below(outer: SendsAgain, service: Service, transport: &Transport) -> ClientWithMiddleware {
    ClientBuilder::new(unused()).with(outer).with(SafeRetry::new([service])).with(transport.clone()).build()
}

#[tokio::test(start_paused = true)]
async fn later_pass_of_a_request_has_the_same_key() {
    let service = metronome(RetryPolicy::new().max_attempts(2));
    let transport = Transport::new([504, 504, 503, 200].map(status));
    let client = below(SendsAgain(2), service.clone(), &transport);
    client.post(CONTRACTS).send().await.unwrap();
    let keys = transport.keys();
    assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(service.health().retry_budget, 500, "what both passes have paid has come back");
    // The next request is another one.
    let transport = Transport::new([504, 504, 200, 200].map(status));
    let client = below(SendsAgain(2), service, &transport);
    client.post(CONTRACTS).send().await.unwrap();
    client.post(CONTRACTS).send().await.unwrap();
    let keys = transport.keys();
    assert_eq!((&keys[0], &keys[0]), (&keys[1], &keys[2]));
    assert_ne!(keys[2], keys[3]);
}

#[tokio::test(start_paused = true)]
async fn later_pass_of_a_cancelled_request_has_the_same_key() {
    let transport = Transport::new([Reply::never(), status(404)]);
    let service = metronome(RetryPolicy::new().deadline(400 * Duration::from_secs(1)));
    failure!(below(SendsAgain(2), service, &transport).post(CONTRACTS), |error| {
        assert_eq!(facts(error), (ErrorKind::NotFound, StopReason::Permanent, Applied::Unknown));
    });
    let keys = transport.keys();
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn later_pass_to_another_url_has_a_key_of_its_own() {
    /// Sends a failed request to another URL.
    struct FallsBack;

    #[async_trait]
    impl Middleware for FallsBack {
        async fn handle(
            &self,
            request: Request,
            extensions: &mut http::Extensions,
            next: Next<'_>,
        ) -> reqwest_middleware::Result<Response> {
            let mut other = request.try_clone().unwrap();
            *other.url_mut() = CONTRACTS.parse().unwrap();
            match next.clone().run(request, extensions).await {
                Ok(response) => Ok(response),
                Err(_) => next.run(other, extensions).await,
            }
        }
    }
    let transport = Transport::new([504, 200].map(status));
    let layer = SafeRetry::new([metronome(RetryPolicy::never())]);
    let client = ClientBuilder::new(unused()).with(FallsBack).with(layer).with(transport.clone()).build();
    client.post(LEDGER).send().await.unwrap();
    let keys = transport.keys();
    assert!(keys[1].is_some() && keys[0] != keys[1], "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn mismatch_does_not_hide_the_error_before_it() {
    let mismatch = || reply(400, &[], r#"{"error":{"type":"idempotency_error","message":"another request"}}"#);
    let crashed = || reply(500, &[], r#"{"error":{"type":"api_error","message":"it broke"}}"#);
    let url = "https://api.stripe.com/v1/charges";
    let transport = Transport::new([crashed(), mismatch()]);
    failure!(transport.client(services::stripe::v1()).post(url), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::Permanent, Applied::Unknown));
        assert_eq!((error.status().unwrap().as_u16(), error.message()), (500, "it broke"));
        let statuses: Vec<_> = error.attempts().iter().map(|attempt| attempt.status().unwrap().as_u16()).collect();
        assert_eq!(statuses, [500, 400]);
    });
    // Nothing of this call was executed before: the caller has used the key for something else.
    for first in [status(429), mismatch()] {
        let transport = Transport::new([first, mismatch()]);
        failure!(transport.client(services::stripe::v1()).post(url).idempotency_key("mine"), |error| {
            assert_eq!(facts(error), (ErrorKind::PayloadMismatch, StopReason::Permanent, Applied::No));
            assert_eq!(error.message(), "another request");
        });
    }
}

/// Rotated keys are derived, so that whoever holds the old key reaches the same new one.
#[tokio::test(start_paused = true)]
async fn rotated_key_follows_from_the_key_before() {
    let service = || services::stripe::v1().verifier_fn(|_| async { Verdict::NotApplied });
    let stored = || reply(500, &[("idempotent-replayed", "true")], "");
    let url = "https://api.stripe.com/v1/charges";
    let mut seen = Vec::new();
    for _process in 0..2 {
        let transport = Transport::new([stored(), status(200)]);
        transport.client(service()).post(url).idempotency_key("charge-7").send().await.unwrap();
        seen.push(transport.keys());
    }
    // Computed with another implementation of UUIDv5.
    let next = Some("80bad858-a129-53a5-a0e3-b39fb602dbd7".to_owned());
    assert_eq!(seen[0], [Some("charge-7".to_owned()), next]);
    assert_eq!(seen[0], seen[1]);
}

/// Also if the caller gives the first key again.
#[tokio::test(start_paused = true)]
async fn later_pass_goes_on_with_the_rotated_key() {
    let service = || {
        let policy = RetryPolicy::new().max_attempts(3);
        let service = services::stripe::v1().into_builder().retry_policy(policy).build().unwrap();
        service.verifier_fn(|_| async { Verdict::NotApplied })
    };
    let stored = || reply(500, &[("idempotent-replayed", "true")], "");
    let url = "https://api.stripe.com/v1/charges";
    for given in [Some("mine"), None] {
        let transport = Transport::new([stored(), status(504), status(504), status(200)]);
        let client = below(SendsAgain(2), service(), &transport);
        let request = client.post(url);
        let request = if let Some(given) = given { request.idempotency_key(given) } else { request };
        request.send().await.unwrap();
        let keys = transport.keys();
        assert!(keys[0] != keys[1] && keys[1] == keys[2] && keys[2] == keys[3], "{given:?} {keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_body_with_the_same_extensions_is_another_write() {
    let transport = Transport::new([504, 200, 504, 200].map(status));
    let client = transport.client(metronome(RetryPolicy::never()));
    let request = |body: &'static str| {
        let mut request = Request::new(http::Method::POST, LEDGER.parse().unwrap());
        *request.body_mut() = Some(body.into());
        request
    };
    for (first, second, same) in [("seat A", "seat B", false), ("seat A", "seat A", true)] {
        let mut extensions = http::Extensions::new();
        assert!(client.execute_with_extensions(request(first), &mut extensions).await.is_err());
        client.execute_with_extensions(request(second), &mut extensions).await.unwrap();
        let keys = transport.keys().split_off(transport.keys().len() - 2);
        assert!(keys[0].is_some() && (keys[0] == keys[1]) == same, "{second} {keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_key_of_the_caller_begins_anew() {
    let transport = Transport::new([504, 404].map(status));
    let client = transport.client(metronome(RetryPolicy::never()));
    let request = |key: &str| {
        let mut request = Request::new(http::Method::POST, LEDGER.parse().unwrap());
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        request
    };
    let mut extensions = http::Extensions::new();
    assert!(client.execute_with_extensions(request("a"), &mut extensions).await.is_err());
    let outer = client.execute_with_extensions(request("b"), &mut extensions).await.unwrap_err();
    let error = Error::find(&outer).unwrap();
    assert_eq!((error.applied(), error.key().unwrap().first_sent_at()), (Applied::No, None));
}

#[tokio::test(start_paused = true)]
async fn used_key_waits_where_both_requests_are_executed() {
    let service = |longest: Option<Duration>| {
        let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
            .concurrent_requests(ConcurrentRequests::Executed);
        let keys = match longest {
            Some(longest) => keys.longest_execution(longest),
            None => keys,
        };
        Service::builder("pay", "https://pay.example.com").idempotency(keys).build().unwrap()
    };
    let url = "https://pay.example.com/charges";
    let key = || IdempotencyKey::new("charge-7").first_sent(SystemTime::now());
    let started = tokio::time::Instant::now();
    let transport = Transport::new([status(200)]);
    let known = transport.client(service(Some(60 * SECOND)));
    known.post(url).idempotency_key(key()).send().await.unwrap();
    assert_eq!(started.elapsed(), 60 * SECOND);
    // A key that was not sent before need not wait.
    let transport = Transport::new([status(200)]);
    transport.client(service(None)).post(url).idempotency_key("charge-8").send().await.unwrap();
    for (longest, stop) in [(None, StopReason::NotIdempotent), (Some(121 * SECOND), StopReason::DeadlineExceeded)] {
        let transport = Transport::new([]);
        failure!(transport.client(service(longest)).post(url).idempotency_key(key()), |error| {
            assert_eq!(facts(error), (ErrorKind::InvalidKey, stop, Applied::Unknown));
            assert!(error.to_string().contains("nothing was sent"), "{error}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn verifier_is_asked_about_a_key_that_is_too_old() {
    let clock = WallClock::new();
    let service = Service::metronome();
    let service = service.verifier_fn(|_| async { Verdict::Applied(Some(http::Response::new("found").into())) });
    let transport = Transport::new([]);
    let key = IdempotencyKey::new("invoice-7").first_sent(clock.wall() - 30 * HOUR);
    let response = client(&transport, service, &clock).post(LEDGER).idempotency_key(key).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "found");
}
