//! A request body that fails.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body as HttpBody, Bytes, Frame};
use reqwest::Body;
use reqwest_safe_retry::{Applied, Failure, StopReason};

use super::{failure, layered, silent};
use crate::{
    support::{
        faults::{Fault, provoke},
        servers::{Server, client},
    },
    wire::typed,
};

/// The body fails with the error of another connection, which must not be taken for this connection's.
#[tokio::test]
async fn failing_request_body_is_ambiguous() {
    for fault in [Fault::ConnectRefused, Fault::DnsError, Fault::TlsCertInvalid, Fault::H2RefusedStream] {
        let server = Server::tcp(silent);
        let body = Body::wrap(Failing { begun: false, with: Some(provoke(fault).await) });
        let sent = layered(&server.base_url(), client(), 2).post(server.url("/")).body(body).send().await;
        let error = typed(sent.unwrap_err());
        assert_eq!(failure(&error), Failure::Ambiguous, "{fault:?}");
        assert_eq!((error.stop(), error.applied()), (StopReason::NotIdempotent, Applied::Unknown), "{fault:?}");
    }
}

/// A body that fails after its first bytes.
struct Failing {
    begun: bool,
    with: Option<reqwest::Error>,
}

impl HttpBody for Failing {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        if std::mem::replace(&mut self.begun, true) {
            return Poll::Ready(self.with.take().map(Err));
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))))
    }
}
