//! Clock, sleep and dice: the one file that touches them.
//!
//! Elapsed time is measured on tokio's monotonic clock, so that a paused clock pauses the layer too. The wall
//! clock is read to turn an HTTP date into a wait, and to tell the age of a key.
#![allow(clippy::disallowed_methods)]

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::{Duration, SystemTime},
};

pub(crate) use tokio::time::Instant;
use uuid::{Builder, Uuid};

/// Where the layer takes its wall clock and its jitter from; the system's unless a test says otherwise.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use reqwest_safe_retry::{Clock, SafeRetry, Service};
///
/// /// Every wait at its upper bound, at a date of our own.
/// #[derive(Debug)]
/// struct Pinned;
///
/// impl Clock for Pinned {
///     fn wall(&self) -> SystemTime {
///         SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
///     }
///     fn jitter(&self) -> f64 {
///         1.0
///     }
/// }
///
/// assert_eq!(Pinned.jitter(), 1.0);
/// let layer = SafeRetry::new([Service::metronome()]).clock(Pinned);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The date and time of day, for hints that are dates and for the age of keys.
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    /// A number from 0 to 1 that places a wait between its bounds; anything outside is clamped.
    fn jitter(&self) -> f64 {
        fastrand::f64()
    }
}

/// The system's clock and a random jitter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {}

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn sleep(wait: Duration) -> impl Future<Output = ()> + Send {
    tokio::time::sleep(wait)
}

/// `None` where `limit` passes before `work` is done; `work` is dropped then.
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    tokio::time::timeout(limit, work).await.ok()
}

/// `None` where `deadline` passes before `work` is done; `work` is dropped then. There is a timer only where `work` is not
/// done at once.
#[allow(clippy::manual_async_fn)] // An `async fn` would have room for its argument twice.
pub(crate) fn before<F: Future + Unpin + Send>(
    deadline: Option<Instant>,
    mut work: F,
) -> impl Future<Output = Option<F::Output>> + Send {
    async move {
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(Pin::new(&mut work).poll(context))).await {
            return Some(done);
        }
        match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, &mut work).await.ok(),
            None => Some((&mut work).await),
        }
    }
}

/// A UUIDv4, for a key that no one else has: 122 random bits of the operating system.
///
/// `Uuid::new_v4` takes them from the memory of the process where any crate of the program has uuid's feature `fast-rng`: a
/// fork, or a virtual machine that is started twice from one snapshot, would then make the same keys again.
pub(crate) fn fresh_uuid() -> Result<Uuid, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}

/// A random number that tells processes or test runs apart. Two may be equal: not for keys.
pub(crate) fn random_number() -> u64 {
    fastrand::u64(..)
}
