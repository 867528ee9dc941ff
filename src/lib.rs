//! A layer around [reqwest](https://docs.rs/reqwest) that makes writes to JSON APIs safe to retry.
//!
//! It reads each response's status, turns errors into typed errors, retries 429 with backoff, and retries 5xx while
//! it preserves or rotates the `Idempotency-Key` as each service documents. It keeps one promise: **a write is never
//! applied twice by this layer, and never silently lost.** A call ends in the service's answer, or in an [`Error`] that
//! says whether the write took effect and why there was no further attempt.
//!
//! ```
//! use reqwest_middleware::ClientBuilder;
//! use reqwest_safe_retry::{Applied, Error, ErrorKind, SafeRetry, Service};
//!
//! # async fn example(contract: &str, url: &str) -> Result<(), reqwest_middleware::Error> {
//! let client = ClientBuilder::new(reqwest::Client::new()).with(SafeRetry::new([Service::metronome()])).build();
//!
//! match client.post(url).body(contract.to_owned()).send().await {
//!     Ok(response) => println!("{}", response.status()), // 2xx and 3xx, untouched
//!     Err(error) => match Error::find(&error) {
//!         Some(e) if e.kind() == ErrorKind::NotFound => println!("{}", e.message()),
//!         Some(e) if e.applied() == Applied::Unknown => println!("to be reviewed: {:?}", e.key()),
//!         _ => return Err(error),
//!     },
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The way of a request
//!
//! | step | what it answers | where |
//! |---|---|---|
//! | service | which service is this? none: the request passes through untouched | [`Service`], `service.rs` |
//! | route | what does sending this again do? | [`Effect`], [`Route`], `route.rs` |
//! | key | the caller's key, checked, or a fresh one | [`IdempotencyKey`], `key.rs` |
//! | window | may one more be in flight? wait, within the deadline | [`Window`], `window.rs`, `gates.rs` |
//! | send | one attempt, within the deadline; what it takes to repeat it is kept | the loop of `middleware.rs`, `call/send.rs`, `outgoing.rs` |
//! | outcome | what the answer says, or how the transport failed | [`Outcome`], `outcome.rs`, `hint.rs` |
//! | body | an error's body, once, within bounds | `body.rs`, [`ErrorFormat`] |
//! | decide | fail, or send again after this wait with this key: a pure function | [`decide`](mod@decide) |
//! | wait | the only clock, sleep and dice | [`Clock`], `time.rs` |
//! | verify | did the write take effect? | [`Verifier`], `verify.rs` |
//! | error | what the service said, why it ended, whether it took effect | [`Error`] |
//!
//! How often and how long is a [`RetryPolicy`]; how a service handles keys is an [`Idempotency`]. Both are data.
//!
//! Pages to copy from are in the `cookbook` module of this documentation.
//! What the layer tells tracing and metrics about each call is listed in [`telemetry`].
//!
//! # Features
//!
//! - `backoff` (default): the growth of the waits computed by the `backoff` crate
//! - `backon`: the same waits computed by `backon` instead; with `--no-default-features`
//! - `http2`: recognise requests that an HTTP/2 server did not process
//! - `serde`: `ServicesConfig`, the services of a layer from a file of TOML, JSON or YAML
//! - `schema`: the JSON schema of that file
//! - `metrics`: counts and times, listed in [`telemetry`], through the `metrics` facade
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod attempts;
mod backoff;
mod body;
mod budget;
mod call;
#[cfg(feature = "serde")]
mod config;
mod config_error;
#[cfg(any(doc, doctest))]
pub mod cookbook;
pub mod decide;
mod error;
mod error_format;
mod explain;
mod gates;
mod header;
mod hint;
mod idempotency;
mod json;
mod key;
mod lenient;
mod middleware;
mod outcome;
mod outgoing;
mod policy;
mod request;
mod route;
mod service;
mod services;
mod signal;
mod size;
mod source;
pub mod telemetry;
mod time;
mod verify;
mod window;

#[doc(no_inline)]
pub use async_trait::async_trait;
pub use attempts::{Attempt, Attempts, Met, VerdictKind};
pub use backoff::{Backoff, Jitter};
#[cfg(feature = "serde")]
pub use config::ServicesConfig;
pub use config_error::{ConfigError, Mistake};
pub use decide::{Applied, KeyAction, Stop};
pub use error::{CallError, Error, ErrorKind, Result, Searchable};
pub use error_format::ErrorFormat;
pub use explain::Explanation;
pub use hint::{HintHeader, RateLimiting};
pub use idempotency::{Idempotency, KeyCharacters, KeyFormat, KeyKind, Meaning, Probe};
pub use key::IdempotencyKey;
pub use middleware::SafeRetry;
pub use outcome::{Answer, Failure, Outcome, Redirected};
pub use policy::{RetryPolicy, StatusSet};
pub use request::{Deadline, RequestBuilderExt, RequestVerifier};
pub use route::{Effect, Route};
pub use service::{FinalStatus, Health, RequestFacts, Service, ServiceBuilder};
pub use signal::Signal;
pub use source::{Evidence, Rule, Source};
pub use time::Clock;
pub use verify::{Doubt, Verdict, Verifier};
pub use window::Window;

/// The error bodies that Adyen documents.
pub mod adyen {
    pub use crate::services::adyen::ErrorBody;
}
/// The error bodies that PayPal documents.
pub mod paypal {
    pub use crate::services::paypal::ErrorBody;
}
/// Problem details, RFC 9457.
pub mod problem {
    pub use crate::services::problem::ProblemDetails;
}
/// The error bodies that Stripe documents.
pub mod stripe {
    pub use crate::services::stripe::{ErrorBody, ErrorObject};
}

/// Compiles the examples in the README. One of them reads services from a file.
#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../README.md")]
struct Readme;
