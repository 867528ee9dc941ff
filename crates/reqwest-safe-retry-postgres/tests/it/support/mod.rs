//! Servers and journals for the tests.

pub(crate) mod postgres_server;

use reqwest_safe_retry::durable::{Journal, JournalError, testing};

pub(crate) async fn begin(journal: &dyn Journal, operation: &str) -> Result<Option<u64>, JournalError> {
    testing::begin(journal, "test", operation).await
}
