//! The simulator's responses.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::rate_limit::RateLimit;
use crate::scenario::GatewayBody;
use crate::unfinished::{endless, truncated};

const RATE_LIMIT_TYPE: HeaderName = HeaderName::from_static("x-metronome-rate-limit-type");

/// A response, or the one that refuses the call.
pub(crate) type Outcome = Result<Reply, Reply>;

/// A response that can be stored under a key and replayed.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Reply {
    /// 200 with this body.
    pub(crate) fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// 200 with the body wrapped in `data`, as in most of Metronome's responses.
    pub(crate) fn data(data: Value) -> Self {
        Self::ok(json!({ "data": data }))
    }

    /// 200 without a body.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Bytes::new() }
    }

    /// An error of the application. Version 2 of the API adds a code to the message.
    pub(crate) fn rejection(path: &str, status: StatusCode, message: &str) -> Self {
        let code = status.canonical_reason().unwrap_or_default().replace(' ', "");
        Self::coded(path, status, &code, message)
    }

    /// The same with this code.
    pub(crate) fn coded(path: &str, status: StatusCode, code: &str, message: &str) -> Self {
        if path.starts_with("/v2/") {
            Self::json(status, json!({ "code": code, "message": message }))
        } else {
            Self::message(status, message)
        }
    }

    /// A 409 that names the object that it conflicts with.
    pub(crate) fn conflict(message: &str, id: &str, value: &str) -> Self {
        let body = json!({ "message": message, "conflicting_id": id, "conflicting_value": value });
        Self::json(StatusCode::CONFLICT, body)
    }

    /// 200 with a document.
    pub(crate) fn pdf(body: &'static [u8]) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/pdf"))];
        Self { status: StatusCode::OK, headers, body: Bytes::from_static(body) }
    }

    /// A response with a message only, as the gateway sends.
    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, json!({ "message": message }))
    }

    /// The 500 of a failed execution.
    pub(crate) fn internal_error() -> Self {
        Self::message(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected internal error")
    }

    /// A response of the gateway's own. A redirect leads to where the request was sent.
    pub(crate) fn gateway(status: StatusCode, body: GatewayBody, uri: &Uri) -> Self {
        let mut reply = match (status, body) {
            (_, GatewayBody::Html) => Self::html(status),
            (StatusCode::GATEWAY_TIMEOUT, _) => Self::message(status, "Endpoint request timed out"),
            (_, _) => Self::message(status, "Internal server error"),
        };
        if status.is_redirection() {
            let here = uri.path_and_query().and_then(|here| HeaderValue::from_str(here.as_str()).ok());
            reply.headers.extend(here.map(|here| (LOCATION, here)));
        }
        reply
    }

    /// A page as proxies send.
    fn html(status: StatusCode) -> Self {
        let title = [status.as_str(), status.canonical_reason().unwrap_or_default()].join(" ");
        let title = title.trim_end();
        let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        Self::new(status, HeaderValue::from_static("text/html"), page)
    }

    /// A 429, with `Retry-After` in seconds if given.
    pub(crate) fn rate_limited(limit: RateLimit, retry_after: Option<u64>) -> Self {
        let mut reply = Self::message(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded");
        let limit = HeaderValue::from_static(limit.as_str());
        reply.headers.push((RATE_LIMIT_TYPE, limit));
        if let Some(seconds) = retry_after {
            reply.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        reply
    }

    /// The response with a body that never ends.
    pub(crate) fn into_endless(self) -> Response {
        endless(self.into())
    }

    /// The response without the second half of its body.
    pub(crate) fn into_truncated(self) -> Response {
        if self.body.is_empty() {
            return self.into();
        }
        let body = self.body.clone();
        truncated(self.into(), &body)
    }

    fn json(status: StatusCode, body: Value) -> Self {
        Self::new(status, HeaderValue::from_static("application/json"), body.to_string())
    }

    fn new(status: StatusCode, content_type: HeaderValue, body: String) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, content_type)], body: body.into() }
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(Body::from(reply.body));
        *response.status_mut() = reply.status;
        response.headers_mut().extend(reply.headers);
        response
    }
}
