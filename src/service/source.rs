//! Where a rule of a description comes from.

use std::borrow::Cow;

/// A page that documents some rules of a description, and when it was read.
///
/// ```
/// use reqwest_safe_retry::{Evidence, Rule, Source};
///
/// let page = Source::new("https://docs.example.com/idempotency", "2026-07-13", [Rule::Key, Rule::Retention]);
/// assert_eq!(page.evidence, Evidence::Documented);
/// assert!(page.rules.contains(&Rule::Retention));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct Source {
    /// The page.
    pub page: Cow<'static, str>,
    /// When it was read: a day, a month or a year.
    pub read: Cow<'static, str>,
    /// The rules that come from it.
    #[cfg_attr(feature = "config", serde(default))]
    pub rules: Vec<Rule>,
    /// How reliable it is; documented unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub evidence: Evidence,
}

/// A rule of a description.
///
/// ```
/// use reqwest_safe_retry::{Rule, Service};
///
/// let metronome = Service::metronome();
/// let pages = metronome.sources().iter().filter(|source| source.rules.contains(&Rule::Retention));
/// let pages: Vec<_> = pages.map(|source| &*source.page).collect();
/// assert_eq!(pages, ["https://docs.metronome.com/api-reference/idempotency"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Rule {
    /// Where the key goes, how it is written and which requests have one.
    Key,
    /// What is stored under a key.
    Stored,
    /// How long it is kept.
    Retention,
    /// What a response means for the key.
    Responses,
    /// The headers that say whether to send a request again.
    Signals,
    /// The header that marks a stored response.
    Replay,
    /// The headers with a wait in them, and the one with the limit's scope.
    RateLimits,
    /// Where error responses have their message, code and type.
    Errors,
    /// Which statuses may be retried.
    Retryable,
    /// What repeating an endpoint does.
    Routes,
}

/// How reliable a source is.
///
/// ```
/// use reqwest_safe_retry::{Evidence, Rule, Source};
///
/// let seen = Source::new("https://forum.example.com/t/7", "2026-07", [Rule::Stored]).evidence(Evidence::Observed);
/// assert_ne!(seen.evidence, Evidence::default(), "a page is the vendor's own unless it says otherwise");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Evidence {
    /// The vendor's or the standard's own text.
    #[default]
    Documented,
    /// The source code of the vendor's server or client.
    SourceCode,
    /// A public quotation of the vendor's text.
    Quoted,
    /// Seen on the real service by others, and not documented.
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

    /// How reliable the source is; [`Evidence::Documented`] unless set.
    pub const fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }
}
