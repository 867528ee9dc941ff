//! The task that reports to a store what this process sees of the limits that it shares.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle};

use super::{
    limiter::Limiter,
    member,
    shared_limit::{LimitReport, LimitShare, SharedLimit, SharedLimitError},
    state::{Shared, WeakShared},
};
use crate::{telemetry::spans, time};

/// This process as one of those that share the limits of their services through a store.
///
/// ```
/// use reqwest_safe_retry::{Fleet, InMemorySharedLimit, Service};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // A store that all processes reach, in place of this one.
/// let fleet = Fleet::join(InMemorySharedLimit::default());
/// let service = Service::metronome().share_limit(&fleet)?;
/// assert_eq!(service.health().in_flight, 0);
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// # }).unwrap();
/// ```
///
/// A task reports every 100 to 250 ms what the process has sent and what was refused, at once after a refusal, and receives
/// the process's share of each limit. Calls never wait for the store. While it does not answer, the process goes on with its
/// last share as a limit of its own, after one event at WARN; it comes back by itself.
///
/// Clones are the same membership. The task ends when the last clone is dropped; a service that
/// [shares its limit](crate::Service::share_limit) holds one.
#[derive(Clone, Debug)]
pub struct Fleet(Arc<Task>);

/// The task, which ends when this is dropped.
#[derive(Debug)]
struct Task {
    members: Arc<Members>,
    handle: JoinHandle<()>,
}

#[derive(Debug)]
struct Members {
    /// A random number.
    process: u64,
    limits: Mutex<Vec<(String, WeakShared)>>,
    /// Something is to be reported at once.
    reports: Arc<Notify>,
}

/// Between two reports, at least.
pub(super) const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
/// While there is nothing to report, and after a report without an answer.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);
/// A store that takes longer is taken to be away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

impl Fleet {
    /// Joins the processes that use this store.
    ///
    /// # Panics
    ///
    /// If it is called outside a Tokio runtime, as [`tokio::spawn`].
    pub fn join(store: impl SharedLimit) -> Self {
        let process = time::random_number();
        let members = Arc::new(Members { process, limits: Mutex::default(), reports: Arc::default() });
        let handle = tokio::spawn(report(Arc::clone(&members), store));
        Self(Arc::new(Task { members, handle }))
    }

    /// Shares this limit under a name that all processes use. Returns whether it can be shared.
    pub(super) fn share(&self, name: String, limiter: &Limiter) -> bool {
        let Members { limits, reports, .. } = &*self.0.members;
        let limit = limiter.join_fleet(reports);
        let can_be_shared = limit.is_some();
        lock(limits).extend(limit.map(|limit| (name, limit)));
        can_be_shared
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn report(members: Arc<Members>, store: impl SharedLimit) {
    let mut is_away = false;
    loop {
        let (limits, reports) = members.reports();
        let next = if reports.is_empty() {
            INTERVAL
        } else {
            let answer = publish(&store, &reports).await;
            members.receive(&limits, &reports, &answer, &mut is_away)
        };
        time::sleep(SHORTEST_INTERVAL).await;
        let wait = next.saturating_sub(SHORTEST_INTERVAL);
        // Whether it is time or something has happened.
        let _ = time::within(wait, members.reports.notified()).await;
    }
}

/// One answer for each report.
async fn publish(store: &impl SharedLimit, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
    let shares = match time::within(ANSWERS_WITHIN, store.publish(reports)).await {
        Some(answer) => answer?,
        None => return Err(format!("no answer within {ANSWERS_WITHIN:?}").into()),
    };
    if shares.len() != reports.len() {
        return Err(format!("{} answers to {} reports", shares.len(), reports.len()).into());
    }
    let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
    match shares.iter().filter_map(|share| share.rate).find(|rate| !is_rate(rate)) {
        Some(rate) => Err(format!("{rate} is not a rate").into()),
        None => Ok(shares),
    }
}

impl Members {
    /// What is to be reported, of the limits that are still used.
    fn reports(&self) -> (Vec<Shared>, Vec<LimitReport>) {
        let mut limits = lock(&self.limits);
        limits.retain(|(_, limit)| limit.upgrade().is_some());
        let report = |(name, limit): &(String, WeakShared)| {
            let limit = limit.upgrade()?;
            let mut report = LimitReport::new(name.clone(), self.process);
            limit.lock().report(&mut report);
            Some((limit, report))
        };
        limits.iter().filter_map(report).unzip()
    }

    /// Hands out the shares, or says that there are none. Returns when to report next.
    fn receive(
        &self,
        limits: &[Shared],
        reports: &[LimitReport],
        answer: &Result<Vec<LimitShare>, SharedLimitError>,
        is_away: &mut bool,
    ) -> Duration {
        match answer {
            Ok(_) if std::mem::take(is_away) => spans::store_is_back(),
            Err(error) if !std::mem::replace(is_away, true) => spans::store_is_away(error.as_ref()),
            _ => {}
        }
        let shares = answer.as_deref().unwrap_or_default();
        for (number, (limit, report)) in limits.iter().zip(reports).enumerate() {
            if let Some(change) = limit.lock().receive(shares.get(number)) {
                spans::limit_changed(None, &report.limit, change, None);
            }
        }
        shares.iter().map(member::next_report).min().unwrap_or(INTERVAL)
    }
}
