//! Problem details for HTTP APIs, RFC 9457.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::lenient::lenient;

/// The body of an error of the type `application/problem+json`, for [`Error::detail`](crate::Error::detail).
///
/// A member of another JSON type than the RFC's is passed over, as its section 3.1 demands. The response's status counts,
/// not the one in the body.
///
/// ```
/// use reqwest_safe_retry::services::problem::ProblemDetails;
///
/// let body = r#"{"title":"Out of credit","status":"no number","balance":30}"#;
/// let problem: ProblemDetails = serde_json::from_str(body)?;
/// assert_eq!(problem.problem_type(), "about:blank");
/// assert_eq!((problem.title.as_deref(), problem.status), (Some("Out of credit"), None));
/// assert_eq!(problem.extensions["balance"], 30);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
#[non_exhaustive]
pub struct ProblemDetails {
    /// A URI that names the type of the problem.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub problem_type: Option<String>,
    /// A short summary of the type.
    #[serde(deserialize_with = "lenient")]
    pub title: Option<String>,
    /// The status as the body has it; advisory.
    #[serde(deserialize_with = "lenient")]
    pub status: Option<u16>,
    /// What is special about this occurrence.
    #[serde(deserialize_with = "lenient")]
    pub detail: Option<String>,
    /// A URI that names this occurrence.
    #[serde(deserialize_with = "lenient")]
    pub instance: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

impl ProblemDetails {
    /// The type, which is `about:blank` where it is missing.
    pub fn problem_type(&self) -> &str {
        self.problem_type.as_deref().unwrap_or("about:blank")
    }
}
