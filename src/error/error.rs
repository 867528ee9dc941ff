//! The error type and its accessors.

use std::{
    error::Error as StdError,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode};
use ref_cast::{RefCastCustom, ref_cast_custom};
use reqwest::Response;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{callee::Callee, details::ErrorDetails, kind::ErrorKind, secrets::RequestHead};
use crate::{
    attempts::Attempts,
    decide::{
        advice::Advice,
        effect::Effect,
        stop::{Applied, StopReason},
    },
    durable::{operation::Operation, record::Record},
    key::IdempotencyKey,
    service::error_format::ErrorParts,
    wire::json,
};

/// A call that did not succeed.
///
/// It answers three questions: [`kind`](Self::kind), what the last response said; [`stop`](Self::stop), why there was no
/// further attempt; [`applied`](Self::applied), whether the write took effect.
///
/// ```
/// use reqwest_safe_retry::{Applied, Error, ErrorKind, SafeRetry, Service, StopReason, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let client = ScriptedTransport::new([500, 500]).client(SafeRetry::new([Service::metronome()])).unwrap();
/// let error = client.post("https://api.metronome.com/v1/contracts/create").body("{}").send().await.unwrap_err();
/// let error = Error::find(&error).expect("the layer's error");
/// assert_eq!((error.kind(), error.stop()), (ErrorKind::Server, StopReason::Unverified));
/// assert_eq!(error.applied(), Applied::Unknown);
/// assert!(error.key().is_some(), "with which to look for it");
/// # });
/// ```
///
/// `Display` and `Debug` show service, method, path (with its parameters' names where a route matches), status, attempts,
/// times and the service's own message and code; never a key of the call, a credential that the request carried, a query
/// string, user information, a header or the rest of the body.
#[derive(RefCastCustom)]
#[repr(transparent)]
pub struct Error(pub(super) Node);

/// The error as its own `source`, so that a walk along the causes that skips the error itself (as `#[error(transparent)]`
/// makes it) still finds it; see `find.rs`.
pub(super) struct Node(pub(super) Box<Inner>);

pub(crate) struct Inner {
    pub(crate) callee: Arc<dyn Callee>,
    pub(crate) method: Method,
    pub(crate) request: RequestHead,
    pub(crate) effect: Effect,
    pub(crate) kind: ErrorKind,
    pub(crate) stop: StopReason,
    pub(crate) applied: Applied,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) attempts: Attempts,
    pub(crate) details: ErrorDetails,
    pub(crate) follow_up: FollowUp,
}

/// What a later call needs to know.
#[derive(Clone, Debug)]
pub(crate) struct FollowUp {
    /// Host and port, if the service has several hosts.
    pub(crate) host: Option<String>,
    pub(crate) operation: Option<Operation>,
    /// The digest of the request.
    pub(crate) request: Option<Uuid>,
    pub(crate) advice: Advice,
    pub(crate) protected_until: Option<SystemTime>,
}

impl FollowUp {
    pub(crate) const fn of(advice: Advice) -> Self {
        Self { host: None, operation: None, request: None, advice, protected_until: None }
    }
}

