//! Where a rule of a description comes from.

use std::borrow::Cow;

/// A page that documents some rules of a description, and when it was read.
///
/// ```
/// use reqwest_safe_retry::{Evidence, Rule, Source};
///
/// let page = Source::new("https://docs.example.com/idempotency", "2026-07-13", [Rule::Key, Rule::Retention]);
/// assert_eq!(page.evidence(), Evidence::Documented);
/// assert!(page.rules().contains(&Rule::Retention));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    page: Cow<'static, str>,
    read: Cow<'static, str>,
    rules: Vec<Rule>,
    evidence: Evidence,
}

/// A rule of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// Where the key stands, how it is written and which requests have one.
    Key,
    /// What is stored under a key.
    Stored,
    /// How long it is kept.
    Retention,
    /// What a conflict means.
    Conflicts,
    /// The headers that say whether to send a request again.
    Signals,
    /// The header that marks a stored answer.
    Replay,
    /// The headers with a wait in them, and the one with the limit's scope.
    RateLimits,
    /// Where the parts of an error stand.
    Errors,
    /// Which statuses are worth another attempt.
    Retryable,
    /// What repeating an operation does.
    Routes,
}

/// How sure a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The vendor's or the standard's own text.
    Documented,
    /// The source code of the vendor's server or client.
    SourceCode,
    /// A public quotation of the vendor's text.
    Quoted,
    /// Seen on the real service by others, and documented nowhere.
    Observed,
}

impl Source {
    /// The vendor's own page, the day (or month, or year) on which it was read, and the rules that it documents.
    pub fn new(
        page: impl Into<Cow<'static, str>>,
        read: impl Into<Cow<'static, str>>,
        rules: impl IntoIterator<Item = Rule>,
    ) -> Self {
        let rules = rules.into_iter().collect();
        Self { page: page.into(), read: read.into(), rules, evidence: Evidence::Documented }
    }

    /// How sure the source is; [`Evidence::Documented`] unless set.
    pub const fn evidenced(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// The page.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// When it was read: a day, a month or a year.
    pub fn read(&self) -> &str {
        &self.read
    }

    /// The rules that come from it.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How sure it is.
    pub const fn evidence(&self) -> Evidence {
        self.evidence
    }
}
