//! The handle to a running simulator.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::fault::Fault;
use crate::faults::Faults;
use crate::gateway::Gateway;
use crate::ledger::Ledger;
use crate::observer::Stage;
use crate::received::Received;
use crate::server::serve;

/// A running simulator. Dropping it closes the port and every connection.
///
/// ```
/// use metronome_simulator::{Fault, Metronome, Moment};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let metronome = Metronome::start().await?;
/// metronome.script([Some(Fault::stored_500(Moment::Before)), None]);
///
/// let create = reqwest::Client::new()
///     .post(format!("{}/v1/customers", metronome.base_url()))
///     .bearer_auth(metronome.token())
///     .header("Idempotency-Key", "customer-acme")
///     .body(r#"{"name":"Acme"}"#)
///     .build()?;
/// let client = reqwest::Client::new();
/// for _ in 0..2 {
///     let again = create.try_clone().ok_or("a body in memory")?;
///     assert_eq!(client.execute(again).await?.status(), 500); // the same key replays the error
/// }
/// assert!(metronome.ledger().entries().is_empty());
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Debug)]
pub struct Metronome {
    base_url: String,
    gateway: Arc<Gateway>,
    server: JoinHandle<Infallible>,
}

impl Metronome {
    /// Binds a free port of 127.0.0.1 and serves it on the current tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0, None).await
    }

    /// Binds this port of 127.0.0.1 (0: a free one), and accepts this token instead of the default one.
    ///
    /// # Errors
    /// When the port cannot be bound, for example because it is taken.
    pub async fn start_on(port: u16, token: Option<&str>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let gateway = Arc::new(Gateway::new(token));
        let server = tokio::spawn(serve(listener, Arc::clone(&gateway)));
        Ok(Self { base_url, gateway, server })
    }

    /// The address: `http://127.0.0.1:PORT`, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The bearer token that the simulator accepts.
    #[must_use]
    pub fn token(&self) -> &str {
        self.gateway.token()
    }

    /// Sets the faults of the next requests in order of arrival, one step each. `None` is a request without a fault.
    ///
    /// Steps are appended to those that are left. When none are left, injected faults apply.
    pub fn script(&self, steps: impl IntoIterator<Item = Option<Fault>>) {
        self.gateway.with_schedule(|schedule| schedule.script(steps));
    }

    /// Draws a fault for every request after the end of the script. Replaces the faults injected before.
    pub fn inject(&self, faults: Faults) {
        self.gateway.with_schedule(|schedule| schedule.inject(faults));
    }

    /// The number of steps of the script that are left: 0 when every scripted fault has been used.
    #[must_use]
    pub fn script_left(&self) -> usize {
        self.gateway.with_schedule(|schedule| schedule.script_left())
    }

    /// Removes the rest of the script and the injected faults.
    pub fn clear_faults(&self) {
        self.gateway.with_schedule(|schedule| schedule.clear());
    }

    /// Restarts the application.
    ///
    /// Requests that execute or are queued never take effect: their connections are reset and their keys are released.
    /// Effects and stored results are kept.
    pub fn restart(&self) {
        self.gateway.application().restart();
    }

    /// Forgets every stored result, as Metronome may after 24 hours: the next request with the same key executes again.
    /// Requests that execute keep their keys.
    ///
    /// A key protects a write only while the service keeps it. No client is safe against a service that forgets a key
    /// while a call still retries with it.
    pub fn prune_keys(&self) {
        self.gateway.application().prune_keys();
    }

    /// Forgets a stored result after this time. By default results are kept as long as the simulator runs.
    ///
    /// Use a retention longer than the deadline of a call: see [`prune_keys`](Self::prune_keys).
    pub fn retain_keys_for(&self, retention: Duration) {
        self.gateway.application().retain_keys_for(retention);
    }

    /// From now on lists show a write only after this time, as lists of a real service can. Zero, the default, shows it at
    /// once. What is read by its id, such as `GET /v1/customers/{customer_id}`, is always current.
    ///
    /// Writes from before the first call of this are shown.
    pub fn set_list_lag(&self, lag: Duration) {
        self.gateway.application().set_list_lag(lag);
    }

    /// Waits until nothing has been executed for 20 ms. The ledger then includes requests that their client has given up.
    pub async fn settle(&self) {
        self.gateway.application().settle().await;
    }

    /// The last 10,000 complete requests in order of arrival, including rejected ones.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.gateway.with_schedule(|schedule| schedule.received())
    }

    /// Calls this for each request, once it is received and once it is answered; replaces the observer before. A test
    /// can read headers of its own, or kill its client at that moment.
    ///
    /// It is called by the task that serves the request, and should return soon.
    pub fn observe(&self, observer: impl Fn(Stage, &Parts) + Send + Sync + 'static) {
        self.gateway.observer().set(observer);
    }

    /// The writes that have taken effect so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.gateway.application().ledger()
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.server.abort();
    }
}
