//! The stores of the processes that share a limit.

use std::{sync::Arc, time::Duration};

use reqwest_safe_retry::{
    Fleet, InMemorySharedLimit, LimitReport, LimitShare, SharedLimit, SharedLimitError, async_trait,
};

use crate::clock;

/// How far away the store is.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// One store for all processes.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Near(Arc<InMemorySharedLimit>),
    Down,
}

impl Store {
    pub(crate) fn near() -> Self {
        Self::Near(Arc::default())
    }

    /// A process joins.
    pub(crate) fn join(&self) -> Fleet {
        Fleet::join(self.clone())
    }
}

#[async_trait]
impl SharedLimit for Store {
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
        clock::sleep(ROUND_TRIP / 2).await;
        let Self::Near(store) = self else { return Err("the store is down".into()) };
        let shares = store.publish(reports).await;
        clock::sleep(ROUND_TRIP / 2).await;
        shares
    }
}
