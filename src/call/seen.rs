//! Keys that this process has used before, for a service that does not compare requests.

use std::time::Duration;

use super::{call::Call, key::InvalidKey};
use crate::{
    decide::history::History, durable::operation::Operation, key::IdempotencyKey, service::seen_keys::KeyedRequest,
};

/// How long a key is known of which the service does not say how long it keeps it.
const USUAL_RETENTION: Duration = Duration::from_secs(24 * 3600);

impl Call<'_> {
    /// # Errors
    ///
    /// If the caller's key was used for another request.
    pub(super) fn check_use_of_key(&mut self) -> Result<(), InvalidKey> {
        if self.key.to_key().is_none_or(|key| self.admits(&key)) {
            return Ok(());
        }
        // The other request may have achieved what the operation names.
        if self.operating.is_some() {
            self.history = History::of_used_key();
        }
        Err(InvalidKey::UsedBefore)
    }

    /// Puts the keys into the attempts, of which this is the one in use. From now on the caller can see those that the layer
    /// has made.
    pub(super) fn show_keys(&mut self, current: Option<IdempotencyKey>) {
        if current.is_none() && self.request.replaced_key().is_none() {
            return;
        }
        let keys = self.used_keys(current);
        for key in &keys {
            // Of one that was used for another request this call is refused already.
            let _ = self.admits(key);
        }
        self.attempts.used_keys(keys);
    }

    fn admits(&self, key: &IdempotencyKey) -> bool {
        let Some(seen) = self.plan.service.seen_keys() else { return true };
        // A journal compares the requests of an operation itself.
        if self.operating.as_ref().is_some_and(|operating| operating.journal.is_some()) {
            return true;
        }
        let (method, url) = (self.request.method(), self.request.url());
        let body = if self.body_may_differ() { None } else { self.request.body() };
        let retention = self.plan.idempotency().retention.unwrap_or(USUAL_RETENTION);
        let query = self.query_without_key();
        seen.admit(key.as_str(), KeyedRequest { method, url, query: query.as_deref(), body }, retention)
    }

    /// The caller has said what the request is about, since its body differs from run to run.
    fn body_may_differ(&self) -> bool {
        let operation = self.operating.as_ref().and_then(|operating| operating.operation.as_ref());
        operation.and_then(Operation::request).is_some()
    }
}
