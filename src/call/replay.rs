//! The request of a call: whole until it is sent, then what is kept of it to send it again and to show in an error.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::Body as _;
use reqwest::{Body, Request, Url};

use super::carried::Fingerprint;
use crate::{
    error::secrets::RequestHead,
    hooks::{Headers, RequestFacts},
    key::IdempotencyKey,
};

/// The request of a call.
pub(crate) struct ReplayableRequest(Form);

enum Form {
    /// Not sent yet.
    Whole(Request),
    Sent(Parts),
}

/// What is kept of a request that was sent. Its headers are taken apart, so that none is hashed unless the request is sent
/// again.
#[derive(Clone)]
struct Parts {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// None if its body is a stream, which cannot be sent again.
    rest: Option<Rest>,
    /// The key that another one has replaced.
    replaced_key: Option<IdempotencyKey>,
}

#[derive(Clone)]
struct Rest {
    body: Option<Bytes>,
    timeout: Option<Duration>,
    version: Version,
}

impl ReplayableRequest {
    #[inline(always)]
    pub(crate) fn new(request: Request) -> Self {
        Self(Form::Whole(request))
    }

    /// The request, until it is sent.
    pub(crate) fn whole(&mut self) -> Option<&mut Request> {
        match &mut self.0 {
            Form::Whole(request) => Some(request),
            Form::Sent(_) => None,
        }
    }

    /// The request, to be sent now; what it takes to send it once more stays here.
    pub(crate) fn take(&mut self) -> Request {
        debug_assert!(self.can_be_sent(), "only what was kept whole is sent again");
        let kept = match &mut self.0 {
            Form::Whole(request) => Parts::of(request),
            Form::Sent(parts) => parts.clone(),
        };
        match mem::replace(&mut self.0, Form::Sent(kept)) {
            Form::Whole(request) => request,
            Form::Sent(parts) => parts.into_request(),
        }
    }

    pub(crate) fn method(&self) -> &Method {
        match &self.0 {
            Form::Whole(request) => request.method(),
            Form::Sent(parts) => &parts.method,
        }
    }

    pub(crate) fn url(&self) -> &Url {
        match &self.0 {
            Form::Whole(request) => request.url(),
            Form::Sent(parts) => &parts.url,
        }
    }

    /// If it is in memory; a request without a body has an empty one.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Whole(request) => in_memory(request),
            Form::Sent(parts) => parts.rest.as_ref().map(|rest| rest.body.as_deref().unwrap_or_default()),
        }
    }

    /// Another key has replaced this one.
    pub(crate) fn key_replaced(&mut self, key: IdempotencyKey) {
        if let Form::Sent(parts) = &mut self.0 {
            parts.replaced_key = Some(key);
        }
    }

    /// The key that another one has replaced.
    pub(super) fn replaced_key(&self) -> Option<&IdempotencyKey> {
        match &self.0 {
            Form::Whole(_) => None,
            Form::Sent(parts) => parts.replaced_key.as_ref(),
        }
    }

    /// What its error shows and hides of it. Nothing else of it is needed afterwards.
    pub(crate) fn take_head(&mut self, key_header: Option<HeaderName>) -> RequestHead {
        match &mut self.0 {
            Form::Whole(request) => RequestHead::of(request, key_header),
            Form::Sent(parts) => {
                let (url, headers) = (parts.url.clone(), mem::take(&mut parts.headers));
                RequestHead { url, headers, key_header, replaced_key: parts.replaced_key.take() }
            }
        }
    }

    /// The same of a request that goes on.
    pub(super) fn head(&self, key_header: Option<HeaderName>) -> RequestHead {
        match &self.0 {
            Form::Whole(request) => RequestHead::of(request, key_header),
            Form::Sent(parts) => {
                let Parts { url, headers, replaced_key, .. } = parts;
                let (url, headers, replaced_key) = (url.clone(), headers.clone(), replaced_key.clone());
                RequestHead { url, headers, key_header, replaced_key }
            }
        }
    }

    /// What tells the request from another one; `None` if its body is a stream.
    pub(super) fn fingerprint(&mut self) -> Option<Fingerprint> {
        let body = match &mut self.0 {
            Form::Whole(request) => {
                in_memory(request)?;
                share_body(request)
            }
            Form::Sent(parts) => parts.rest.as_ref()?.body.clone(),
        };
        let (method, url) = (self.method().clone(), self.url().clone());
        Some(Fingerprint { method, url, body: body.unwrap_or_default() })
    }

    pub(crate) fn facts(&self) -> RequestFacts<'_> {
        let headers = match &self.0 {
            Form::Whole(request) => Headers::Map(request.headers()),
            Form::Sent(parts) => Headers::List(&parts.headers),
        };
        RequestFacts { method: self.method(), url: self.url(), body: self.body(), headers }
    }

    /// Whether it can be sent, for the first time or again.
    pub(crate) fn can_be_sent(&self) -> bool {
        match &self.0 {
            Form::Whole(_) => true,
            Form::Sent(parts) => parts.rest.is_some(),
        }
    }
}

