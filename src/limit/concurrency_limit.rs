//! How many attempts may be in flight to a service at once: a setting.

/// How many attempts may be in flight to a service at once.
///
/// ```
/// use reqwest_safe_retry::{ConcurrencyLimit, Service};
///
/// let service = Service::metronome().into_builder().concurrency_limit(ConcurrencyLimit::Fixed(16)).build()?;
/// assert_eq!(service.health().concurrency_limit, Some(16));
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(from = "Written", into = "Written"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ConcurrencyLimit {
    /// As many as the service can take, found out by what it refuses. Starts at 16 and opens with time while calls wait;
    /// after a refusal starts are paced. While it is on, a repeat after a 429 costs nothing of the retry budget, and neither
    /// does one that waits behind a closed limit, which costs no attempt either if it is refused.
    #[default]
    Adaptive,
    /// This many, whatever happens.
    Fixed(u32),
    /// No limit.
    Off,
}

/// How it is written in a file.
#[cfg(feature = "config")]
#[derive(serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected \"adaptive\", \"off\" or a whole number")]
pub(crate) enum Written {
    /// This many.
    Fixed(u32),
    /// A limit that is not a number.
    Named(Named),
}

#[cfg(feature = "config")]
#[derive(serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ConcurrencyLimitName"))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Named {
    /// As many as the service can take.
    Adaptive,
    /// No limit.
    Off,
}

#[cfg(feature = "config")]
impl From<Written> for ConcurrencyLimit {
    fn from(written: Written) -> Self {
        match written {
            Written::Fixed(limit) => Self::Fixed(limit),
            Written::Named(Named::Adaptive) => Self::Adaptive,
            Written::Named(Named::Off) => Self::Off,
        }
    }
}

#[cfg(feature = "config")]
impl From<ConcurrencyLimit> for Written {
    fn from(limit: ConcurrencyLimit) -> Self {
        match limit {
            ConcurrencyLimit::Fixed(limit) => Self::Fixed(limit),
            ConcurrencyLimit::Adaptive => Self::Named(Named::Adaptive),
            ConcurrencyLimit::Off => Self::Named(Named::Off),
        }
    }
}
