//! The middleware over a scripted transport on a paused clock: no sockets and no real waits.

mod attempts;
mod bodies;
mod calls_within_calls;
mod cancellation;
mod client;
mod concurrency_limit;
mod cost;
mod deadline;
mod errors;
mod events;
mod fetch_by_key;
mod find;
mod fleet;
mod hints;
mod journal;
mod key_age;
mod key_places;
mod keyed_endpoints;
mod keys;
mod layer;
mod limit_groups;
mod limit_keys;
mod limit_reopens;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod nested;
mod not_sent;
mod observer;
mod operations;
mod order;
mod records;
mod replay_status;
mod request;
mod response_rules;
mod reused_keys;
mod secrets;
mod services;
mod several_hosts;
mod shipped_keys;
mod status;
mod testing;
mod tracing;
mod verifier;
mod whole_responses;

use reqwest_middleware::RequestBuilder;
use reqwest_safe_retry::{Error, RetryPolicy, Service};

const CONTRACTS: &str = "https://api.metronome.com/v1/contracts/create";
const LEDGER: &str = "https://api.metronome.com/v1/contracts/addManualBalanceLedgerEntry";
const LIST: &str = "https://api.metronome.com/v1/contracts/list";

/// An operation, and its first two keys, computed with another implementation.
const CHARGE: &str = "invoice-2026-07/charge";
const FIRST: &str = "830a8228-36a8-5d57-a350-95b7e6bc9d06";
const NEXT: &str = "da7344ee-5ebd-523b-8ed0-b9a25636b5ab";

/// Metronome with another policy.
fn metronome(policy: RetryPolicy) -> Service {
    Service::metronome().into_builder().retry_policy(policy).build().unwrap()
}

/// Metronome with another retry budget.
fn with_budget(tokens: u32, policy: RetryPolicy) -> Service {
    Service::metronome().into_builder().retry_budget(tokens).retry_policy(policy).build().unwrap()
}

/// The outer error of a call that is expected to fail.
async fn outer_error(request: RequestBuilder) -> reqwest_middleware::Error {
    request.send().await.expect_err("the call should fail")
}

/// The layer's error of a call that must fail, to keep.
async fn owned_failure(request: RequestBuilder) -> Error {
    match outer_error(request).await {
        reqwest_middleware::Error::Middleware(error) => error.downcast().expect("the layer's error"),
        other => panic!("{other}"),
    }
}

/// Sends a request that must fail and looks at the layer's error.
macro_rules! failure {
    ($request:expr, |$error:ident| $check:expr) => {{
        let outer = crate::scripted::outer_error($request).await;
        let $error = reqwest_safe_retry::Error::find(&outer).expect("the layer's error");
        $check
    }};
}
use failure;

/// An error's kind, stop reason and effect.
fn facts(
    error: &Error,
) -> (reqwest_safe_retry::ErrorKind, reqwest_safe_retry::StopReason, reqwest_safe_retry::Applied) {
    (error.kind(), error.stop(), error.applied())
}
