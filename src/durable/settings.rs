//! How calls use the journal of their service.

use std::time::Duration;

/// How calls with an operation use the journal of their service.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{Service, durable::JournalSettings};
///
/// let settings = JournalSettings::new().wait_for_running().longest_attempt(Duration::from_secs(60));
/// let service = Service::metronome().into_builder().journal_settings(settings).build()?;
/// # assert_eq!(service.name(), "metronome");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct JournalSettings {
    /// How long after the end of its process's lease an attempt may still be executed; 10 minutes unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde"))]
    #[cfg_attr(feature = "schema", schemars(with = "crate::config::schema::DurationText"))]
    pub longest_attempt: Duration,
    /// For how long a process has an operation for itself. Unless set: the deadline, and for a service that executes two
    /// requests with one key at once also the time for which it executes a request.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub lease: Option<Duration>,
    /// Whether a call waits, within its deadline, while another process works on its operation; false unless set.
    pub wait_for_running: bool,
    /// Whether a write whose key the service has forgotten is sent with a new key once the verifier has said "not
    /// applied"; false unless set.
    pub rotate_expired_keys: bool,
    /// How long the journal may take for one step; 5 seconds unless set.
    #[cfg_attr(feature = "config", serde(with = "humantime_serde"))]
    #[cfg_attr(feature = "schema", schemars(with = "crate::config::schema::DurationText"))]
    pub timeout: Duration,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            longest_attempt: Duration::from_secs(600),
            lease: None,
            wait_for_running: false,
            rotate_expired_keys: false,
            timeout: Duration::from_secs(5),
        }
    }
}

impl JournalSettings {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long after the end of its process's lease an attempt may still be executed: on its way, in a queue, or in the
    /// service itself. Until then a verdict about it does not count. 10 minutes unless set.
    pub const fn longest_attempt(mut self, longest: Duration) -> Self {
        self.longest_attempt = longest;
        self
    }

    /// For how long a process has an operation for itself; the deadline unless set. One that is shorter than a deadline is
    /// refused.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Waits, within the deadline, while another process works on the operation. Unless set, such a call ends at once with
    /// [`StopReason::RunningElsewhere`](crate::StopReason::RunningElsewhere).
    pub const fn wait_for_running(mut self) -> Self {
        self.wait_for_running = true;
        self
    }

    /// Sends a write whose key the service has forgotten with a new key, once the verifier has said that it was not applied.
    /// Unless set, such a write stays in doubt, and is listed by [`Journal::in_doubt`](super::Journal::in_doubt).
    pub const fn rotate_expired_keys(mut self) -> Self {
        self.rotate_expired_keys = true;
        self
    }

    /// How long the journal may take for one step; 5 seconds unless set. Recording the end of a call may take as long after
    /// its deadline.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
