//! Responses with a truncated or an endless body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, HeaderValue};
use hyper::body::Frame;
use tokio::time::Interval;

use crate::runtime::every;

/// The response with the `Content-Length` of the whole body and with half of the body.
pub(crate) fn truncated(head: Response, body: &Bytes) -> Response {
    let mut response = head.map(|_| Body::new(TruncatedBody::Data(body.slice(..body.len() / 2))));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

/// A body that sends some bytes and then fails.
enum TruncatedBody {
    Data(Bytes),
    /// hyper flushes what it has when the body is pending; without this the bytes would be lost with the error.
    Flush,
    Error,
}

impl hyper::body::Body for TruncatedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::mem::replace(&mut *self, Self::Error) {
            Self::Data(bytes) => {
                *self = Self::Flush;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Flush => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Error => Poll::Ready(Some(Err(io::Error::other("the response is truncated")))),
        }
    }
}

/// The response with a body that goes on until the client closes the connection.
pub(crate) fn endless(head: Response) -> Response {
    head.map(|_| Body::new(EndlessBody(every(Duration::from_millis(5)))))
}

/// A body that sends a kilobyte each time.
struct EndlessBody(Interval);

impl hyper::body::Body for EndlessBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        ready!(self.0.poll_tick(context));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}
