//! Anything from outside: headers, bodies and descriptions made of arbitrary bytes. Nothing panics, the status is kept,
//! and what is bounded stays so.
//!
//! `PROPTEST_CASES=100000 cargo test --test it fuzz` looks longer.

mod descriptions;
mod idempotency;
mod policies;
mod texts;
mod wire;

use std::{future::Future, time::Duration};

use http::HeaderValue;
use proptest::{prelude::*, strategy::ValueTree as _};
use reqwest_safe_retry::{
    Attempts, BooleanHeader, Error, RateLimiting, RetryAfterSource, RetryAfterUnit, RetryPolicy, Service,
    ServiceBuilder, StopReason, services,
};

use self::{
    descriptions::descriptions,
    texts::methods,
    wire::{HINTS, bodies, headers},
};
use crate::support::transport::{Reply, Transport, status};

const URL: &str = "https://service.test/";
/// How many bytes of an error's body are read.
const MOST: usize = 64 * 1024;

/// Runs a call under a paused clock.
fn run<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(call)
}

fn response(status: u16, headers: &[(&'static str, Vec<u8>)], body: Vec<u8>) -> Reply {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        // What cannot be sent cannot arrive either.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response = response.header(*name, value);
        }
    }
    Reply::from(response.body(body.into()).unwrap())
}

/// A service that reads every hint.
fn hinted() -> ServiceBuilder {
    let hints = [
        RetryAfterSource::header(HINTS[0]).unit(RetryAfterUnit::Milliseconds),
        RetryAfterSource::header(HINTS[1]),
        RetryAfterSource::default(),
    ];
    Service::builder("fuzz", URL)
        .rate_limiting(RateLimiting::new().retry_after(hints).scope_header("x-scope", ["customer"]))
        .retry_signal(BooleanHeader::new("x-should-retry"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hints_are_bounded(number in 400..600_u16, headers in headers()) {
        run(async {
            let transport = Transport::new([response(number, &headers, Vec::new()), status(200)]);
            let started = tokio::time::Instant::now();
            let ended = transport.client(hinted().build().unwrap()).get(URL).send().await;
            let waited = started.elapsed();
            match ended {
                Ok(response) => {
                    // The longest hint, and what is added to it.
                    prop_assert!(waited <= Duration::from_secs(61), "{waited:?}");
                    let attempts = response.extensions().get::<Attempts>().unwrap();
                    prop_assert_eq!(attempts.iter().next().unwrap().status().unwrap().as_u16(), number);
                }
                Err(outer) => {
                    let error = Error::find(&outer).unwrap();
                    prop_assert_eq!(error.status().unwrap().as_u16(), number);
                    prop_assert_eq!(waited, Duration::ZERO);
                    if error.stop() == StopReason::RetryAfterTooLong {
                        prop_assert!(error.retry_after().unwrap() > Duration::from_secs(60));
                    } else {
                        prop_assert_eq!(error.stop(), StopReason::Permanent);
                    }
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn bodies_keep_the_status(
        number in 400..600_u16,
        headers in headers(),
        body in bodies(),
        shipped in prop::sample::select(vec![
            services::metronome, services::stripe::v1, services::adyen, services::openai,
        ]),
    ) {
        run(async {
            let service = shipped().into_builder().base_url(URL).retry_policy(RetryPolicy::never()).build().unwrap();
            let transport = Transport::new([response(number, &headers, body.clone())]);
            let outer = transport.client(service).post(URL).body("{}").send().await.unwrap_err();
            let error = Error::find(&outer).unwrap();
            prop_assert_eq!(error.status().unwrap().as_u16(), number);
            prop_assert!(error.body() == &body[..body.len().min(MOST)]);
            prop_assert_eq!(error.is_truncated(), body.len() > MOST);
            let shown = format!("{error}");
            prop_assert!(shown.len() < 4_000 && !shown.contains(char::is_control), "{}", shown);
            let shown = format!("{error:?}");
            prop_assert!(shown.len() < 8_000, "{}", shown);
            let _ = error.detail::<serde_json::Value>();
            Ok(())
        })?;
    }

    /// A description that is accepted also works.
    #[test]
    fn descriptions_are_refused_or_work(
        description in descriptions().boxed(),
        number in 400..600_u16,
        headers in headers(),
        body in bodies(),
        method in methods(),
    ) {
        match description.build() {
            Err(error) => {
                prop_assert!(!error.errors().is_empty());
                prop_assert!(error.errors().iter().all(|error| !error.path().is_empty()));
            }
            Ok(service) => run(async {
                let url = service.base_url().to_owned();
                let script = [response(number, &headers, body)].into_iter().chain((0..9).map(|_| status(200)));
                let ended = Transport::new(script).client(service).request(method, url).body("{}").send().await;
                if let Err(outer) = ended {
                    let shown = Error::find(&outer).unwrap().to_string();
                    prop_assert!(!shown.is_empty());
                }
                Ok(())
            })?,
        }
    }
}

/// The descriptions above are of some use: both kinds come up.
#[test]
fn some_descriptions_are_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..200).filter(|_| descriptions().new_tree(&mut runner).unwrap().current().build().is_ok()).count();
    assert!((20..=180).contains(&accepted), "{accepted} of 200 are accepted");
}
