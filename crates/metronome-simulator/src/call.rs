//! A call of an operation, and the fields of its request.

use axum::extract::Query;
use http::{Method, StatusCode, Uri};
use serde_json::Value;

use crate::keys::Parameters;
use crate::reply::Reply;
use crate::route::Route;

/// A request with its route.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) route: &'static Route,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) body: Value,
    /// The `Idempotency-Key`; `None` for methods that ignore it.
    pub(crate) key: Option<String>,
}

impl Call {
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    pub(crate) fn parameters(&self) -> Parameters {
        Parameters { target: format!("{} {}", self.method, self.uri), body: self.body.clone() }
    }

    /// A field of the request: of the path, of the body or of the query.
    pub(crate) fn field(&self, name: &str) -> Value {
        if let Some(segment) = self.route.parameter(self.path(), name) {
            return segment.into();
        }
        match self.body.get(name) {
            Some(value) if !value.is_null() => value.clone(),
            _ => self.query(name).into(),
        }
    }

    /// A field of the request that is a string; empty if it is missing.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.field(name) {
            Value::String(text) => text,
            _ => String::new(),
        }
    }

    fn query(&self, name: &str) -> Option<String> {
        self.queries().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The values of a parameter of the query that is a list, in the forms `a=1&a=2`, `a[]=1&a[]=2` and `a=1,2`.
    pub(crate) fn query_all(&self, name: &str) -> Vec<String> {
        let all = self.queries().into_iter().filter(|(found, _)| found.trim_end_matches("[]") == name);
        all.flat_map(|(_, values)| values.split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn queries(&self) -> Vec<(String, String)> {
        if self.uri.query().is_none() {
            return Vec::new();
        }
        Query::try_from_uri(&self.uri).map_or_else(|_| Vec::new(), |Query(all)| all)
    }

    pub(crate) fn uniqueness_key(&self) -> Option<&str> {
        self.body["uniqueness_key"].as_str()
    }

    pub(crate) fn rejection(&self, status: StatusCode, message: &str) -> Reply {
        Reply::rejection(self.path(), status, message)
    }

    /// The rejection of a call for an object that does not exist: a 404, or a 400 where the API documents no 404.
    pub(crate) fn not_found(&self, what: &str) -> Reply {
        let status =
            if self.path().starts_with("/v2/contracts/") { StatusCode::BAD_REQUEST } else { StatusCode::NOT_FOUND };
        Reply::coded(self.path(), status, &format!("{what}NotFound"), &format!("{what} not found"))
    }
}
