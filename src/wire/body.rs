//! Bodies: that of an error, read once and within bounds; that of a request, buffered if the policy says so.
//!
//! Reading a small error body to its end also leaves the connection usable for the next attempt. A body that is too long
//! or too slow is truncated, and its connection closed.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Limited};
use reqwest::{Body, Request, Response};

use super::chunk;
use crate::time::{self, Instant};

/// The first part of an error's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) truncated: bool,
}

/// A response's body while it is read: at most `limit` bytes, after decompression.
pub(crate) struct Reading {
    /// None once nothing is left.
    unread: Option<Response>,
    /// Of a body that is decompressed it is not.
    length_is_known: bool,
    limit: usize,
    read: ErrorBody,
}

/// So many chunks are taken in one go.
const AT_ONCE: usize = 16;

impl Reading {
    pub(crate) fn new(response: Response, limit: usize) -> Self {
        let length = response.content_length();
        let unread = (length != Some(0)).then_some(response);
        Self { unread, length_is_known: length.is_some(), limit, read: ErrorBody::default() }
    }

    /// What was read.
    pub(crate) fn into_read(mut self) -> ErrorBody {
        self.read.bytes.shrink_to_fit();
        self.read
    }

    /// Reads what is there already. Returns whether that is all: a small body nearly always is, and needs neither a timer nor
    /// a thread.
    pub(crate) fn read_at_once(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            let Some(unread) = &mut self.unread else { return true };
            // Polled again with a waker of its own where this is not all.
            let mut context = Context::from_waker(Waker::noop());
            let polled = if self.length_is_known { pin!(unread.chunk()).poll(&mut context) } else { Poll::Pending };
            let Poll::Ready(chunk) = polled else { return false };
            if !self.add(chunk) {
                self.unread = None;
            }
        }
        false
    }

    /// Reads the rest, until the deadline; `None` if that is too far away to be expressed.
    pub(crate) async fn read_rest(&mut self, deadline: Option<Instant>) {
        let read = time::before(deadline, pin!(self.fill())).await;
        self.read.truncated |= read.is_none();
    }

    async fn fill(&mut self) {
        let mut unread = self.unread.take().map(Body::from);
        while let Some(body) = unread.take() {
            let (rest, chunk) = match chunk::next(body, self.length_is_known).await {
                Ok((rest, frame)) => (Some(rest), frame.map(Frame::into_data).transpose()),
                Err(_) => {
                    self.read.truncated = true;
                    return;
                }
            };
            // Trailers are not data.
            if chunk.is_err() || self.add(chunk) {
                unread = rest;
            }
        }
    }

    /// Adds a chunk, or the end. Returns whether more may follow.
    fn add<E>(&mut self, chunk: Result<Option<Bytes>, E>) -> bool {
        let Ok(Some(chunk)) = chunk else {
            // A truncated error is decided by its status.
            self.read.truncated = chunk.is_err();
            return false;
        };
        let room = self.limit - self.read.bytes.len();
        self.read.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.read.truncated = chunk.len() > room;
        !self.read.truncated
    }
}

/// Reads the request's body into memory, if it is a stream of a known length that is not above `most`.
///
/// # Errors
///
/// If the stream fails, or turns out longer than `most`: part of it is gone then, and it can no longer be sent.
pub(crate) async fn buffer(request: &mut Request, most: usize) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let is_stream = request.body().is_some_and(|body| body.as_bytes().is_none());
    if !is_stream || known_length(request).is_none_or(|length| length > most as u64) {
        return Ok(());
    }
    if let Some(body) = request.body_mut().take() {
        let bytes = Limited::new(body, most).collect().await?.to_bytes();
        *request.body_mut() = Some(Body::from(bytes));
    }
    Ok(())
}

fn known_length(request: &Request) -> Option<u64> {
    let header = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    header.or_else(|| request.body()?.size_hint().exact())
}
