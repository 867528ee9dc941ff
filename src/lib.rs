//! Safe retries for writes to JSON APIs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod attempts;
mod backoff;
mod body;
mod budget;
mod call;
mod config_error;
pub mod decide;
mod error;
mod error_format;
mod hint;
mod idempotency;
mod json;
mod key;
mod middleware;
mod outcome;
mod policy;
mod route;
mod service;
mod services;
#[cfg(feature = "simulator")]
pub mod simulator;
mod telemetry;
mod time;
mod verify;

pub use attempts::{Attempt, Attempts, Met, VerdictKind};
pub use backoff::{Backoff, Jitter};
pub use config_error::{ConfigError, Mistake};
pub use decide::{Applied, KeyAction, Stop};
pub use error::{Error, ErrorKind, Searchable};
pub use error_format::ErrorFormat;
pub use hint::{HintHeader, RateLimiting};
pub use idempotency::{Idempotency, KeyFormat, KeyKind, Meaning};
pub use key::IdempotencyKey;
pub use middleware::SafeRetry;
pub use outcome::{Answer, Failure, Outcome};
pub use policy::{RetryPolicy, StatusSet};
pub use route::{Effect, Route};
pub use service::{Service, ServiceBuilder};
pub use time::Clock;
pub use verify::{Doubt, Verdict, Verifier};
