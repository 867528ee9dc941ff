//! What a service documents about one of its endpoints.

use std::borrow::Cow;

use http::Method;

use super::{
    config_error::FieldErrors,
    idempotency::Idempotency,
    limit_key::{self, LimitKeySource},
    method,
    response_rule::{self, ResponseRule},
};
use crate::decide::{effect::Effect, key::KeyKind, policy::RetryPolicy};

/// What a service documents about one of its endpoints.
///
/// The path is relative to the service's base URL; `{name}` matches one segment, `{*name}` all the rest.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, Route};
///
/// // A search sent as POST is not a write.
/// let search = Route::new(Method::POST, "/search", Effect::Read);
/// assert_eq!(search.effect, Effect::Read);
/// // A repeat is recognised by the body's `uniqueness_key`; without one it is an ordinary write.
/// let create = Route::new(Method::POST, "/contracts", Effect::Write).deduplicated_by("/uniqueness_key");
/// assert_eq!(create.deduplicated_by.as_deref(), Some("/uniqueness_key"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct Route {
    /// The method.
    #[cfg_attr(feature = "config", serde(with = "super::method::text"))]
    #[cfg_attr(feature = "schema", schemars(with = "crate::config::schema::MethodText"))]
    pub method: Method,
    /// The path after the base URL; "{name}" matches one segment, "{*name}" all the rest.
    pub path: Cow<'static, str>,
    /// What sending the request again does.
    pub effect: Effect,
    /// The request is deduplicated by the service if its JSON body has something at this pointer (RFC 6901).
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub deduplicated_by: Option<Cow<'static, str>>,
    /// Whether the endpoint has a key; by its method unless set.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub keyed: Option<bool>,
    /// How the service handles the keys of this endpoint, if not as those of the others.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub idempotency: Option<Box<Idempotency>>,
    /// What error responses to this endpoint mean; these rules are tried before those of the service.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub responses: Vec<ResponseRule>,
    /// What changes in the service's policy for this endpoint.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub retry_policy: Option<RetryPolicy>,
    /// Where the limit key of the endpoint's requests is, if not where the others have it; an empty list means that
    /// they have none.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub limit_key_from: Option<Vec<LimitKeySource>>,
    /// The endpoints that have a concurrency limit of their own together with this one.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub limit_group: Option<Cow<'static, str>>,
}

