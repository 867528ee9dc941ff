//! The handle that a test holds.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::faults::Faults;
use super::gateway::{Gateway, TOKEN};
use super::ledger::Ledger;
use super::schedule::Received;
use super::server::serve;

/// A running simulator; dropping it closes the port and every connection.
///
/// ```
/// use reqwest_safe_retry::simulator::{Fault, Metronome, Moment};
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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let gateway = Arc::<Gateway>::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&gateway)));
        Ok(Self { base_url, gateway, server })
    }

    /// Where it listens: `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The bearer token that it accepts.
    #[must_use]
    pub fn token(&self) -> &str {
        TOKEN
    }

    /// Says what happens to the next requests in order of arrival, one step each; `None` behaves well.
    ///
    /// Steps are added to those not yet used. Once all are used, injected faults apply.
    pub fn script(&self, steps: impl IntoIterator<Item = Option<Fault>>) {
        self.gateway.with_schedule(|schedule| schedule.script(steps));
    }

    /// Draws a fault for every request that the script says nothing about, in place of any injected before.
    pub fn inject(&self, faults: Faults) {
        self.gateway.with_schedule(|schedule| schedule.inject(faults));
    }

    /// How many steps of the script no request has met yet: none when all that was to go wrong has.
    #[must_use]
    pub fn script_left(&self) -> usize {
        self.gateway.with_schedule(|schedule| schedule.script_left())
    }

    /// Drops what is left of the script, and the injected faults: from now on everything behaves well.
    pub fn clear_faults(&self) {
        self.gateway.with_schedule(|schedule| schedule.clear());
    }

    /// Restarts the application. What executes or is queued is forgotten: it never takes effect, its connection is
    /// reset, and the key that it had claimed is free again. What took effect and the stored results are kept.
    pub fn restart(&self) {
        self.gateway.application().restart();
    }

    /// Forgets every result stored under a key by now, as Metronome may after 24 hours: the same key then executes
    /// again. Requests that are executing keep their keys.
    ///
    /// A key protects a write for as long as the service keeps it. Pruning one while a call still retries under it
    /// models a service that breaks its word, against which no client can guard.
    pub fn prune_keys(&self) {
        self.gateway.application().prune_keys();
    }

    /// Forgets a result stored under a key once it is this old; without this, results are kept for as long as the
    /// simulator lives. What [`prune_keys`](Self::prune_keys) says holds here too: longer than a call's deadline.
    pub fn retain_keys_for(&self, retention: Duration) {
        self.gateway.application().retain_keys_for(retention);
    }

    /// Waits until nothing has been executing for 20 ms: what went on after its client gave up is in the ledger then.
    pub async fn settle(&self) {
        self.gateway.application().settle().await;
    }

    /// The last 10,000 requests that arrived whole, refused ones included, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.gateway.with_schedule(|schedule| schedule.received())
    }

    /// What has truly taken effect by now.
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
