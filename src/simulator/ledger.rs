//! What truly took effect.

use serde_json::Value;

/// Every effect that took place, in order, whatever the clients were made to see.
///
/// ```
/// use reqwest_safe_retry::simulator::Ledger;
///
/// let nothing_yet = Ledger::default();
/// assert_eq!(nothing_yet.count(|entry| entry.body["name"] == "Acme"), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    entries: Vec<Entry>,
}

/// One effect: a thing created or changed, or one accepted event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The path that was called.
    pub path: String,
    /// The id of what was created; for an event its `transaction_id`.
    pub id: String,
    /// The request's body; for an event the event alone.
    pub body: Value,
    /// The `Idempotency-Key` that the request came with.
    pub idempotency_key: Option<String>,
    /// The `uniqueness_key` of the body.
    pub uniqueness_key: Option<String>,
    /// Whether it is only a part of what its request asked for: the execution broke halfway.
    pub partial: bool,
}

impl Ledger {
    /// Every effect, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The effects of calls to this path.
    pub fn on(&self, path: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.path == path)
    }

    /// How many effects are like this.
    pub fn count(&self, mut is_such: impl FnMut(&Entry) -> bool) -> usize {
        self.entries.iter().filter(|entry| is_such(entry)).count()
    }

    /// Whether an effect like this took place: a verifier that knows everything.
    pub fn applied(&self, is_such: impl FnMut(&Entry) -> bool) -> bool {
        self.entries.iter().any(is_such)
    }

    pub(super) fn record(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Marks what was recorded from this place on as parts.
    pub(super) fn mark_parts(&mut self, first: usize) {
        self.entries.iter_mut().skip(first).for_each(|entry| entry.partial = true);
    }
}