impl Route {
    /// An endpoint and what repeating it does.
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>, effect: Effect) -> Self {
        Self {
            method,
            path: path.into(),
            effect,
            deduplicated_by: None,
            keyed: None,
            idempotency: None,
            responses: Vec::new(),
            retry_policy: None,
            limit_key_from: None,
            limit_group: None,
        }
    }

    /// [`Effect::Deduplicated`] if the request's JSON body has something at this pointer (RFC 6901), which is looked up
    /// only after an attempt has failed.
    pub fn deduplicated_by(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.deduplicated_by = Some(pointer.into());
        self
    }

    /// What changes in the service's policy for this endpoint.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = Some(policy);
        self
    }

    /// The endpoint has a key, whatever its method: the way to list endpoints for a service that keys
    /// [its routes only](Idempotency::routes_only).
    pub const fn keyed(mut self) -> Self {
        self.keyed = Some(true);
        self
    }

    /// The endpoint has no key, whatever its method.
    pub const fn unkeyed(mut self) -> Self {
        self.keyed = Some(false);
        self
    }

    /// How the service handles the keys of this endpoint: these rules hold in place of all of the service's, except that
    /// their methods do not matter.
    ///
    /// ```
    /// use http::Method;
    /// use reqwest_safe_retry::{Effect, Idempotency, KeyKind, Route, Service};
    ///
    /// let keys = Idempotency::header("Request-Id", KeyKind::ReplaySuccess).routes_only();
    /// let refund = Route::new(Method::POST, "/refunds", Effect::Write).idempotency(keys.clone().max_length(45));
    /// let service = Service::builder("payments", "https://payments.example.com")
    ///     .idempotency(keys)
    ///     .routes([Route::new(Method::POST, "/payments", Effect::Write).keyed(), refund])
    ///     .build()?;
    /// let key_of = |path| service.explain(&Method::POST, path, http::StatusCode::BAD_GATEWAY, 1).to_string();
    /// assert!(key_of("/payments").contains("sent with a key"));
    /// assert!(key_of("/refunds").contains("sent with a key"));
    /// assert!(key_of("/invoices").contains("sent without a key"), "it is not listed");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = Some(Box::new(idempotency));
        self
    }

    /// What error responses to this endpoint mean; these rules are tried before those of
    /// [the service](crate::ServiceBuilder::responses).
    ///
    /// ```
    /// use http::Method;
    /// use reqwest_safe_retry::{Effect, Meaning, ResponseRule, Route};
    ///
    /// let create = Route::new(Method::POST, "/customers", Effect::Write);
    /// let create = create.responses([ResponseRule::new(422, Meaning::AlreadyExists).text("email taken")]);
    /// assert_eq!(create.responses[0].status, 422);
    /// ```
    pub fn responses(mut self, rules: impl IntoIterator<Item = ResponseRule>) -> Self {
        self.responses = rules.into_iter().collect();
        self
    }

    /// Where the limit key of the endpoint's requests is, in place of what
    /// [the service](crate::ServiceBuilder::limit_key_from) says; an empty list means that they have none.
    ///
    /// ```
    /// use http::Method;
    /// use reqwest_safe_retry::{Effect, LimitKeySource, Route, Service};
    ///
    /// let archive = Route::new(Method::POST, "/customers/archive", Effect::Write);
    /// let service = Service::builder("billing", "https://billing.internal")
    ///     .limit_key_from([LimitKeySource::body_member("/customer_id")])
    ///     .routes([archive.limit_key_from([LimitKeySource::body_member("/id")])])
    ///     .build()?;
    /// let own = service.routes()[0].limit_key_from.as_deref();
    /// assert_eq!(own, Some(&[LimitKeySource::body_member("/id")][..]));
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn limit_key_from(mut self, sources: impl IntoIterator<Item = LimitKeySource>) -> Self {
        self.limit_key_from = Some(sources.into_iter().collect());
        self
    }

    /// The endpoint has a concurrency limit of its own, together with the others of this group: for a service that
    /// limits by endpoint, so that those which are busy do not delay the rest. Each group has a limit as
    /// [`concurrency_limit`](crate::ServiceBuilder::concurrency_limit) describes it; refusals and failures of its
    /// endpoints count for no other. All other endpoints share the service's.
    ///
    /// ```
    /// use http::Method;
    /// use reqwest_safe_retry::{Effect, Route, Service};
    ///
    /// let search = |path| Route::new(Method::POST, path, Effect::Read).limit_group("search");
    /// let service = Service::builder("billing", "https://billing.internal")
    ///     .routes([search("/customers/search"), search("/invoices/search")])
    ///     .build()?;
    /// let groups = service.health().limit_groups;
    /// assert_eq!((groups.len(), &*groups[0].name, groups[0].concurrency_limit), (1, "search", 16));
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn limit_group(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.limit_group = Some(name.into());
        self
    }

    /// Whether the endpoint has a key, if the route says so at all.
    pub(crate) fn is_keyed(&self) -> Option<bool> {
        let own = self.idempotency.as_ref().map(|own| own.kind != KeyKind::Unsupported);
        self.keyed.or(own)
    }

    pub(crate) fn check(&self, path: &str, errors: &mut FieldErrors) {
        method::check(&self.method, &format!("{path}.method"), errors);
        self.check_path(&format!("{path}.path"), errors);
        if self.limit_group.as_ref().is_some_and(|name| name.trim().is_empty()) {
            errors.add(format!("{path}.limit_group"), "is empty");
        }
        response_rule::check(&self.responses, &format!("{path}.responses"), errors);
        if let Some(sources) = &self.limit_key_from {
            limit_key::check(sources, &format!("{path}.limit_key_from"), std::iter::once(&*self.path), errors);
        }
        if let Some(pointer) = &self.deduplicated_by {
            let path = format!("{path}.deduplicated_by");
            errors.check_pointer(&path, pointer);
            if self.effect == Effect::Read {
                errors.add(path, "does not apply to a route that only reads");
            }
        }
    }

    fn check_path(&self, path: &str, errors: &mut FieldErrors) {
        if !self.path.starts_with('/') {
            errors.add(path, format!("{:?} does not start with a slash", self.path));
        }
        if let Some(segment) = self.path.split('/').find(|segment| segment.starts_with(':')) {
            let name = &segment[1..];
            errors.add(path, format!("{segment:?} would match only itself: write `{{{name}}}` for a parameter"));
        }
    }
}
