//! The transport: takes the replies of its script in order, and records what was sent.

use std::{
    collections::VecDeque,
    fmt,
    future::pending,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::Extensions;
use http_body_util::BodyExt;
use reqwest::{Body, Client, Request, Response, ResponseBuilderExt, Url};
use reqwest_middleware::{ClientWithMiddleware, Error, Middleware, Next, Result};

use super::{
    failure::{self, Unconnected},
    reply::{Kind, Reply},
    sent_request::SentRequest,
};
use crate::{
    error::script_exhausted::ScriptExhausted,
    middleware::SafeRetry,
    time::{self, Instant},
};

/// The last middleware of a client: answers each request with the next reply of a script, and records it.
///
/// ```
/// use reqwest_safe_retry::{Applied, Error, SafeRetry, Service, testing::ScriptedTransport};
///
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = ScriptedTransport::new([503, 404]);
/// let client = transport.client(SafeRetry::new([Service::metronome()]))?;
/// let error = client.post("https://api.metronome.com/v1/contracts/edit").body("{}").send().await.unwrap_err();
/// assert_eq!(Error::find(&error).map(Error::applied), Some(Applied::Unknown), "the 503 may have taken effect");
/// assert_eq!((transport.sent().len(), transport.replies_left()), (2, 0));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test()).unwrap();
/// ```
///
/// Requests get the replies in the order in which they arrive, those of a verifier and of concurrent calls included. One
/// that finds no reply left gets an error that says so, which ends its call.
///
/// In a client of your own it comes last: `ClientBuilder::new(..).with(layer).with(transport.clone()).build()`. What is set
/// on the `reqwest::Client` itself has no effect then, such as its timeouts; the timeout of a request has.
///
/// Clones share the script and the record.
#[derive(Clone)]
pub struct ScriptedTransport(Arc<Shared>);

struct Shared {
    began: Instant,
    state: Mutex<State>,
    unconnected: Unconnected,
}

struct State {
    script: VecDeque<Reply>,
    sent: Vec<SentRequest>,
}

impl ScriptedTransport {
    /// Answers the first request with the first reply, and so on. A number stands for a response with that status.
    pub fn new(script: impl IntoIterator<Item = impl Into<Reply>>) -> Self {
        let state = State { script: script.into_iter().map(Into::into).collect(), sent: Vec::new() };
        Self(Arc::new(Shared { began: time::now(), state: Mutex::new(state), unconnected: Unconnected::default() }))
    }

    /// A client with this layer, which sends nothing but to this transport.
    ///
    /// # Errors
    ///
    /// As [`reqwest::ClientBuilder::build`].
    pub fn client(&self, layer: SafeRetry) -> reqwest::Result<ClientWithMiddleware> {
        Ok(layer.client_builder(Client::builder())?.with(self.clone()).build())
    }

    /// What was sent so far, in order.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.state().sent.clone()
    }

    /// How many replies no request has got: 0 at the end of a test that expects each of them.
    pub fn replies_left(&self) -> usize {
        self.state().script.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the request, and takes its reply.
    fn next_reply(&self, request: SentRequest) -> std::result::Result<Reply, ScriptExhausted> {
        let mut state = self.state();
        let exhausted = ScriptExhausted {
            method: request.method.clone(),
            path: request.path().to_owned(),
            replies: state.sent.len(),
        };
        state.sent.push(request);
        state.script.pop_front().ok_or(exhausted)
    }

    async fn answer(&self, Reply { delay, kind }: Reply, url: &Url) -> Result<Response> {
        if !delay.is_zero() {
            time::sleep(delay).await;
        }
        Err(match kind {
            Kind::Response(response) => return response.and_then(|response| answered(response, url)).map_err(unusable),
            Kind::Never => pending().await,
            Kind::NoConnection => self.0.unconnected.no_connection().await?.into(),
            Kind::Timeout => self.0.unconnected.timeout().await?.into(),
            Kind::Reset => failure::reset().await?.into(),
            Kind::Error(error) => error,
        })
    }
}

#[async_trait]
impl Middleware for ScriptedTransport {
    async fn handle(&self, mut request: Request, _: &mut Extensions, _: Next<'_>) -> Result<Response> {
        let (at, timeout) = (self.0.began.elapsed(), request.timeout().copied());
        let body = request.body_mut().take().unwrap_or_default();
        // As reqwest does, name the requested URL.
        let named = |error: Error| error.with_url(request.url().clone());
        let body = whole(body).await.map_err(named)?;
        let (method, url, headers) = (request.method().clone(), request.url().clone(), request.headers().clone());
        let reply = self.next_reply(SentRequest { method, url, headers, body, at }).map_err(Error::middleware)?;
        let answer = self.answer(reply, request.url());
        let answer = match timeout {
            None => Some(answer.await),
            Some(timeout) => time::within(timeout, answer).await,
        };
        match answer {
            Some(answer) => answer.map_err(named),
            None => Err(named(self.0.unconnected.timeout().await?.into())),
        }
    }
}

async fn whole(body: Body) -> Result<Bytes> {
    Ok(match body.as_bytes() {
        Some(bytes) => Bytes::copy_from_slice(bytes),
        None => body.collect().await?.to_bytes(),
    })
}

fn answered(response: http::Response<Body>, url: &Url) -> http::Result<Response> {
    let (parts, body) = response.into_parts();
    let mut response = http::Response::builder().url(url.clone()).body(body)?;
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    *response.version_mut() = parts.version;
    Ok(Response::from(response))
}

/// A reply that the test has written wrongly.
fn unusable(error: http::Error) -> Error {
    Error::middleware(io::Error::other(format!("a reply of the script is no response: {error}")))
}

/// Nothing of the script is shown: it may have secrets.
impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let mut shown = f.debug_struct("ScriptedTransport");
        shown.field("replies_left", &state.script.len()).field("sent", &state.sent).finish_non_exhaustive()
    }
}
