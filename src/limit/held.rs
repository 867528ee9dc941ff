//! A call within a call: it uses the place that the outer one holds, since it would otherwise wait for it.

use std::{cell::Cell, future::Future, pin::Pin};

tokio::task_local! {
    /// Of the attempt that the current task carries.
    static HELD: Held;
}

/// The place of an attempt, for calls that are made while it is under way.
struct Held {
    /// Which service's.
    service: usize,
    lent: Cell<bool>,
}

/// A place that is lent to a call within a call, one at a time.
#[derive(Debug)]
#[must_use]
pub(crate) struct Lent(());

/// Polls `attempt` so that calls to the same service within it find its place.
pub(crate) fn within<'a, T>(
    service: usize,
    attempt: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>>
where
    T: 'a,
{
    Box::pin(HELD.scope(Held { service, lent: Cell::new(false) }, attempt))
}

/// The place of the attempt around this call, if that is to the same service and not lent already.
pub(crate) fn borrow(service: usize) -> Option<Lent> {
    HELD.try_with(|held| (held.service == service && !held.lent.replace(true)).then(|| Lent(()))).ok().flatten()
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Out of the scope there is no place to give back.
        let _ = HELD.try_with(|held| held.lent.set(false));
    }
}
