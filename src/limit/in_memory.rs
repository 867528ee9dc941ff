//! A store of shared limits in the memory of one process.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{
    fleet_state::FleetState,
    shared_limit::{LimitReport, LimitShare, SharedLimit, SharedLimitError},
};
use crate::time::{self, Instant};

/// A [`SharedLimit`] in memory, for tests and simulations.
///
/// ```
/// use reqwest_safe_retry::{InMemorySharedLimit, LimitReport, SharedLimit};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = InMemorySharedLimit::default();
/// let shares = store.publish(&[LimitReport::new("billing", 1), LimitReport::new("search", 1)]).await.unwrap();
/// assert_eq!((shares.len(), shares[0].closed), (2, false));
/// # });
/// ```
#[derive(Debug, Default)]
pub struct InMemorySharedLimit(Mutex<States>);

#[derive(Debug)]
struct States {
    began: Instant,
    by_limit: HashMap<String, FleetState>,
}

impl Default for States {
    fn default() -> Self {
        Self { began: time::now(), by_limit: HashMap::new() }
    }
}

#[async_trait]
impl SharedLimit for InMemorySharedLimit {
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Never 0, which means that there was no report yet.
        let now = states.began.elapsed().as_secs_f64() * 1000.0 + 1.0;
        let share =
            |report: &LimitReport| states.by_limit.entry(report.limit.clone()).or_default().publish(now, report);
        Ok(reports.iter().map(share).collect())
    }
}
