//! A layer around [reqwest](https://docs.rs/reqwest) that makes writes to JSON APIs safe to retry.
//!
//! It reads each response's status, turns errors into typed errors, retries 429 with backoff, and retries 5xx while it
//! preserves or rotates the `Idempotency-Key` as each service documents. It keeps one promise: **a write is never applied
//! twice by this layer, and never silently lost.** A call returns the service's response, or an [`Error`] that says whether
//! the write took effect and why retrying stopped.
//!
//! ```
//! use reqwest_safe_retry::{Applied, Error, ErrorKind, SafeRetry, Service};
//!
//! # async fn example(contract: &str, url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let client = SafeRetry::new([Service::metronome()]).client(reqwest::Client::builder())?;
//!
//! match client.post(url).body(contract.to_owned()).send().await {
//!     Ok(response) => println!("{}", response.status()), // 2xx and 3xx, untouched
//!     Err(error) => match Error::find(&error) {
//!         Some(e) if e.kind() == ErrorKind::NotFound => println!("{}", e.message()),
//!         Some(e) if e.applied() == Applied::Unknown => println!("check {:?}: {}", e.key(), e.attempts()),
//!         _ => return Err(error.into()),
//!     },
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Quick start
//!
//! ```toml
//! [dependencies]
//! http = "1" # methods and statuses, for a service of your own
//! reqwest = { version = "0.13", features = ["json"] }
//! reqwest-middleware = { version = "0.5", features = ["json"] }
//! reqwest-safe-retry = { version = "0.1", features = ["http2"] }
//! serde_json = "1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! - [`guide`], in reading order: [concepts](guide::concepts), [quick start](guide::quick_start),
//!   [configuring](guide::configuring), [errors](guide::errors), [verifiers](guide::verifiers),
//!   [crash safety](guide::crash_safety), [concurrency limiting](guide::concurrency_limiting),
//!   [observability](guide::observability), [what to do when](guide::operations), [testing](guide::testing),
//!   [limitations](guide::limitations), [migrating](guide::migrating)
//! - [`cookbook`]: whole programs to copy from
//! - [`services`]: what ships with the crate, each rule with its page
//! - [`telemetry`]: every span, event and metric
//! - [`decide`]: the decision after a failed attempt, as a pure function of data
//! - [`testing`]: a scripted transport for tests without a server and without waiting
//!
//! # Features
//!
//! - `backoff` (default): the growth of the waits computed by the `backoff` crate; without it they are doubled here
//! - `backon`: the same waits computed by `backon` instead
//! - `http2`: recognise requests that an HTTP/2 server did not process
//! - `config`: `ServicesConfig`, the services of a layer from a file of TOML, JSON or YAML
//! - `schema`: the JSON schema of that file
//! - `serde`: [`Record`], [`Attempts`] and the facts of an error can be stored
//! - `cli`: the program `safe-retry`, which checks that file and explains decisions; nothing in the library
//! - `metrics`: counts and times, listed in [`telemetry`], through the `metrics` facade
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod attempts;
mod call;
mod classifier;
#[cfg(feature = "config")]
mod config;
#[cfg(any(doc, doctest))]
pub mod cookbook;
pub mod decide;
pub mod durable;
mod error;
mod explain;
mod fetch_by_key;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hooks;
mod key;
mod limit;
mod middleware;
mod observer;
mod observer_fn;
mod request;
mod service;
pub mod services;
pub mod telemetry;
pub mod testing;
mod time;
mod unknown_hosts;
mod verify;
mod wire;

#[doc(no_inline)]
pub use async_trait::async_trait;
pub use attempts::{Attempt, AttemptOutcome, Attempts, VerdictKind};
pub use classifier::{Classifier, ErrorResponse};
#[cfg(feature = "config")]
pub use config::ServicesConfig;
pub use decide::{
    advice::Advice,
    backoff::{Backoff, Jitter},
    effect::Effect,
    key::{ConcurrentRequests, KeyAction, KeyKind, Meaning, Probe},
    outcome::{Failure, Redirect},
    policy::{RetryAfterJitter, RetryPolicy},
    status_set::StatusSet,
    stop::{Applied, StopReason},
};
pub use durable::{operation::Operation, record::Record};
pub use error::{
    call_error::{CallError, Result},
    error::Error,
    find::Searchable,
    kind::ErrorKind,
    not_sent::NotSent,
};
pub use explain::Explanation;
pub use fetch_by_key::FetchByKey;
pub use hooks::RequestFacts;
pub use key::IdempotencyKey;
pub use limit::concurrency_limit::ConcurrencyLimit;
pub use limit::fleet::Fleet;
pub use limit::in_memory::InMemorySharedLimit;
pub use limit::shared_limit::{LimitReport, LimitShare, SharedLimit, SharedLimitError};
pub use middleware::SafeRetry;
pub use observer::{AttemptFacts, CallFacts, CallOutcome, EndFacts, Observer, RetryFacts, RotationFacts};
pub use request::{Deadline, RequestBuilderExt, RequestVerifier};
pub use service::{
    boolean_header::BooleanHeader,
    builder::ServiceBuilder,
    config_error::{ConfigError, FieldError},
    description::ErrorStatusHandling,
    error_format::ErrorFormat,
    header::Header,
    health::{Health, HostHealth, LimitGroupHealth},
    idempotency::{Idempotency, KeyFormat},
    key_characters::KeyCharacters,
    limit_key::LimitKeySource,
    rate_limiting::{RateLimiting, ScopeHeader},
    response_rule::ResponseRule,
    retry_after_source::{RetryAfterPlace, RetryAfterSource, RetryAfterUnit},
    route::Route,
    service::Service,
    source::{Evidence, Rule, Source},
};
pub use time::Clock;
pub use verify::{InDoubtWrite, Verdict, Verifier, VerifierFn};

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "config"))]
#[doc = include_str!("../README.md")]
struct Readme;
