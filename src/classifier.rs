//! The classifier: the user's hook that says what an error response means.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;

use crate::{decide::key::Meaning, service::response_rule::Said, telemetry::spans::Template, wire::json};

/// Says what an error response means, where [response rules](crate::ResponseRule) cannot.
///
/// A closure is a classifier too:
///
/// ```
/// use reqwest_safe_retry::{ErrorResponse, Meaning, Service};
///
/// /// Two fields of the body have to be compared.
/// fn classify(response: &ErrorResponse<'_>) -> Option<Meaning> {
///     let number = |pointer| response.json(pointer)?.parse::<u64>().ok();
///     let is_spent = number("/limits/used")? >= number("/limits/monthly")?;
///     (response.status() == 429 && is_spent).then_some(Meaning::Final)
/// }
///
/// let service = Service::builder("search", "https://search.example.com").classifier(classify).build()?;
/// # assert_eq!(service.name(), "search");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
///
/// It is asked once about each error response (a 4xx or 5xx, or a status below 200 or above 599), after its body was read, and
/// before the rules of the description; `None` leaves the response to those. Success responses are never shown to it.
///
/// It cannot have a write sent again that has no key and may have been executed: [`Meaning::Throttled`] on a status that
/// does not rule that out, such as 503, slows calls down but proves nothing. About writes with a key it is believed as
/// the description is: a wrong [`Meaning::NotApplied`] or [`Meaning::KeyInvalidated`] can double one.
pub trait Classifier: Send + Sync + 'static {
    /// What the response means; `None` if the classifier has nothing to say about it. It must not block.
    fn classify(&self, response: &ErrorResponse<'_>) -> Option<Meaning>;
}

impl<F> Classifier for F
where
    F: Fn(&ErrorResponse<'_>) -> Option<Meaning> + Send + Sync + 'static,
{
    fn classify(&self, response: &ErrorResponse<'_>) -> Option<Meaning> {
        self(response)
    }
}

impl<C: Classifier + ?Sized> Classifier for Arc<C> {
    fn classify(&self, response: &ErrorResponse<'_>) -> Option<Meaning> {
        C::classify(self, response)
    }
}

/// A response with a 4xx or 5xx: the facts for the [`Classifier`].
///
/// ```
/// use reqwest_safe_retry::{Error, ErrorKind, ErrorResponse, Meaning, SafeRetry, Service};
/// use reqwest_safe_retry::testing::{Reply, ScriptedTransport};
///
/// fn classify(response: &ErrorResponse<'_>) -> Option<Meaning> {
///     let is_busy = response.code() == Some("busy") && response.json("/queue")?.parse::<u32>().ok()? > 9;
///     (response.path() == "/search" && response.attempt() == 1 && is_busy).then_some(Meaning::Throttled)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let service = Service::builder("search", "https://search.example.com").classifier(classify).build().unwrap();
/// let busy = || Reply::response(400, [], r#"{"code":"busy","queue":12}"#);
/// let client = ScriptedTransport::new([busy(), busy()]).client(SafeRetry::new([service])).unwrap();
/// let error = client.get("https://search.example.com/search").send().await.unwrap_err();
/// let error = Error::find(&error).unwrap();
/// assert_eq!((error.attempts().count(), error.kind()), (2, ErrorKind::BadRequest), "only the first was throttled");
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct ErrorResponse<'a> {
    pub(crate) service: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    pub(crate) template: Option<Template<'a>>,
    pub(crate) attempt: u32,
    pub(crate) said: Said<'a>,
}

impl<'a> ErrorResponse<'a> {
    /// The name of the service.
    pub fn service(&self) -> &'a str {
        self.service
    }

    /// The method of the request.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The path of the request's URL.
    pub fn path(&self) -> &'a str {
        self.url.path()
    }

    /// The template of the path, if one of the service's routes matches.
    pub fn template(&self) -> Option<String> {
        self.template.map(|template| template.into_text())
    }

    /// Which attempt of the call it is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.said.status
    }

    /// The headers.
    pub fn headers(&self) -> &'a HeaderMap {
        self.said.headers
    }

    /// The body, decompressed: no more of it than [`max_error_body`](crate::RetryPolicy::max_error_body) bytes, and what
    /// came within [`error_body_timeout`](crate::RetryPolicy::error_body_timeout).
    pub fn body(&self) -> &'a [u8] {
        self.said.body
    }

    /// Whether there was more of the body, which was not read: what is missing may say that the request was executed.
    pub fn is_truncated(&self) -> bool {
        self.said.is_truncated
    }

    /// Text or number at a pointer (RFC 6901) into the JSON body.
    pub fn json(&self, pointer: &str) -> Option<String> {
        json::member(self.said.body, pointer)?.into_text()
    }

    /// The error's code, by the service's [error format](crate::ErrorFormat).
    pub fn code(&self) -> Option<&'a str> {
        self.said.parts().code.as_deref()
    }

    /// The error's message, by the service's [error format](crate::ErrorFormat).
    pub fn message(&self) -> Option<&'a str> {
        self.said.parts().message.as_deref()
    }
}

/// Headers and body are not shown: they may have secrets.
impl fmt::Debug for ErrorResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorResponse")
            .field("service", &self.service())
            .field("method", self.method)
            .field("path", &self.template())
            .field("status", &self.said.status)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
