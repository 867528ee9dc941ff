//! What the simulator answers.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use super::cut::cut;
use super::fault::RateLimit;

const RATE_LIMIT_TYPE: HeaderName = HeaderName::from_static("x-metronome-rate-limit-type");

/// A status, headers, and a JSON body or none: small enough to keep under a key and replay.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: StatusCode,
    /// Those beside the content type.
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Value>,
}

impl Answer {
    /// 200 with this very body.
    pub(super) fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// 200 with the body wrapped as Metronome wraps most of them.
    pub(super) fn data(data: Value) -> Self {
        Self::ok(json!({ "data": data }))
    }

    /// 200 without a body.
    pub(super) fn empty() -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: None }
    }

    /// A refusal of Metronome's own; version 2 adds a code to the message.
    pub(super) fn refusal(path: &str, status: StatusCode, message: &str) -> Self {
        if path.starts_with("/v2/") {
            let code = status.canonical_reason().unwrap_or_default().replace(' ', "");
            Self::json(status, json!({ "code": code, "message": message }))
        } else {
            Self::message(status, message)
        }
    }

    /// An answer that holds a message alone, as the gateway's do.
    pub(super) fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, json!({ "message": message }))
    }

    /// The 500 of an execution that broke.
    pub(super) fn broken() -> Self {
        Self::message(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected internal error")
    }

    /// The gateway's own 5xx.
    pub(super) fn gateway(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::GATEWAY_TIMEOUT => "Endpoint request timed out",
            _ => "Internal server error",
        };
        Self::message(status, message)
    }

    /// A 429.
    pub(super) fn throttled(limit: RateLimit, retry_after: Option<u64>) -> Self {
        let mut answer = Self::message(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded");
        let limit = HeaderValue::from_static(limit.as_str());
        answer.headers.push((RATE_LIMIT_TYPE, limit));
        if let Some(seconds) = retry_after {
            answer.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        answer
    }

    /// The answer without the second half of its body.
    pub(super) fn cut_short(self) -> Response {
        match self.body.as_ref().map(|body| body.to_string().into()) {
            Some(body) => cut(self.into(), &body),
            None => self.into(),
        }
    }

    fn json(status: StatusCode, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let mut response = answer.body.as_ref().map_or_else(Self::default, json_response);
        *response.status_mut() = answer.status;
        response.headers_mut().extend(answer.headers);
        response
    }
}

fn json_response(body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