impl Parts {
    fn of(request: &mut Request) -> Self {
        let rest = in_memory(request).is_some().then(|| Rest {
            body: share_body(request),
            timeout: request.timeout().copied(),
            version: request.version(),
        });
        let headers = request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { method: request.method().clone(), url: request.url().clone(), headers, rest, replaced_key: None }
    }

    /// The request once more; without a body that was a stream.
    fn into_request(self) -> Request {
        let mut request = Request::new(self.method, self.url);
        // With room for the key, and for what a layer below adds; without any, none is made.
        let room = if self.headers.is_empty() { 0 } else { self.headers.len() + 2 };
        let mut headers = HeaderMap::with_capacity(room);
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        *request.headers_mut() = headers;
        let Some(rest) = self.rest else { return request };
        *request.body_mut() = rest.body.map(Body::from);
        *request.version_mut() = rest.version;
        if rest.timeout.is_some() {
            *request.timeout_mut() = rest.timeout;
        }
        request
    }
}

/// The body, if it is in memory; a request without a body has an empty one.
pub(super) fn in_memory(request: &Request) -> Option<&[u8]> {
    request.body().map_or(Some(&[][..]), Body::as_bytes)
}

/// A shorter body is copied: that is cheaper than to share it.
const SHARED_FROM: usize = 512;

/// The bytes of a body in memory, shared with the request unless they are few.
fn share_body(request: &mut Request) -> Option<Bytes> {
    if let Some(few) = request.body()?.as_bytes().filter(|bytes| bytes.len() < SHARED_FROM) {
        return Some(Bytes::copy_from_slice(few));
    }
    let mut body = request.body_mut().take()?;
    // A body in memory is a single frame, which is ready at once; an empty one has none.
    let bytes = match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        Poll::Ready(None) => Bytes::new(),
        Poll::Ready(Some(Err(_))) | Poll::Pending => unreachable!("a body in memory is ready"),
    };
    *request.body_mut() = Some(Body::from(bytes.clone()));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.example.com/v1/things?q=1";

    fn again(request: Request) -> Request {
        let mut replayable = ReplayableRequest::new(request);
        let [first, second, third] = [(); 3].map(|()| {
            assert!(replayable.can_be_sent());
            replayable.take()
        });
        for again in [&second, &third] {
            assert_eq!(again.body().map(Body::as_bytes), first.body().map(Body::as_bytes));
            assert_eq!((again.method(), again.url()), (first.method(), first.url()));
            assert_eq!((again.headers(), again.version()), (first.headers(), first.version()));
            assert_eq!(again.timeout(), first.timeout());
        }
        third
    }

    #[test]
    fn request_is_the_same_when_repeated() {
        let mut request = Request::new(Method::POST, URL.parse().unwrap());
        assert!(again(request.try_clone().unwrap()).body().is_none());
        *request.body_mut() = Some(Body::from(Vec::new()));
        assert_eq!(again(request.try_clone().unwrap()).body().unwrap().as_bytes(), Some(&[][..]));

        for (name, value) in [("x-one", "1"), ("accept", "a"), ("x-two", "2"), ("x-one", "11"), ("accept", "b")] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        *request.body_mut() = Some(Body::from("abc".repeat(100_000)));
        *request.timeout_mut() = Some(Duration::from_secs(7));
        *request.version_mut() = Version::HTTP_2;
        let again = again(request);
        assert_eq!(again.body().unwrap().as_bytes().unwrap().len(), 300_000);
        let both: Vec<_> = again.headers().get_all("x-one").iter().collect();
        assert_eq!(both, ["1", "11"]);
    }

    #[test]
    fn long_body_is_shared() {
        let mut request = Request::new(Method::POST, URL.parse().unwrap());
        *request.body_mut() = Some(Body::from("abc".repeat(SHARED_FROM)));
        let mut replayable = ReplayableRequest::new(request);
        let before = replayable.body().unwrap().as_ptr();
        let sent = replayable.take();
        assert_eq!(replayable.body().unwrap().as_ptr(), before);
        assert_eq!(sent.body().unwrap().as_bytes().unwrap().as_ptr(), before);
    }

    #[test]
    fn only_the_head_of_a_stream_is_kept() {
        let mut request = Request::new(Method::POST, URL.parse().unwrap());
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("abc")]);
        *request.body_mut() = Some(Body::wrap_stream(stream));
        let mut replayable = ReplayableRequest::new(request);
        assert!(replayable.take().body().is_some());
        assert_eq!((replayable.method(), replayable.url().as_str(), replayable.body()), (&Method::POST, URL, None));
        assert!(!replayable.can_be_sent());
    }
}
