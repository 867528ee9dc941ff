//! An answer that breaks off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, HeaderValue};
use hyper::body::Frame;

/// The answer with all of its `Content-Length` and half of its body; one without a body is whole.
pub(super) fn cut(head: Response, body: &Bytes) -> Response {
    let mut response = head.map(|_| Body::new(Broken::Begins(body.slice(..body.len() / 2))));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

/// A body that fails once its beginning is sent.
enum Broken {
    Begins(Bytes),
    /// What has been handed over is sent when there is nothing more to be had for now.
    Waits,
    Fails,
}

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::mem::replace(&mut *self, Self::Fails) {
            Self::Begins(bytes) => {
                *self = Self::Waits;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Waits => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Fails => Poll::Ready(Some(Err(io::Error::other("the answer breaks off")))),
        }
    }
}
