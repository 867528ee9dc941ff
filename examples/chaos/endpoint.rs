//! The simulator's address, and what every client needs.

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, HeaderName},
};
use metronome_simulator::Metronome;

use crate::fault_mix::SPARED;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The simulator's address, and a client with its token and without retries.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) base_url: String,
    pub(crate) http: reqwest::Client,
}

impl Endpoint {
    /// With a header on every request, if given: for example the one that turns faults off.
    pub(crate) fn new(
        simulator: &Metronome,
        timeout: Duration,
        header: Option<&'static str>,
    ) -> Result<Self, BoxError> {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", simulator.token()))?;
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        headers.extend(header.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("yes"))));
        let http = reqwest::Client::builder().default_headers(headers).timeout(timeout).build()?;
        Ok(Self { base_url: simulator.base_url().to_owned(), http })
    }

    /// Without faults and with a longer timeout.
    pub(crate) fn spared(simulator: &Metronome) -> Result<Self, BoxError> {
        Self::new(simulator, Duration::from_secs(2), Some(SPARED))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

// Only the library keeps its sleeps in one file.
#[allow(clippy::disallowed_methods)]
pub(crate) async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// None if the time has passed first.
#[allow(clippy::disallowed_methods)] // As above.
pub(crate) async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}
