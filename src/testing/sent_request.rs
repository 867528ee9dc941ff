//! What was sent, as it is recorded.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use reqwest::Url;

use crate::wire::json;

/// A request as it was sent.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::{SafeRetry, Service, testing::ScriptedTransport};
///
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = ScriptedTransport::new([200]);
/// let client = transport.client(SafeRetry::new([Service::metronome()]))?;
/// tokio::time::sleep(Duration::from_secs(2)).await;
/// client.get("https://api.metronome.com/v1/customers?limit=5").header("x-trace", "t-1").send().await?;
///
/// let sent = &transport.sent()[0];
/// assert_eq!((sent.method().as_str(), sent.path(), sent.url().query()), ("GET", "/v1/customers", Some("limit=5")));
/// assert_eq!((sent.header("x-trace"), sent.body()), (Some("t-1"), "".as_bytes()));
/// assert_eq!(sent.at(), Duration::from_secs(2));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test()).unwrap();
/// ```
#[derive(Clone)]
pub struct SentRequest {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) at: Duration,
}

impl SentRequest {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The path of the URL.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body; empty if there was none. A stream is read to its end.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Text or number at a pointer (RFC 6901) into the JSON body.
    pub fn json(&self, pointer: &str) -> Option<String> {
        json::member(&self.body, pointer)?.into_text()
    }

    /// When it was sent, as the time since the transport was made.
    pub fn at(&self) -> Duration {
        self.at
    }
}

/// Headers, query and body are not shown: they may have secrets.
impl fmt::Debug for SentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SentRequest");
        shown.field("method", &self.method).field("path", &self.path()).field("at", &self.at).finish_non_exhaustive()
    }
}
