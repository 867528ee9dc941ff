//! Errors of reqwest, made without a socket.

use std::{
    future::pending,
    io, iter,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use reqwest::{
    Body, Client,
    dns::{Addrs, Name, Resolve, Resolving},
};
use reqwest_middleware::Result;

/// A client that connects to nothing; built when it is first needed, since that reads certificates.
#[derive(Default)]
pub(super) struct Unconnected(OnceLock<Client>);

impl Unconnected {
    /// The error of a host that has no address.
    pub(super) async fn no_connection(&self) -> Result<reqwest::Error> {
        failed(self.client()?.get("http://no-address.invalid/").send().await)
    }

    /// The error of a timeout that passes.
    pub(super) async fn timeout(&self) -> Result<reqwest::Error> {
        failed(self.client()?.get(SILENT).timeout(Duration::ZERO).send().await)
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let builder = Client::builder().no_proxy().retry(reqwest::retry::never()).dns_resolver(NoAddresses);
        let client = builder.build()?;
        Ok(self.0.get_or_init(|| client))
    }
}

/// The error of a connection that is reset.
pub(super) async fn reset() -> Result<reqwest::Error> {
    failed(Body::wrap(BreaksOff(Body::default())).collect().await)
}

fn failed<T>(result: reqwest::Result<T>) -> Result<reqwest::Error> {
    let unexpected = || reqwest_middleware::Error::middleware(io::Error::other("the scripted failure did not happen"));
    result.err().ok_or_else(unexpected)
}

const SILENT_HOST: &str = "silent.invalid";
const SILENT: &str = "http://silent.invalid/";

/// Finds no address for any name, and never comes to an end for one of them.
struct NoAddresses;

impl Resolve for NoAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        if name.as_str() == SILENT_HOST {
            return Box::pin(pending());
        }
        Box::pin(async { Ok(Box::new(iter::empty()) as Addrs) })
    }
}

/// A body after which the connection is reset.
pub(super) struct BreaksOff(pub(super) Body);

impl HttpBody for BreaksOff {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        let reset = || Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        Poll::Ready(Some(frame.map_or_else(reset, |frame| frame.map_err(Into::into))))
    }
}
