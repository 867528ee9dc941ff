//! All that is documented and configured of a service, as data.

use std::borrow::Cow;

use super::{
    base_urls::BaseUrlTexts, boolean_header::BooleanHeader, error_format::ErrorFormat, idempotency::Idempotency,
    limit_key::LimitKeySource, rate_limiting::RateLimiting, response_rule::ResponseRule, route::Route, source::Source,
};
use crate::{
    decide::{policy::RetryPolicy, rules::RetryCosts, status_set::StatusSet},
    durable::settings::JournalSettings,
    limit::concurrency_limit::ConcurrencyLimit,
};

/// How the last error response of a call is surfaced.
///
/// ```
/// use reqwest_safe_retry::{Applied, ErrorStatusHandling, SafeRetry, Service, testing::ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let service = Service::builder("billing", "https://billing.internal").error_statuses(ErrorStatusHandling::Response);
/// let layer = SafeRetry::new([service.build().unwrap()]);
/// let client = ScriptedTransport::new([502]).client(layer).unwrap();
/// let response = client.post("https://billing.internal/invoices").body("{}").send().await.unwrap();
/// assert_eq!((response.status().as_u16(), response.extensions().get()), (502, Some(&Applied::Unknown)));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ErrorStatusHandling {
    /// As a typed [`Error`](crate::Error).
    #[default]
    Error,
    /// As the response, for code that looks at statuses itself: its head as it came, and of its body what was read (see
    /// [`max_error_body`](RetryPolicy::max_error_body)). Whether the write took effect, and why there was no further
    /// attempt, is in its extensions, as [`Applied`](crate::Applied) and [`StopReason`](crate::StopReason), beside the
    /// [`Attempts`](crate::Attempts) and the [`IdempotencyKey`](crate::IdempotencyKey). A call without a response ends in an error all the same.
    #[cfg_attr(feature = "schema", schemars(description = "As the response, for code that looks at statuses itself."))]
    Response,
}

/// All that is documented and configured of a service.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Service"))]
pub(crate) struct Description {
    #[cfg_attr(feature = "config", serde(skip))]
    pub(crate) name: Cow<'static, str>,
    /// Scheme, host, port and path that all requests of the service have in common; no user information, no query. The host
    /// "*.example.com" stands for all hosts below that domain, "*" in place of the URL for every host. A list gives several.
    pub(crate) base_url: BaseUrlTexts,
    /// How the service handles idempotency keys.
    pub(crate) idempotency: Idempotency,
    /// Where error responses have their message, code, type and request id.
    pub(crate) error_format: ErrorFormat,
    /// How the service says that callers should slow down.
    pub(crate) rate_limiting: RateLimiting,
    /// Where the limit key of a request is, if the service limits each key separately: of several places the first that
    /// has one counts.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Vec::is_empty"))]
    pub(crate) limit_key_from: Vec<LimitKeySource>,
    /// What error responses mean: the first rule that matches counts. Those of the file come before those of the
    /// description.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Vec::is_empty"))]
    pub(crate) responses: Vec<ResponseRule>,
    /// The header in which the service says whether to send a request again.
    #[cfg_attr(feature = "config", serde(skip_serializing_if = "Option::is_none"))]
    pub(crate) retry_signal: Option<BooleanHeader>,
    /// The statuses that the service documents as retryable.
    pub(crate) retryable: StatusSet,
    /// What repeating an endpoint does, if its method does not tell. A route of the description with the same method and
    /// path is changed, the others stay.
    pub(crate) routes: Vec<Route>,
    /// The pages that the description comes from.
    pub(crate) sources: Vec<Source>,
    /// How often and how long.
    pub(crate) retry_policy: RetryPolicy,
    /// How many tokens the service's retry budget holds; 500 unless set.
    pub(crate) retry_budget: u32,
    /// What a repeat takes out of the retry budget.
    pub(crate) retry_costs: RetryCosts,
    /// How many attempts may be in flight at once: "adaptive" (the default), "off", or a number.
    pub(crate) concurrency_limit: ConcurrencyLimit,
    /// Refuses a write that has neither an operation nor a key of the caller's.
    pub(crate) require_operation: bool,
    /// Refuses a key that this process has used for another request.
    pub(crate) refuse_reused_keys: bool,
    /// How calls with an operation use the journal, which code gives to the service.
    pub(crate) journal_settings: JournalSettings,
    /// How a final 4xx or 5xx is surfaced: "error" (the default) or "response".
    pub(crate) error_statuses: ErrorStatusHandling,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            name: Cow::Borrowed(""),
            base_url: BaseUrlTexts::One(Cow::Borrowed("")),
            idempotency: Idempotency::none(),
            error_format: ErrorFormat::new(),
            rate_limiting: RateLimiting::new(),
            limit_key_from: Vec::new(),
            responses: Vec::new(),
            retry_signal: None,
            retryable: StatusSet::DEFAULT,
            routes: Vec::new(),
            sources: Vec::new(),
            retry_policy: RetryPolicy::new(),
            retry_budget: 500,
            retry_costs: RetryCosts::default(),
            concurrency_limit: ConcurrencyLimit::Adaptive,
            require_operation: false,
            refuse_reused_keys: false,
            journal_settings: JournalSettings::new(),
            error_statuses: ErrorStatusHandling::Error,
        }
    }
}
