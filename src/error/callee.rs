//! What a failed call was to.

use http::Method;
use reqwest::Url;

use crate::service::error_format::ErrorParts;

/// What a failed call was to: a service, or a host that no service covers.
pub(crate) trait Callee: Send + Sync {
    fn name(&self) -> &str;

    /// The template of a request's path, if a route matches.
    fn template(&self, method: &Method, url: &Url) -> Option<String>;

    /// What the body of an error response says.
    fn read_error(&self, body: &[u8]) -> ErrorParts;
}
