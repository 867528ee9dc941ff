//! What is kept of a request while it is being sent: what it takes to send it again, and what an error shows of it.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use http_body::Body as _;
use reqwest::{Body, Request, Url};

/// Where a request goes, and the rest of it where that is needed after it was sent.
pub(crate) struct Spare {
    url: Url,
    rest: Option<Rest>,
}

/// Taken apart, so that nothing is parsed or hashed unless the request is sent again.
struct Rest {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
    timeout: Option<Duration>,
    version: Version,
}

/// Where a request went, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) url: &'a Url,
    /// Where it was in memory; a request without a body has an empty one.
    pub(crate) body: Option<&'a [u8]>,
}

impl Spare {
    /// Of a request of which no more than an error shows is needed.
    pub(crate) fn url_of(request: &Request) -> Self {
        Self { url: request.url().clone(), rest: None }
    }

    /// Of a request that may be needed again; one whose body is a stream cannot be.
    pub(crate) fn of(request: &mut Request) -> Self {
        if !is_in_memory(request) {
            return Self::url_of(request);
        }
        let rest = Rest {
            headers: request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: share_body(request),
            timeout: request.timeout().copied(),
            version: request.version(),
        };
        Self { url: request.url().clone(), rest: Some(rest) }
    }

    pub(crate) fn target(&self) -> Target<'_> {
        let body = self.rest.as_ref().map(|rest| rest.body.as_deref().unwrap_or_default());
        Target { url: &self.url, body }
    }

    /// Whether the request can be sent again.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_some()
    }

    /// The request once more; of one that is not whole, without headers and body.
    pub(crate) fn into_request(self, method: Method) -> Request {
        let mut request = Request::new(method, self.url);
        let Some(rest) = self.rest else { return request };
        let mut headers = HeaderMap::with_capacity(rest.headers.len());
        for (name, value) in rest.headers {
            headers.append(name, value);
        }
        *request.headers_mut() = headers;
        *request.body_mut() = rest.body.map(Body::from);
        *request.version_mut() = rest.version;
        if rest.timeout.is_some() {
            *request.timeout_mut() = rest.timeout;
        }
        request
    }
}

impl<'a> Target<'a> {
    pub(crate) fn of(request: &'a Request) -> Self {
        Self { url: request.url(), body: request.body().map_or(Some(&[]), Body::as_bytes) }
    }
}

pub(crate) fn is_in_memory(request: &Request) -> bool {
    request.body().is_none_or(|body| body.as_bytes().is_some())
}

/// The bytes of a body in memory, shared with the request and not copied.
fn share_body(request: &mut Request) -> Option<Bytes> {
    let mut body = request.body_mut().take()?;
    // A body in memory is a single frame, which is there at once; an empty one has none.
    let bytes = match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        Poll::Ready(None) => Bytes::new(),
        Poll::Ready(Some(Err(_))) | Poll::Pending => unreachable!("a body in memory has its bytes at hand"),
    };
    *request.body_mut() = Some(Body::from(bytes.clone()));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.example.com/v1/things?q=1";

    fn again(mut request: Request) -> Request {
        let method = request.method().clone();
        let spare = Spare::of(&mut request);
        assert!(spare.is_whole());
        let sent = request.body().and_then(Body::as_bytes).map(<[u8]>::to_vec);
        let again = spare.into_request(method);
        assert_eq!(again.body().and_then(Body::as_bytes), sent.as_deref(), "what is sent keeps its body");
        assert_eq!((again.method(), again.url()), (request.method(), request.url()));
        assert_eq!((again.headers(), again.version()), (request.headers(), request.version()));
        assert_eq!(again.timeout(), request.timeout());
        again
    }

    #[test]
    fn a_request_is_the_same_the_second_time() {
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
    fn a_body_is_shared_and_not_copied() {
        let mut request = Request::new(Method::POST, URL.parse().unwrap());
        *request.body_mut() = Some(Body::from("abc"));
        let before = request.body().unwrap().as_bytes().unwrap().as_ptr();
        let spare = Spare::of(&mut request);
        assert_eq!(spare.target().body.unwrap().as_ptr(), before);
        assert_eq!(request.body().unwrap().as_bytes().unwrap().as_ptr(), before);
    }

    #[test]
    fn of_a_stream_only_the_url_is_kept() {
        let mut request = Request::new(Method::POST, URL.parse().unwrap());
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>("abc")]);
        *request.body_mut() = Some(Body::wrap_stream(stream));
        let spare = Spare::of(&mut request);
        assert!(request.body().is_some());
        assert_eq!((spare.target().url.as_str(), spare.target().body), (URL, None));
        assert!(!spare.is_whole());
    }
}
