//! Bodies: that of an error, read once and within bounds; that of a request, buffered if the policy says so.
//!
//! Reading a small error body to its end also leaves the connection usable for the next attempt. A body that is too long
//! or too slow is truncated, and its connection closed.

use std::pin::pin;

use http::header::CONTENT_LENGTH;
use http_body::Body as _;
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

/// Reads at most `limit` bytes, after decompression, until the deadline; `None` if it is too far away to be expressed. A body
/// that is ready sets no timer.
pub(crate) async fn read(response: Response, limit: usize, deadline: Option<Instant>) -> ErrorBody {
    let mut body = ErrorBody::default();
    // An empty one is whole.
    if response.content_length() == Some(0) {
        return body;
    }
    let read = time::before(deadline, pin!(fill(response, &mut body, limit))).await;
    body.truncated |= read.is_none();
    body.bytes.shrink_to_fit();
    body
}

async fn fill(response: Response, body: &mut ErrorBody, limit: usize) {
    let length_is_known = response.content_length().is_some();
    let mut unread = Body::from(response);
    loop {
        // A truncated error is decided by its status.
        let Ok((rest, frame)) = chunk::next(unread, length_is_known).await else {
            body.truncated = true;
            return;
        };
        unread = rest;
        let Some(frame) = frame else { return };
        let Ok(chunk) = frame.into_data() else { continue };
        let room = limit - body.bytes.len();
        body.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            body.truncated = true;
            return;
        }
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
