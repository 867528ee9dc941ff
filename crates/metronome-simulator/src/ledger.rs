//! The writes that took effect.

use std::time::SystemTime;

use serde_json::Value;

/// Every write that took effect, in order, whatever responses the clients saw.
///
/// ```
/// use metronome_simulator::Ledger;
///
/// let ledger = Ledger::default();
/// assert_eq!(ledger.count(|entry| entry.body["name"] == "Acme"), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    entries: Vec<Entry>,
}

/// One effect: an object that was created or changed, or one accepted event.
///
/// ```
/// use metronome_simulator::Metronome;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let metronome = Metronome::start().await.unwrap();
/// let request = reqwest::Client::new().post(format!("{}/v1/customers", metronome.base_url()));
/// let request = request.bearer_auth(metronome.token()).body(r#"{"name":"Acme"}"#);
/// request.header("idempotency-key", "k-1").send().await.unwrap();
/// let ledger = metronome.ledger();
/// let entry = &ledger.entries()[0];
/// assert_eq!((entry.path.as_str(), entry.idempotency_key.as_deref()), ("/v1/customers", Some("k-1")));
/// assert!(entry.body["name"] == "Acme" && !entry.partial);
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The path of the request.
    pub path: String,
    /// The id of the created object; for an event its `transaction_id`.
    pub id: String,
    /// The body of the request; for an event the event alone.
    pub body: Value,
    /// The `Idempotency-Key` of the request.
    pub idempotency_key: Option<String>,
    /// The `uniqueness_key` of the body.
    pub uniqueness_key: Option<String>,
    /// Whether this is only a part of the write, because the execution failed halfway.
    pub partial: bool,
    /// When it took effect.
    pub time: SystemTime,
}

impl Ledger {
    /// Every effect, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The effects of requests to this path.
    pub fn on(&self, path: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.path == path)
    }

    /// The number of effects that match.
    pub fn count(&self, mut matches: impl FnMut(&Entry) -> bool) -> usize {
        self.entries.iter().filter(|entry| matches(entry)).count()
    }

    /// Whether an effect matches: the true answer to "did this write take effect?".
    pub fn applied(&self, matches: impl FnMut(&Entry) -> bool) -> bool {
        self.entries.iter().any(matches)
    }

    pub(crate) fn record(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Marks the entries from this index on as partial.
    pub(crate) fn mark_parts(&mut self, first: usize) {
        self.entries.iter_mut().skip(first).for_each(|entry| entry.partial = true);
    }
}
