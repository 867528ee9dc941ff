//! The loop over a scripted transport under a paused clock: no sockets, no waiting.

mod account;
mod bodies;
mod cancellation;
mod cost;
mod deadline;
mod errors;
mod keys;
mod layer;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod order;
mod request;
mod secrets;
mod services;
mod status;
mod tracing;
mod verifier;
mod window;

use reqwest_middleware::RequestBuilder;
use reqwest_safe_retry::{Error, RetryPolicy, Service};

const CONTRACTS: &str = "https://api.metronome.com/v1/contracts/create";
const LEDGER: &str = "https://api.metronome.com/v1/contracts/addManualBalanceLedgerEntry";
const LIST: &str = "https://api.metronome.com/v1/contracts/list";

/// Metronome under another policy.
fn metronome(policy: RetryPolicy) -> Service {
    Service::metronome().into_builder().retry(policy).build().unwrap()
}

/// The outer error of a call that is expected to fail.
async fn outer_error(request: RequestBuilder) -> reqwest_middleware::Error {
    request.send().await.expect_err("the call should fail")
}

/// What a failing call shows: the layer's own error is taken out of the outer one.
macro_rules! failure {
    ($request:expr, |$error:ident| $looked_at:expr) => {{
        let outer = crate::scripted::outer_error($request).await;
        let $error = reqwest_safe_retry::Error::find(&outer).expect("the layer's error");
        $looked_at
    }};
}
use failure;

/// The three facts of an error.
fn facts(error: &Error) -> (reqwest_safe_retry::ErrorKind, reqwest_safe_retry::Stop, reqwest_safe_retry::Applied) {
    (error.kind(), error.stop(), error.applied())
}
