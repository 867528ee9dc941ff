//! What the processes of a fleet tell each other about a service's limit: the store's interface.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

/// A store through which processes share what they learn about the limit of a service.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{LimitReport, LimitShare, SharedLimit, SharedLimitError, async_trait};
///
/// /// Gives each of four processes its part of 100 starts a second.
/// #[derive(Debug)]
/// struct Quarter;
///
/// #[async_trait]
/// impl SharedLimit for Quarter {
///     async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
///         let mut share = LimitShare::new(Duration::from_millis(250));
///         share.rate = Some(25.0);
///         Ok(vec![share; reports.len()])
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let shares = Quarter.publish(&[LimitReport::new("billing", 7)]).await?;
/// assert_eq!(shares[0].rate, Some(25.0));
/// # Ok::<_, SharedLimitError>(())
/// # }).unwrap();
/// ```
///
/// Processes of one account share one limit of the service. Each reports what it has seen every 100 to 250 ms, and receives
/// its share of the limit. No call waits for the store: while it is away, each process goes on with a limit of its own.
/// [`Fleet`](crate::Fleet) does the reporting. [`InMemorySharedLimit`](crate::InMemorySharedLimit) is for tests;
/// the crate `reqwest-safe-retry-redis` has one for processes.
///
/// A store has one state for each [`limit`](LimitReport::limit), and one clock for all processes: its own.
#[async_trait]
pub trait SharedLimit: fmt::Debug + Send + Sync + 'static {
    /// Takes the reports of a process, and returns its share of each limit, in the order of the reports.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached or does not understand what it finds under its keys. The process goes on alone.
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError>;
}

#[async_trait]
impl<S: SharedLimit + ?Sized> SharedLimit for Arc<S> {
    async fn publish(&self, reports: &[LimitReport]) -> Result<Vec<LimitShare>, SharedLimitError> {
        (**self).publish(reports).await
    }
}

/// Why a store did not answer.
///
/// ```
/// use reqwest_safe_retry::SharedLimitError;
///
/// let error: SharedLimitError = "no answer within 450 ms".into();
/// assert_eq!(error.to_string(), "no answer within 450 ms");
/// ```
pub type SharedLimitError = Box<dyn Error + Send + Sync>;

/// What a process has seen of a limit since its last report.
///
/// ```
/// use reqwest_safe_retry::{InMemorySharedLimit, LimitReport, SharedLimit};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let store = InMemorySharedLimit::default();
/// let mut rates = Vec::new();
/// for process in [1, 2] {
///     let mut report = LimitReport::new("billing", process);
///     report.waiting = 400; // calls, so that it wants all that it can get
///     rates.push(store.publish(&[report]).await.unwrap()[0].rate.unwrap());
/// }
/// assert!(rates[1] < rates[0], "two processes share what one had: {rates:?}");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LimitReport {
    /// Which limit: the name of the service.
    pub limit: String,
    /// Tells the processes apart: a random number.
    pub process: u64,
    /// The starts a second that the process allows itself at present; 0 if it does not count them.
    pub rate: f64,
    /// Attempts that the service has accepted.
    pub accepted: u32,
    /// Attempts that it has refused for its load.
    pub refused: u32,
    /// Attempts that found it unavailable.
    pub unavailable: u32,
    /// How long ago the last accepted attempt was sent.
    pub last_accepted: Option<Duration>,
    /// How long ago the last attempt was sent that was refused or found the service unavailable.
    pub last_refused: Option<Duration>,
    /// How many calls wait.
    pub waiting: usize,
    /// How long the service asks to wait, if the limit is closed.
    pub pause: Option<Duration>,
    /// How long an attempt takes.
    pub round_trip: Duration,
}

/// A process's share of a limit.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::LimitShare;
///
/// let open = LimitShare::new(Duration::from_millis(250));
/// assert_eq!((open.rate, open.closed, open.next_report), (None, false, Duration::from_millis(250)));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LimitShare {
    /// How many attempts it may start in a second; `None` while nothing is known to be refused.
    pub rate: Option<f64>,
    /// Nothing was refused yet, and the rate grows while calls wait: no waiting time is computed from it.
    pub growing: bool,
    /// No attempt starts but a probe.
    pub closed: bool,
    /// While the limit is closed: this process sends the next probe.
    pub probe: bool,
    /// How long the service asks to wait, if the limit is closed.
    pub pause: Option<Duration>,
    /// When to report next.
    pub next_report: Duration,
}

impl LimitReport {
    /// A report that nothing has happened.
    pub fn new(limit: impl Into<String>, process: u64) -> Self {
        Self {
            limit: limit.into(),
            process,
            rate: 0.0,
            accepted: 0,
            refused: 0,
            unavailable: 0,
            last_accepted: None,
            last_refused: None,
            waiting: 0,
            pause: None,
            round_trip: Duration::ZERO,
        }
    }
}

impl LimitShare {
    /// A share of an open limit.
    pub fn new(next_report: Duration) -> Self {
        Self { rate: None, growing: false, closed: false, probe: false, pause: None, next_report }
    }
}
