//! What a service documents about one of its operations.

use std::borrow::Cow;

use http::Method;

use super::{config_error::FieldErrors, idempotency::Idempotency, method};
use crate::decide::{effect::Effect, key::KeyKind, policy::RetryPolicy};

/// What a service documents about one of its operations.
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
    /// Whether the operation has a key; by its method unless set.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub keyed: Option<bool>,
    /// How the service handles the keys of this operation, if not as those of the others.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub idempotency: Option<Box<Idempotency>>,
    /// What changes in the service's policy for this operation.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub retry_policy: Option<RetryPolicy>,
}

impl Route {
    /// An operation and what repeating it does.
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>, effect: Effect) -> Self {
        let path = path.into();
        Self { method, path, effect, deduplicated_by: None, keyed: None, idempotency: None, retry_policy: None }
    }

    /// [`Effect::Deduplicated`] if the request's JSON body has something at this pointer (RFC 6901), which is looked up
    /// only after an attempt has failed.
    pub fn deduplicated_by(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.deduplicated_by = Some(pointer.into());
        self
    }

    /// What changes in the service's policy for this operation.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = Some(policy);
        self
    }

    /// The operation has a key, whatever its method: the way to list operations for a service that keys
    /// [its routes only](Idempotency::routes_only).
    pub const fn keyed(mut self) -> Self {
        self.keyed = Some(true);
        self
    }

    /// The operation has no key, whatever its method.
    pub const fn unkeyed(mut self) -> Self {
        self.keyed = Some(false);
        self
    }

    /// How the service handles the keys of this operation: these rules hold in place of all of the service's, except that
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

    /// Whether the operation has a key, if the route says so at all.
    pub(crate) fn is_keyed(&self) -> Option<bool> {
        let own = self.idempotency.as_ref().map(|own| own.kind != KeyKind::Unsupported);
        self.keyed.or(own)
    }

    pub(crate) fn check(&self, path: &str, errors: &mut FieldErrors) {
        method::check(&self.method, &format!("{path}.method"), errors);
        self.check_path(&format!("{path}.path"), errors);
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
