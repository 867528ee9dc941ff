//! What stands before execution: the token, the route, the syntax. Nothing refused here is stored under a key.

use std::borrow::Cow;

use axum::body::{Body, Bytes, to_bytes};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use serde_json::Value;

use super::answer::Answer;
use super::keys::Parameters;
use super::operation::Operation;
use super::schedule::Received;
use super::validation::validate;

/// Far above any documented body; a longer one is cut off like a lost connection.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request that arrived whole.
#[derive(Debug)]
pub(super) struct Arrival {
    head: Parts,
    body: Bytes,
}

/// A request that may execute.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) body: Value,
    /// The `Idempotency-Key`; none where the method takes none.
    pub(super) key: Option<String>,
}

impl Arrival {
    /// Reads a request to its end; `None` if it has none.
    pub(super) async fn read(request: Request<Body>) -> Option<Self> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, LONGEST_BODY).await.ok()?;
        Some(Self { head, body })
    }

    /// An unknown path counts as a write, as it should for a client.
    pub(super) fn is_write(&self) -> bool {
        match self.operation() {
            Some(operation) => operation.is_write(),
            None => self.head.method != Method::GET,
        }
    }

    pub(super) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// A header's value as text; `None` too where the name is no header's.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    pub(super) fn received(&self) -> Received {
        Received {
            method: self.head.method.clone(),
            path: self.path().to_owned(),
            idempotency_key: self.idempotency_key(),
            fault: None,
        }
    }

    /// Lets the request through to execution, or refuses it.
    pub(super) fn admit(&self, token: &str) -> Result<Call, Answer> {
        if !self.bears(token) {
            return Err(Answer::message(StatusCode::UNAUTHORIZED, "Unauthorized"));
        }
        let not_found = || Answer::message(StatusCode::NOT_FOUND, "Not Found");
        let operation = self.operation().ok_or_else(not_found)?;
        let body = self.json()?;
        validate(&operation, &body).map_err(|message| self.bad_request(&message))?;
        let key = self.idempotency_key().filter(|_| self.head.method == Method::POST);
        Ok(Call { operation, method: self.head.method.clone(), uri: self.head.uri.clone(), body, key })
    }

    fn operation(&self) -> Option<Operation> {
        Operation::find(&self.head.method, self.path())
    }

    fn bears(&self, token: &str) -> bool {
        let given = self.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|value| value.strip_prefix("Bearer ")) == Some(token)
    }

    fn idempotency_key(&self) -> Option<String> {
        self.header(IDEMPOTENCY_KEY).map(Cow::into_owned)
    }

    fn json(&self) -> Result<Value, Answer> {
        if self.body.is_empty() || self.head.method != Method::POST {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| self.bad_request("Malformed JSON in the request body"))
    }

    fn bad_request(&self, message: &str) -> Answer {
        Answer::refusal(self.path(), StatusCode::BAD_REQUEST, message)
    }
}

impl Call {
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    pub(super) fn parameters(&self) -> Parameters {
        Parameters { target: format!("{} {}", self.method, self.uri), body: self.body.clone() }
    }

    /// A string of the body, the empty one where there is none.
    pub(super) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    pub(super) fn uniqueness_key(&self) -> Option<&str> {
        self.body["uniqueness_key"].as_str()
    }

    pub(super) fn refusal(&self, status: StatusCode, message: &str) -> Answer {
        Answer::refusal(self.path(), status, message)
    }
}
