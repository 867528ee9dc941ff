//! Processes share the concurrency limit of a service through Redis: a store for `reqwest-safe-retry`.
//!
//! Processes that call a service with one account share one limit of it. Each of them alone would have to find out what
//! the others leave. With a [`RedisSharedLimit`] they report to a Redis server what they see of the limit, and receive
//! their share.
//!
//! ```no_run
//! use reqwest_safe_retry::{Fleet, SafeRetry, Service};
//! use reqwest_safe_retry_redis::RedisSharedLimit;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let fleet = Fleet::join(RedisSharedLimit::new("redis://redis.internal:6379")?);
//! let service = Service::metronome().share_limit(&fleet)?;
//! let client = SafeRetry::new([service]).client(reqwest::Client::builder())?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! # While Redis is away
//!
//! No call waits for Redis. While it does not answer, each process goes on with its last share as a limit of its own,
//! after one event at WARN. Every report tries again, so that processes are back within a second of the server's
//! return. What Redis forgets in a restart it learns anew: the limit is built from what the processes hold.
//!
//! # What is stored
//!
//! One hash for each limit, under the [prefix](RedisSharedLimit::prefix) and the service's name. It has no data of
//! calls, only numbers: about 400 bytes, and 60 for each process of the last two seconds. It expires ten minutes after
//! the last report. A script ([`EVALSHA`](https://redis.io/docs/latest/commands/evalsha/)) changes it, with the
//! server's clock. The user of the URL needs the commands `EVALSHA`, `EVAL`, `TIME`, `HMGET`, `HLEN`, `HGETALL`,
//! `HSET`, `HDEL`, `DEL` and `PEXPIRE` for these keys.
//!
//! Redis 5 or later, or Valkey. A Redis Cluster is not supported, since a connection is to one server.

mod connection;
mod error;
mod protocol;
mod store;

pub use error::InvalidUrl;
pub use store::RedisSharedLimit;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
