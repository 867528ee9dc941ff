//! Reads, authenticates and validates requests. A request rejected here is never stored under its key.

use std::borrow::Cow;
use std::io::Read;

use axum::body::{Body, Bytes, to_bytes};
use flate2::read::GzDecoder;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::call::Call;
use crate::operation::{Operation, Prepared};
use crate::operations::find;
use crate::reply::Reply;
use crate::runtime::wall_clock;
use crate::validation::validate;

/// Far above any documented body. The connection of a longer one is closed.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request with its whole body.
#[derive(Debug)]
pub(crate) struct IncomingRequest {
    head: Parts,
    body: Bytes,
}

impl IncomingRequest {
    /// Reads the whole body; `None` if it is incomplete or too long.
    pub(crate) async fn read(request: Request<Body>) -> Option<Self> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.ok()?;
        Some(Self { head, body })
    }

    /// Whether this is a write. An unknown path counts as one unless the method is GET.
    pub(crate) fn is_write(&self) -> bool {
        self.operation().map_or(self.head.method != Method::GET, Operation::is_write)
    }

    pub(crate) fn head(&self) -> &Parts {
        &self.head
    }

    pub(crate) fn method(&self) -> &Method {
        &self.head.method
    }

    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The body; empty if it is not text.
    pub(crate) fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The value of a header as text; `None` too if the name is not a valid header name.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// Checks the token, the path and the body.
    ///
    /// # Errors
    /// The 400, 401 or 404 to answer with.
    pub(crate) fn admit(&self, token: &str) -> Result<Prepared, Reply> {
        if !self.has_token(token) {
            return Err(Reply::message(StatusCode::UNAUTHORIZED, "Unauthorized"));
        }
        let not_found = || Reply::message(StatusCode::NOT_FOUND, "Not Found");
        let operation = self.operation().ok_or_else(not_found)?;
        let body = self.json()?;
        let key = self.idempotency_key().filter(|_| self.head.method == Method::POST);
        let call =
            Call { route: &operation.route, method: self.head.method.clone(), uri: self.head.uri.clone(), body, key };
        validate(&call, wall_clock()).map_err(|message| self.bad_request(&message))?;
        Ok(Prepared { operation, call })
    }

    fn operation(&self) -> Option<&'static Operation> {
        find(&self.head.method, self.path())
    }

    fn has_token(&self, token: &str) -> bool {
        let given = self.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|value| value.strip_prefix("Bearer ")) == Some(token)
    }

    pub(crate) fn idempotency_key(&self) -> Option<String> {
        self.header(IDEMPOTENCY_KEY).map(Cow::into_owned)
    }

    fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() || self.head.method == Method::GET {
            return Ok(Value::Null);
        }
        let malformed = || self.bad_request("Malformed JSON in the request body");
        let body = self.plain_body().ok_or_else(malformed)?;
        serde_json::from_slice(&body).map_err(|_| malformed())
    }

    /// The body, decompressed if it is compressed. `None` if it is not gzip, or too long.
    fn plain_body(&self) -> Option<Cow<'_, [u8]>> {
        if self.header(CONTENT_ENCODING.as_str()).as_deref() != Some("gzip") {
            return Some(Cow::Borrowed(&self.body));
        }
        let (mut plain, most) = (Vec::new(), MAX_BODY_BYTES as u64);
        GzDecoder::new(&*self.body).take(most + 1).read_to_end(&mut plain).ok()?;
        (plain.len() <= MAX_BODY_BYTES).then_some(Cow::Owned(plain))
    }

    fn bad_request(&self, message: &str) -> Reply {
        Reply::rejection(self.path(), StatusCode::BAD_REQUEST, message)
    }
}