impl Error {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Node(Box::new(inner)))
    }

    #[ref_cast_custom]
    pub(super) fn of_node(node: &Node) -> &Self;

    pub(super) fn inner(&self) -> &Inner {
        &self.0.0
    }

    pub(super) fn details(&self) -> &ErrorDetails {
        &self.inner().details
    }

    /// What the last response says of the error. It is looked for only where it is asked for.
    fn parts(&self) -> &ErrorParts {
        self.details().parts.get_or_init(|| self.inner().callee.read_error(self.body()))
    }

    /// The template of the path, if a route matches. It is looked for only where it is shown.
    pub(super) fn template(&self) -> Option<String> {
        let Inner { callee, method, request, .. } = self.inner();
        callee.template(method, &request.url)
    }

    /// What the last response said.
    pub fn kind(&self) -> ErrorKind {
        self.inner().kind
    }

    /// Why there was no further attempt.
    pub fn stop(&self) -> StopReason {
        self.inner().stop
    }

    /// Whether the write took effect. A read is always [`Applied::No`].
    pub fn applied(&self) -> Applied {
        self.inner().applied
    }

    /// What to do about it: the three facts put into one, for code that runs the call again. The table is in
    /// [`durable`](crate::durable#what-to-do-about-an-error).
    pub fn advice(&self) -> Advice {
        self.inner().follow_up.advice
    }

    /// What is needed to go on with the call in another process; see
    /// [`RequestBuilderExt::resume`](crate::RequestBuilderExt::resume). It can be stored with the feature `serde`.
    pub fn record(&self) -> Record {
        let Inner { callee, method, kind, stop, applied, attempts, follow_up, .. } = self.inner();
        Record {
            format: Record::FORMAT,
            service: callee.name().to_owned(),
            host: follow_up.host.clone(),
            operation: follow_up.operation.clone(),
            method: method.to_string(),
            path: self.template().unwrap_or_else(|| self.path().to_owned()),
            request: follow_up.request,
            protected_until: follow_up.protected_until,
            attempts: attempts.clone(),
            kind: *kind,
            stop: *stop,
            applied: *applied,
            advice: follow_up.advice,
        }
    }

    /// The status of the last response; `None` if there was none.
    pub fn status(&self) -> Option<StatusCode> {
        self.details().status
    }

    /// 404: what the request names does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// 429: too many requests. A call that only waited in the queue of the concurrency limit is
    /// [`QueueRefused`](ErrorKind::QueueRefused).
    pub fn is_rate_limited(&self) -> bool {
        self.kind() == ErrorKind::RateLimited
    }

    /// What the write would create exists already.
    pub fn is_already_exists(&self) -> bool {
        self.kind() == ErrorKind::AlreadyExists
    }

    /// Whether no response settles if the write took effect; [`advice`](Self::advice) says what to do.
    pub fn is_in_doubt(&self) -> bool {
        self.applied() == Applied::Unknown
    }

    /// The service's own message; empty if it sent none.
    pub fn message(&self) -> &str {
        self.parts().message.as_deref().unwrap_or_default()
    }

    /// The service's own code.
    pub fn code(&self) -> Option<&str> {
        self.parts().code.as_deref()
    }

    /// The service's own type or name of the error.
    pub fn error_type(&self) -> Option<&str> {
        self.parts().error_type.as_deref()
    }

    /// The error's body as a type of the service's or your own.
    ///
    /// ```no_run
    /// # use reqwest_safe_retry::Error;
    /// #[derive(serde::Deserialize)]
    /// struct AlertConflict {
    ///     conflicting_id: String,
    /// }
    ///
    /// # fn example(error: &Error) {
    /// match error.detail::<AlertConflict>() {
    ///     Ok(conflict) => println!("conflicts with {}", conflict.conflicting_id),
    ///     Err(other) => println!("another body: {other}"),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the body is not JSON of that form.
    pub fn detail<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(json::without_mark(self.body()))
    }

    /// The error's body as it came, up to [`max_error_body`](crate::RetryPolicy::max_error_body); it may contain what the
    /// request contained.
    pub fn body(&self) -> &[u8] {
        &self.details().body.bytes
    }

    /// Whether the body was longer than what was read of it, or ended early.
    pub fn is_truncated(&self) -> bool {
        self.details().body.truncated
    }

    /// The service's id of the last request, for its support.
    pub fn request_id(&self) -> Option<&str> {
        self.details().request_id.as_deref().or_else(|| self.parts().request_id.as_deref())
    }

    /// The wait that the last response asked for; [`Duration::MAX`] if the number does not fit.
    pub fn retry_after(&self) -> Option<Duration> {
        self.details().retry_after
    }

    /// Whose limit was reached, in the service's words (Metronome: `client` or `customer`).
    pub fn rate_limit_scope(&self) -> Option<&str> {
        self.details().scope.as_deref()
    }

    /// The key of the last attempt. Sending the same write again with it is safe for as long as the service keeps keys (and,
    /// if it executes concurrent requests, once the last one is over, which the layer waits for). To do so,
    /// [resume](crate::RequestBuilderExt::resume) from the [record](Self::record). A new call has another key, which may double
    /// the write while [`applied`](Self::applied) is not [`Applied::No`].
    pub fn key(&self) -> Option<&IdempotencyKey> {
        self.inner().key.as_ref()
    }

    /// How long a call has waited in the queue of the concurrency limit that was turned away there before its first attempt,
    /// and how many attempts could be in flight then.
    pub fn queue_refusal(&self) -> Option<(Duration, usize)> {
        self.details().queued.map(|queued| (queued.waited, queued.limit))
    }

    /// The attempts of the call.
    pub fn attempts(&self) -> &Attempts {
        &self.inner().attempts
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        self.inner().callee.name()
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.inner().method
    }

    /// The path of the request, without its query.
    pub fn path(&self) -> &str {
        self.inner().request.url.path()
    }

    /// Whether the last attempt ended because a time had passed: its own, the connection's, or the call's deadline.
    pub fn is_timeout(&self) -> bool {
        self.details().timed_out
    }

    /// Whether the last attempt found no connection.
    pub fn is_connect(&self) -> bool {
        self.details().connecting
    }

    /// The last response as it came, for callers who look at statuses themselves.
    pub(crate) fn into_response(self, head: http::Response<()>) -> Response {
        let Inner { details, attempts, stop, applied, key, .. } = *self.0.0;
        let mut response = Response::from(head.map(|()| details.body.bytes));
        response.extensions_mut().insert(attempts);
        response.extensions_mut().insert(applied);
        response.extensions_mut().insert(stop);
        if let Some(key) = key {
            response.extensions_mut().insert(key);
        }
        response
    }
}

impl StdError for Error {
    /// The kind of the error, and behind it the transport's error, or what is wrong with the key or the policy.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

impl StdError for Node {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.details.source.as_deref().map(|source| source as _)
    }
}
