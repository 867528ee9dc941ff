//! What a request gets from the script.

use std::time::Duration;

use reqwest::Body;

use super::failure::BreaksOff;

/// What one request gets: a response, or a failure.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::testing::{Reply, ScriptedTransport};
///
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let late = Reply::response(200, [("content-type", "text/plain")], "done").after(Duration::from_secs(5));
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new());
/// let client = client.with(ScriptedTransport::new([late, Reply::no_connection()])).build();
/// assert_eq!(client.get("http://127.0.0.1/").send().await?.text().await?, "done");
/// assert!(client.get("http://127.0.0.1/").send().await.unwrap_err().is_connect());
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test()).unwrap();
/// ```
#[derive(Debug)]
pub struct Reply {
    pub(super) delay: Duration,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Response(http::Result<http::Response<Body>>),
    NoConnection,
    Reset,
    Timeout,
    Never,
    Error(reqwest_middleware::Error),
}

impl Reply {
    /// A response with this status, without headers and body.
    ///
    /// A number that is no status is reported by an error when a request gets it, as is a header that is none.
    pub fn status(status: u16) -> Self {
        Self::response(status, [], "")
    }

    /// A response with this status, these headers and this body.
    pub fn response<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: impl Into<Body>,
    ) -> Self {
        let builder = http::Response::builder().status(status);
        let builder = headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
        Self::of(Kind::Response(builder.body(body.into())))
    }

    /// As [`response`](Self::response), but the connection is reset after this much of the body.
    pub fn truncated<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: impl Into<Body>,
    ) -> Self {
        Self::response(status, headers, Body::wrap(BreaksOff(body.into())))
    }

    /// No connection could be made, so that nothing was sent. reqwest's own error: `is_connect()`.
    pub fn no_connection() -> Self {
        Self::of(Kind::NoConnection)
    }

    /// The connection is reset after the request was sent: it may have been executed.
    ///
    /// The error is reqwest's, with the cause `io::ErrorKind::ConnectionReset`. Only reading a body gives such an error without
    /// a socket, so it says `is_body()`; the layer treats it as it treats a reset before the response.
    pub fn reset() -> Self {
        Self::of(Kind::Reset)
    }

    /// The client's timeout passes: the request may have been executed. reqwest's own error: `is_timeout()`.
    pub fn timeout() -> Self {
        Self::of(Kind::Timeout)
    }

    /// There is no answer, until the request's timeout passes or the call gives up.
    pub fn never() -> Self {
        Self::of(Kind::Never)
    }

    /// Any other error: one that was provoked, or that of a middleware, such as [`NotSent`](crate::NotSent).
    pub fn error(error: impl Into<reqwest_middleware::Error>) -> Self {
        Self::of(Kind::Error(error.into()))
    }

    /// The same, this much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = self.delay.saturating_add(delay);
        self
    }

    const fn of(kind: Kind) -> Self {
        Self { delay: Duration::ZERO, kind }
    }
}

/// As [`Reply::status`].
impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self::status(status)
    }
}

impl From<http::Response<Body>> for Reply {
    fn from(response: http::Response<Body>) -> Self {
        Self::of(Kind::Response(Ok(response)))
    }
}
