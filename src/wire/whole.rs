//! The body of a response, read whole before the response is returned.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use reqwest::{Body, Response, ResponseBuilderExt};
use reqwest_middleware::Result;

use super::chunk;

/// The same response with its body in memory; or, if the body is longer than `most`, with what was read of it before the
/// rest.
///
/// # Errors
///
/// If the body fails.
pub(crate) async fn read(response: Response, most: usize) -> Result<Response> {
    let length = response.content_length();
    // An empty one is whole, and of a long one nothing need be read.
    if length.is_some_and(|length| length == 0 || length > most as u64) {
        return Ok(response);
    }
    let url = response.url().clone();
    let (parts, body) = http::Response::<Body>::from(response).into_parts();
    let body = fill(body, length.is_some(), most).await?;
    let mut whole = http::Response::builder().url(url).body(body).unwrap_or_default();
    (*whole.status_mut(), *whole.version_mut()) = (parts.status, parts.version);
    *whole.headers_mut() = parts.headers;
    whole.extensions_mut().extend(parts.extensions);
    Ok(whole.into())
}

async fn fill(mut body: Body, length_is_known: bool, most: usize) -> Result<Body> {
    // Copied: a chunk of one byte may keep a whole buffer of the connection.
    let (mut read, mut trailers) = (Vec::new(), None);
    loop {
        let (rest, frame) = chunk::next(body, length_is_known).await?;
        body = rest;
        match frame.map(Frame::into_data) {
            Some(Ok(chunk)) if chunk.len() > most - read.len() => {
                let read = vec![Bytes::from(read), chunk].into_iter();
                return Ok(Body::wrap(Parts { read, rest: Some(body), trailers }));
            }
            Some(Ok(chunk)) => read.extend_from_slice(&chunk),
            Some(Err(frame)) => trailers = frame.into_trailers().ok(),
            None if trailers.is_none() => return Ok(Body::from(read)),
            None => return Ok(Body::wrap(Parts { read: vec![Bytes::from(read)].into_iter(), rest: None, trailers })),
        }
    }
}

/// A body of which a part was read.
struct Parts {
    read: vec::IntoIter<Bytes>,
    rest: Option<Body>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, reqwest::Error>>> {
        if let Some(chunk) = self.read.find(|chunk| !chunk.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Some(rest) = &mut self.rest {
            return Pin::new(rest).poll_frame(context);
        }
        Poll::Ready(mem::take(&mut self.trailers).map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        let read: usize = self.read.as_slice().iter().map(Bytes::len).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read as u64));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read as u64));
        }
        hint
    }
}
