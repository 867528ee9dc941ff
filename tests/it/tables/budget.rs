//! The retry budget, which the loop asks after the decision: a repeat that it cannot pay for is not sent.

use std::time::Duration;

use http::Method;
use reqwest_safe_retry::{ConcurrencyLimit, Effect, Error, RetryPolicy, Service, ServiceBuilder, StopReason};

use crate::support::transport::{Transport, status};

fn service() -> ServiceBuilder {
    Service::builder("budget", "https://service.test").retry_policy(RetryPolicy::new().max_attempts(5))
}

/// How often a read is sent whose every response has this status, and why it ends.
async fn sent(service: ServiceBuilder, number: u16) -> (usize, StopReason) {
    let transport = Transport::new((0..5).map(|_| status(number)));
    let outer = transport.client(service.build().unwrap()).get("https://service.test/").send().await.unwrap_err();
    (transport.sent().len(), Error::find(&outer).unwrap().stop())
}

#[tokio::test(start_paused = true)]
async fn budget_of_nothing_allows_no_repeat() {
    let none = || service().retry_budget(0);
    let exhausted = (1, StopReason::BudgetExhausted);
    assert_eq!(sent(none(), 503).await, exhausted);
    // Not even one that is free: after a 429 under an adaptive limit, or because the service says so.
    assert_eq!(sent(none(), 429).await, exhausted);
    assert_eq!(sent(none().retry_costs(0, 0), 503).await, exhausted);
}

#[tokio::test(start_paused = true)]
async fn all_of_the_budget_may_be_spent() {
    let off = || service().concurrency_limit(ConcurrencyLimit::Off);
    for (service, number, expected) in [
        (off().retry_budget(28), 503, 3),
        (off().retry_budget(27), 503, 2),
        (off().retry_budget(13), 503, 1),
        (off().retry_budget(10), 429, 3),
        (off().retry_budget(9), 429, 2),
    ] {
        let tokens = format!("{service:?}");
        assert_eq!(sent(service, number).await, (expected, StopReason::BudgetExhausted), "{number}: {tokens}");
    }
    // Under an adaptive limit a repeat after a 429 is free.
    let few = service().retry_budget(5).retry_policy(RetryPolicy::new().max_attempts(3));
    assert_eq!(sent(few, 429).await, (3, StopReason::AttemptsExhausted));
}

#[tokio::test(start_paused = true)]
async fn every_other_reason_comes_first() {
    let none = || service().retry_budget(0);
    assert_eq!(sent(none(), 404).await, (1, StopReason::Permanent));
    assert_eq!(sent(none().retry_policy(RetryPolicy::never()), 503).await, (1, StopReason::AttemptsExhausted));
    let short = RetryPolicy::new().deadline(Duration::from_millis(100));
    assert_eq!(sent(none().retry_policy(short), 503).await, (1, StopReason::DeadlineExceeded));
    let write = none().route(Method::GET, "/", Effect::Write);
    assert_eq!(sent(write, 503).await, (1, StopReason::NotIdempotent));
}
