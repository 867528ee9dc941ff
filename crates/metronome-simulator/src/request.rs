//! Reads, authenticates and validates requests. A request rejected here is never stored under its key.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Query;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use serde_json::Value;

use crate::keys::Parameters;
use crate::operation::Operation;
use crate::reply::Reply;
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

/// A valid request, ready to execute.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) body: Value,
    /// The `Idempotency-Key`; `None` for methods that ignore it.
    pub(crate) key: Option<String>,
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
        match self.operation() {
            Some(operation) => operation.is_write(),
            None => self.head.method != Method::GET,
        }
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

    /// The value of a header as text; `None` too if the name is not a valid header name.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// Checks the token, the path and the body.
    ///
    /// # Errors
    /// The 400, 401 or 404 to answer with.
    pub(crate) fn admit(&self, token: &str) -> Result<Call, Reply> {
        if !self.has_token(token) {
            return Err(Reply::message(StatusCode::UNAUTHORIZED, "Unauthorized"));
        }
        let not_found = || Reply::message(StatusCode::NOT_FOUND, "Not Found");
        let operation = self.operation().ok_or_else(not_found)?;
        let body = self.json()?;
        validate(&operation, &body).map_err(|message| self.bad_request(&message))?;
        let key = self.idempotency_key().filter(|_| self.head.method == Method::POST);
        Ok(Call { operation, method: self.head.method.clone(), uri: self.head.uri.clone(), body, key })
    }

    fn operation(&self) -> Option<Operation> {
        Operation::find(&self.head.method, self.path())
    }

    fn has_token(&self, token: &str) -> bool {
        let given = self.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|value| value.strip_prefix("Bearer ")) == Some(token)
    }

    pub(crate) fn idempotency_key(&self) -> Option<String> {
        self.header(IDEMPOTENCY_KEY).map(Cow::into_owned)
    }

    fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() || self.head.method != Method::POST {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| self.bad_request("Malformed JSON in the request body"))
    }

    fn bad_request(&self, message: &str) -> Reply {
        Reply::rejection(self.path(), StatusCode::BAD_REQUEST, message)
    }
}

impl Call {
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    pub(crate) fn parameters(&self) -> Parameters {
        Parameters { target: format!("{} {}", self.method, self.uri), body: self.body.clone() }
    }

    /// A string field of the body; empty if the field is missing.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let Query(mut query) = Query::<HashMap<String, String>>::try_from_uri(&self.uri).ok()?;
        query.remove(name)
    }

    pub(crate) fn uniqueness_key(&self) -> Option<&str> {
        self.body["uniqueness_key"].as_str()
    }

    pub(crate) fn rejection(&self, status: StatusCode, message: &str) -> Reply {
        Reply::rejection(self.path(), status, message)
    }
}
