//! Deadlines, waits and the retry budget.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest_safe_retry::{
    Applied, Backoff, ConcurrencyLimit, ErrorKind, Idempotency, InDoubtWrite, Jitter, RetryPolicy, SafeRetry, Service,
    StopReason, Verdict,
};
use tokio::time::Instant;

use super::{LEDGER, LIST, facts, failure, metronome, with_budget};
use crate::support::{
    clock::FixedClock,
    transport::{Reply, Transport, reply, status},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn silent_server_is_abandoned_at_the_deadline() {
    let transport = Transport::new([Reply::never()]);
    let started = Instant::now();
    failure!(transport.client(Service::metronome()).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Transport, StopReason::DeadlineExceeded, Applied::Unknown));
        assert!(error.is_timeout() && !error.is_connect());
        assert_eq!(error.attempts().count(), 1);
    });
    assert_eq!(started.elapsed(), 120 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn deadline_covers_attempts_and_waits() {
    let late = |number| status(number).after(2 * SECOND);
    let transport = Transport::new([late(503), late(503), Reply::never()]);
    let policy = RetryPolicy::new()
        .max_attempts(9)
        .deadline(8 * SECOND)
        .transient(Backoff::new(SECOND, SECOND).jitter(Jitter::None));
    let started = Instant::now();
    failure!(transport.client(metronome(policy)).post(LIST), |error| {
        assert_eq!(
            (error.kind(), error.stop(), error.attempts().count()),
            (ErrorKind::Transport, StopReason::DeadlineExceeded, 3)
        );
    });
    assert_eq!(started.elapsed(), 8 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn wait_beyond_the_deadline_is_not_started() {
    let transport = Transport::new([reply(429, &[("retry-after", "10")], "")]);
    let started = Instant::now();
    failure!(transport.client(metronome(RetryPolicy::new().deadline(3 * SECOND))).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::RateLimited, StopReason::DeadlineExceeded, Applied::No));
        assert_eq!(error.retry_after(), Some(10 * SECOND));
    });
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn slow_error_body_is_cut_off() {
    let slow = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(SECOND * 3 / 2).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    let transport = Transport::new([reply(404, &[], reqwest::Body::wrap_stream(slow))]);
    let started = Instant::now();
    failure!(transport.client(Service::metronome()).post(LEDGER), |error| {
        assert_eq!((error.kind(), error.is_truncated(), error.body()), (ErrorKind::NotFound, true, b" ".as_slice()));
    });
    assert_eq!(started.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn status_decides_when_the_body_breaks_off() {
    let broken = || {
        let parts = [Ok("{\"message\":"), Err(std::io::Error::other("gone"))];
        reqwest::Body::wrap_stream(futures_util::stream::iter(parts))
    };
    let transport = Transport::new([reply(503, &[], broken()), reply(404, &[], broken())]);
    failure!(transport.client(Service::metronome()).post(LEDGER), |error| {
        assert_eq!((error.kind(), error.attempts().count(), error.is_truncated()), (ErrorKind::NotFound, 2, true));
    });
}

#[tokio::test(start_paused = true)]
async fn throttled_and_transient_waits_grow_separately() {
    // With a concurrency limit, a 429 already slows all calls down, so this call's own waits grow less.
    for (limit, expected) in [
        (ConcurrencyLimit::Off, [500, 1000, 1000, 2000, 2000]),
        (ConcurrencyLimit::Adaptive, [500, 1000, 1000, 1000, 2000]),
    ] {
        let policy = RetryPolicy::new().max_attempts(6);
        let service = metronome(policy).into_builder().concurrency_limit(limit.clone()).build().unwrap();
        let transport = Transport::new([503, 429, 503, 429, 503, 200].map(status));
        transport.client(service).post(LIST).send().await.unwrap();
        let sent: Vec<_> = transport.sent().iter().map(|sent| sent.at).collect();
        let waits: Vec<_> = sent.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        assert_eq!(waits, expected, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn budget_is_shared_by_calls_and_clones() {
    let layer = SafeRetry::new([with_budget(20, RetryPolicy::new().max_attempts(2))]).clock(FixedClock::at(1.0));
    let transport = Transport::new((0..4).map(|_| status(503)));
    let client = transport.layered(layer.clone());
    failure!(client.post(LIST), |error| assert_eq!(error.stop(), StopReason::AttemptsExhausted));
    failure!(transport.layered(layer).post(LIST), |error| assert_eq!(error.stop(), StopReason::BudgetExhausted));
    assert_eq!(transport.sent().len(), 3, "14 of 20 tokens went to the first retry");
}

#[tokio::test(start_paused = true)]
async fn success_refunds_its_tokens() {
    let layer = SafeRetry::new([with_budget(14, RetryPolicy::new())]).clock(FixedClock::at(1.0));
    let transport = Transport::new((0..6).map(|n| status(if n % 2 == 0 { 503 } else { 200 })));
    let client = transport.layered(layer);
    for _ in 0..3 {
        client.post(LIST).send().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn call_dropped_while_waiting_costs_nothing() {
    let layer = SafeRetry::new([with_budget(14, RetryPolicy::new())]).clock(FixedClock::at(1.0));
    let transport = Transport::new([503, 503, 200].map(status));
    let client = transport.layered(layer);
    let dropped = tokio::time::timeout(Duration::from_millis(100), client.post(LIST).send()).await;
    assert!(dropped.is_err());
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(transport.sent().len(), 1);
    client.post(LIST).send().await.unwrap();
    assert_eq!(transport.sent().len(), 3, "the next call could still pay for its retry");
}

/// A response whose body never ends: the call stops at its deadline, and the status still counts.
#[tokio::test(start_paused = true)]
async fn status_decides_when_the_deadline_cuts_the_body() {
    let silent = |number| {
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = begun.chain(futures_util::stream::pending());
        reply(number, &[], reqwest::Body::wrap_stream(body))
    };
    let policy = RetryPolicy::new().deadline(SECOND).error_body_timeout(2 * SECOND);
    // Would turn a write in doubt into a success; no time is left to call it.
    let uncalled = |_: &InDoubtWrite<'_>| async { Verdict::Applied(Some(http::Response::new("").into())) };
    let keyed = metronome(policy.clone()).verifier_fn(uncalled);
    let unkeyed = keyed.clone().into_builder().map_idempotency(Idempotency::callers_keys_only).build().unwrap();
    let once = keyed.clone().into_builder().retry_policy(policy.clone().max_attempts(1)).build().unwrap();
    for (name, service, url, number, expected) in [
        ("final", &keyed, LEDGER, 404, (ErrorKind::NotFound, StopReason::Permanent, Applied::No)),
        ("throttled", &keyed, LEDGER, 429, (ErrorKind::RateLimited, StopReason::DeadlineExceeded, Applied::No)),
        ("gateway", &keyed, LEDGER, 503, (ErrorKind::Server, StopReason::DeadlineExceeded, Applied::Unknown)),
        ("internal", &keyed, LEDGER, 500, (ErrorKind::Server, StopReason::DeadlineExceeded, Applied::Unknown)),
        ("unsupported", &keyed, LEDGER, 501, (ErrorKind::Server, StopReason::Permanent, Applied::Unknown)),
        ("a read", &keyed, LIST, 503, (ErrorKind::Server, StopReason::DeadlineExceeded, Applied::No)),
        ("without a key", &unkeyed, LEDGER, 503, (ErrorKind::Server, StopReason::NotIdempotent, Applied::Unknown)),
        ("the only attempt", &once, LEDGER, 503, (ErrorKind::Server, StopReason::AttemptsExhausted, Applied::Unknown)),
    ] {
        let transport = Transport::new([silent(number)]);
        let started = Instant::now();
        failure!(transport.client(service.clone()).post(url).body("{}"), |error| {
            assert_eq!(facts(error), expected, "{name}");
            assert_eq!(error.status().unwrap().as_u16(), number, "{name}");
            assert_eq!((error.body(), error.is_truncated()), (b"{".as_slice(), true), "{name}");
        });
        assert_eq!(started.elapsed(), SECOND, "{name}");
    }
}

/// A body may take its own timeout or the rest of the call's deadline, whichever is shorter.
#[tokio::test(start_paused = true)]
async fn later_body_gets_the_remaining_time() {
    let silent = || {
        let body = futures_util::stream::pending::<Result<&str, std::io::Error>>();
        reply(503, &[], reqwest::Body::wrap_stream(body))
    };
    let waits = Backoff::new(SECOND, SECOND).jitter(Jitter::None);
    let policy = RetryPolicy::new().deadline(SECOND * 9 / 2).transient(waits);
    let transport = Transport::new([silent(), silent()]);
    let started = Instant::now();
    failure!(transport.client(metronome(policy)).post(LEDGER), |error| {
        assert_eq!(facts(error), (ErrorKind::Server, StopReason::DeadlineExceeded, Applied::Unknown));
        assert_eq!(error.attempts().count(), 2);
    });
    let second = transport.sent()[1].at - started;
    assert_eq!(
        (second, started.elapsed()),
        (3 * SECOND, SECOND * 9 / 2),
        "2 s and a wait, then the rest of the deadline"
    );
}
