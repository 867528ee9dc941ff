//! Giving a service its verifier and its journal.

use std::sync::Arc;

use super::service::Service;
use crate::{
    durable::journal::Journal,
    verify::{InDoubtWrite, Verdict, Verifier, VerifierFn},
};

impl Service {
    /// Asks this verifier whether a write in doubt took effect, and so allows a write to be sent once more with a new key
    /// if it provably did not. It is asked about every write of the service, see [`Verifier`].
    #[must_use]
    pub fn verifier(mut self, verifier: impl Verifier) -> Self {
        self.hooks.verifier = Some(Arc::new(verifier));
        self
    }

    /// As [`verifier`](Self::verifier), with an async closure; see [`VerifierFn`].
    ///
    /// ```
    /// use reqwest_safe_retry::{Service, Verdict};
    ///
    /// # async fn find(_: String) -> Option<http::Response<String>> { None }
    /// let service = Service::metronome().verifier_fn(|write| {
    ///     let is_contract = write.path() == "/v1/contracts/create";
    ///     let wanted = write.json("/uniqueness_key").filter(|_| is_contract);
    ///     async move {
    ///         let Some(wanted) = wanted else { return Verdict::Unknown };
    ///         find(wanted).await.map_or(Verdict::Unknown, |found| Verdict::Applied(Some(found.into())))
    ///     }
    /// });
    /// # assert_eq!(service.name(), "metronome");
    /// ```
    #[must_use]
    pub fn verifier_fn<F, Fut>(self, verify: F) -> Self
    where
        F: Fn(&InDoubtWrite<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Verdict>> + Send + 'static,
    {
        self.verifier(VerifierFn::new(verify))
    }

    /// Records in this journal what becomes of writes that name an [`Operation`](crate::Operation), so that they survive
    /// their process.
    ///
    /// ```
    /// use reqwest_safe_retry::{Service, durable::InMemoryJournal};
    ///
    /// // In memory for tests; in its place the journal of a crate for SQLite or PostgreSQL.
    /// let service = Service::metronome().journal(InMemoryJournal::default());
    /// # assert_eq!(service.name(), "metronome");
    /// ```
    ///
    /// Such a call begins the operation in the journal before anything is sent, and records its end before it returns. If
    /// the process dies in between, the next run of the operation goes on with the same key, in doubt about what was sent.
    /// A call without an operation, or of a read, does not touch the journal. See [`durable`](crate::durable) and
    /// [`JournalSettings`](crate::durable::JournalSettings).
    #[must_use]
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.hooks.journal = Some(Arc::new(journal));
        self
    }
}
