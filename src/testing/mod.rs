//! A transport that answers from a script: for tests of code that makes calls, without a server and without waiting.
//!
//! ```
//! use std::time::Duration;
//! use reqwest_safe_retry::{Attempts, Backoff, Jitter, RetryPolicy, SafeRetry, Service};
//! use reqwest_safe_retry::testing::{Reply, ScriptedTransport, SentRequest};
//!
//! // In a test: `#[tokio::test(start_paused = true)]`, with tokio's feature `test-util`.
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let waits = Backoff::new(Duration::from_secs(1), Duration::from_secs(16)).jitter(Jitter::None);
//! let policy = RetryPolicy::new().max_attempts(6).transient(waits);
//! let billing = Service::metronome().into_builder().retry_policy(policy).build()?;
//!
//! let transport = ScriptedTransport::new([
//!     Reply::no_connection(),
//!     Reply::status(503),
//!     Reply::reset(),
//!     Reply::timeout(),
//!     Reply::status(502),
//!     Reply::response(200, [("x-request-id", "r-6")], r#"{"data":{"id":"c-1"}}"#),
//! ]);
//! let client = transport.client(SafeRetry::new([billing]))?;
//! let url = "https://api.metronome.com/v1/contracts/create";
//! let response = client.post(url).body(r#"{"customer_id":"12"}"#).send().await?;
//! assert_eq!(response.extensions().get::<Attempts>().map(Attempts::count), Some(6));
//!
//! // 31 s of waits have passed, and next to no real time.
//! let sent = transport.sent();
//! assert_eq!(sent.iter().map(|sent| sent.at().as_secs()).collect::<Vec<_>>(), [0, 1, 3, 7, 15, 31]);
//! assert!(sent.iter().all(|sent| sent.json("/customer_id").as_deref() == Some("12")));
//! let key = sent[0].header("idempotency-key");
//! assert!(key.is_some() && sent.iter().all(|sent| sent.header("idempotency-key") == key), "one key for all attempts");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test()).unwrap();
//! ```
//!
//! # On a paused clock
//!
//! The layer takes its time from tokio's clock. While that is paused, it jumps to the next timer as soon as no task has
//! anything to do, so that waits, deadlines and [`Reply::after`] take no real time and are exact. 31 s of waits between six
//! statuses take 900 µs in a debug build. The first [`Reply::no_connection`] or [`Reply::timeout`] of a transport adds some
//! 50 ms where reqwest has TLS, since it builds a client, which reads certificates.
//!
//! Real sockets and a paused clock do not go together. A runtime that waits for a packet has nothing to do either: the clock
//! jumps, and timeouts and deadlines pass before the packet arrives. This transport opens no socket. For tests with real
//! ones let the clock run, and give the service a policy with short waits.
//!
//! The module needs no feature: it has no dependency that the layer does not have, and what a program does not call is not
//! linked.

pub(crate) mod failure;
pub(crate) mod reply;
pub(crate) mod sent_request;
pub(crate) mod transport;

pub use self::{reply::Reply, sent_request::SentRequest, transport::ScriptedTransport};
