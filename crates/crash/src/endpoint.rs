//! The simulator's address, and a client without retries.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The number of the operation that a request is for.
pub(crate) const OPERATION: &str = "x-crash-operation";
/// The number of the process that sends a request.
pub(crate) const WORKER: &str = "x-crash-worker";
/// On requests without faults: those of the verifier.
pub(crate) const SPARED: &str = "x-crash-spared";

#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) base_url: String,
    pub(crate) http: reqwest::Client,
}

impl Endpoint {
    /// With these headers on every request.
    pub(crate) fn new(
        base_url: &str,
        token: &str,
        timeout: Duration,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, BoxError> {
        let mut all = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?)]);
        for (name, value) in headers {
            all.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        let http = reqwest::Client::builder().default_headers(all).timeout(timeout).build()?;
        Ok(Self { base_url: base_url.to_owned(), http })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}
