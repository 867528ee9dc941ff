//! What happens after a failed attempt: pure functions of plain data.
//!
//! Three kinds of state are kept apart: [`Rules`] are constant for a call, [`History`] is what the attempts have shown,
//! [`Moment`] is the elapsed time and a jitter sample. [`step`] adds an outcome to the history and decides what follows;
//! the retry loop, [`Service::explain`](crate::Service::explain) and the tests call the same function.
//!
//! ```
//! use http::StatusCode;
//! use reqwest_safe_retry::decide::{Decision, History, KeyPlace, Moment, ResponseFacts, Rules, step};
//! use reqwest_safe_retry::{Effect, KeyKind, RetryPolicy, StopReason};
//!
//! let policy = RetryPolicy::new().resolve();
//! let gateway_timeout = ResponseFacts::new(StatusCode::GATEWAY_TIMEOUT).into();
//!
//! // A write without a key may have been executed: it is not sent again.
//! let unkeyed = Rules::new(Effect::Write, KeyPlace::Absent, KeyKind::Unsupported, &policy);
//! let decision = step(&unkeyed, &mut History::default(), &gateway_timeout, Moment::default()).decision;
//! assert_eq!(decision, Decision::Fail(StopReason::NotIdempotent));
//!
//! // With its key it can be.
//! let keyed = Rules::new(Effect::Write, KeyPlace::Header, KeyKind::ReplayAll, &policy);
//! let decision = step(&keyed, &mut History::default(), &gateway_timeout, Moment::default()).decision;
//! assert!(matches!(decision, Decision::Retry { .. }));
//! ```
//!
//! The module needs nothing but `std` and `http`.

pub(crate) mod advice;
pub(crate) mod backoff;
pub(crate) mod class;
pub(crate) mod decision;
pub(crate) mod effect;
pub(crate) mod history;
pub(crate) mod key;
pub(crate) mod outcome;
pub(crate) mod policy;
mod record;
pub(crate) mod rules;
pub(crate) mod status_set;
pub(crate) mod stop;

pub use class::OutcomeClass;
pub use decision::{Decision, Step, WaitSource, decide, step};
pub use history::History;
pub use key::{KeyPlace, KeySharing};
pub use outcome::{Outcome, ResponseFacts};
pub use policy::ResolvedPolicy;
pub use rules::{Moment, RetryCosts, Rules};
