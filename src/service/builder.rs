//! Describes a service and checks the description.

use std::{borrow::Cow, fmt, sync::Arc};

use http::Method;

use super::{
    base_urls::{BaseUrlTexts, BaseUrls},
    boolean_header::BooleanHeader,
    config_error::{ConfigError, FieldErrors},
    description::{Description, ErrorStatusHandling},
    error_format::ErrorFormat,
    hooks::Hooks,
    idempotency::Idempotency,
    idempotency_check, journal_check,
    limit_key::{self, LimitKeySource},
    policy,
    rate_limiting::RateLimiting,
    response_rule,
    route::Route,
    routes::Routes,
    service::Service,
    source::Source,
};
use crate::{
    decide::{effect::Effect, key::KeyKind, policy::RetryPolicy, rules::RetryCosts, status_set::StatusSet},
    durable::{journal::Journal, settings::JournalSettings},
    hooks::RequestFacts,
    limit::concurrency_limit::ConcurrencyLimit,
    verify::{InDoubtWrite, Verdict, Verifier, VerifierFn},
};

/// Describes a service; made by [`Service::builder`] or [`Service::into_builder`].
///
/// ```
/// use reqwest_safe_retry::{Idempotency, KeyKind, Service, StatusSet};
///
/// let service = Service::builder("billing", "https://billing.example.com/v2")
///     .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess))
///     .retryable(StatusSet::of(&[429, 503]))
///     .build()?;
/// assert_eq!((service.name(), service.idempotency().kind), ("billing", KeyKind::ReplaySuccess));
/// assert!(!service.retryable().contains(http::StatusCode::BAD_GATEWAY));
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ServiceBuilder {
    pub(crate) description: Description,
    pub(crate) hooks: Hooks,
    pub(super) inherited: Inherited,
}

/// How much comes from the service that this one starts from; what is about the same replaces it.
#[derive(Clone, Copy, Default)]
pub(super) struct Inherited {
    /// Routes, which come first.
    routes: usize,
    /// Response rules, which come last.
    pub(super) responses: usize,
}

impl Service {
    /// A service of your own: its name, and scheme, host, port and path that all its requests have in common. Unless set:
    /// no keys, the usual error bodies and hints.
    pub fn builder(name: impl Into<Cow<'static, str>>, base_url: impl Into<Cow<'static, str>>) -> ServiceBuilder {
        let description = Description { name: name.into(), ..Description::default() };
        ServiceBuilder::new(description, Hooks::default()).base_url(base_url)
    }

    /// The description again, to change something about it. What is built from it has its own retry budget and concurrency
    /// limit.
    ///
    /// ```
    /// use reqwest_safe_retry::{RetryPolicy, Service};
    ///
    /// let policy = RetryPolicy::new().max_attempts(5);
    /// let metronome = Service::metronome().into_builder().retry_policy(policy).build()?;
    /// assert_eq!(metronome.retry_policy().max_attempts, Some(5));
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn into_builder(self) -> ServiceBuilder {
        let (description, hooks) = self.into_parts();
        let inherited = Inherited { routes: description.routes.len(), responses: description.responses.len() };
        ServiceBuilder { inherited, ..ServiceBuilder::new(description, hooks) }
    }

    /// The same service at another address, for example a sandbox. It has its own retry budget and concurrency limit.
    ///
    /// An address that is not a literal is given as a `String`: `.at(url.to_owned())`.
    ///
    /// ```
    /// use reqwest_safe_retry::Service;
    ///
    /// let local = Service::metronome().at("http://127.0.0.1:8080")?;
    /// assert_eq!(local.base_url(), "http://127.0.0.1:8080/");
    /// assert_eq!(local.name(), "metronome");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `base_url` is not one, see [`ServiceBuilder::build`].
    pub fn at(self, base_url: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        self.into_builder().base_url(base_url).build()
    }
}

impl ServiceBuilder {
    pub(crate) const fn new(description: Description, hooks: Hooks) -> Self {
        Self { description, hooks, inherited: Inherited { routes: 0, responses: 0 } }
    }

    /// Another base URL: scheme, host, port and path that all requests have in common. The host `*.example.com` stands for
    /// all hosts below that domain, and `*` in place of the URL for every host; see [`base_urls`](Self::base_urls).
    pub fn base_url(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.description.base_url = BaseUrlTexts::One(url.into());
        self
    }

    /// Where error responses have their message, code, type and request id.
    pub fn error_format(mut self, format: ErrorFormat) -> Self {
        self.description.error_format = format;
        self
    }

    /// How the service says that callers should slow down.
    pub fn rate_limiting(mut self, limits: RateLimiting) -> Self {
        self.description.rate_limiting = limits;
        self
    }

    /// The header in which the service says whether to send the request again. A "no" always ends the
    /// call. A "yes" repeats the request with the same key, but never a write without a key that may have been executed.
    pub fn retry_signal(mut self, header: impl Into<BooleanHeader>) -> Self {
        self.description.retry_signal = Some(header.into());
        self
    }

    /// The statuses that the service documents as retryable; [`StatusSet::DEFAULT`] unless set.
    pub fn retryable(mut self, statuses: StatusSet) -> Self {
        self.description.retryable = statuses;
        self
    }

    /// What repeating an endpoint does, if its method does not tell.
    pub fn route(self, method: Method, path: impl Into<Cow<'static, str>>, effect: Effect) -> Self {
        self.routes([Route::new(method, path, effect)])
    }

    /// Adds several routes. One for an endpoint that the service has already replaces what it says of it.
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        for route in routes {
            let (inherited, _) = self.description.routes.split_at_mut(self.inherited.routes);
            let is_same = |known: &&mut Route| (&known.method, &known.path) == (&route.method, &route.path);
            match inherited.iter_mut().find(is_same) {
                Some(known) => *known = route,
                None => self.description.routes.push(route),
            }
        }
        self
    }

    /// Adds pages that the description comes from.
    pub fn sources(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.description.sources.extend(sources);
        self
    }

    /// How often a call is attempted, and how long it waits.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.description.retry_policy = policy;
        self
    }

    /// How many tokens the service's retry budget holds; 500 unless set. It is shared by all calls; 0 switches repeats
    /// off.
    pub fn retry_budget(mut self, tokens: u32) -> Self {
        self.description.retry_budget = tokens;
        self
    }

    /// What a repeat takes out of the retry budget: after a failure (14 unless set), and after a 429 (5 unless set; nothing
    /// while the concurrency limit is adaptive).
    pub fn retry_costs(mut self, transient: u32, throttled: u32) -> Self {
        self.description.retry_costs = RetryCosts::new(transient, throttled);
        self
    }

    /// Refuses a write that has neither an [operation](crate::Operation) nor a key of the caller's, with
    /// [`ErrorKind::OperationRequired`](crate::ErrorKind::OperationRequired): for calls from jobs that may run more than
    /// once, where a key made for each call protects nothing.
    pub fn require_operation(mut self) -> Self {
        self.description.require_operation = true;
        self
    }

    /// As [`Service::journal`].
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.hooks.journal = Some(Arc::new(journal));
        self
    }

    /// How calls with an operation use the [journal](Service::journal).
    pub fn journal_settings(mut self, settings: JournalSettings) -> Self {
        self.description.journal_settings = settings;
        self
    }

    /// How many attempts may be in flight at once; [`ConcurrencyLimit::Adaptive`] unless set.
    pub fn concurrency_limit(mut self, limit: ConcurrencyLimit) -> Self {
        self.description.concurrency_limit = limit;
        self
    }

    /// How a final 4xx or 5xx is surfaced; [`ErrorStatusHandling::Error`] unless set.
    pub fn error_statuses(mut self, handling: ErrorStatusHandling) -> Self {
        self.description.error_statuses = handling;
        self
    }

    /// Where the limit key of a request is, such as the customer id, for a service that limits each key separately and
    /// says so in its [scope header](RateLimiting::scope_header): calls with a limit key that was refused then queue
    /// apart, and delay no others. Of several places the first that has a key counts. See [`LimitKeySource`].
    pub fn limit_key_from(mut self, sources: impl IntoIterator<Item = LimitKeySource>) -> Self {
        self.description.limit_key_from = sources.into_iter().collect();
        self
    }

    /// Extracts the limit key from a request, for a service whose keys [data](Self::limit_key_from) cannot find. It is
    /// asked in place of what the service and its routes say, and only while some limit key is limited, or when a
    /// refusal is about one.
    pub fn limit_key(mut self, key: impl Fn(&RequestFacts<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.hooks.limit_key = Some(Arc::new(key));
        self
    }

    /// As [`Service::verifier`].
    pub fn verifier(mut self, verifier: impl Verifier) -> Self {
        self.hooks.verifier = Some(Arc::new(verifier));
        self
    }

    /// As [`Service::verifier_fn`].
    pub fn verifier_fn<F, Fut>(self, verify: F) -> Self
    where
        F: Fn(&InDoubtWrite<'_>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Verdict>> + Send + 'static,
    {
        self.verifier(VerifierFn::new(verify))
    }

    /// Checks the description.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that lists every error with its field: a base URL that is not one, has no host or a
    /// pattern that is not the first label of a domain, an invalid
    /// header name, a wait whose base is above its cap or the deadline, no attempts, a route that does not parse or is
    /// given twice, an unknown method, a status below 400 as retryable, a retry budget below the cheapest repeat, a
    /// retention below the deadline, a kind of keys that lacks what it needs, a scope header without values, a limit
    /// key in a parameter of no route.
    pub fn build(self) -> Result<Service, ConfigError> {
        let Self { description, hooks, .. } = self;
        let mut errors = FieldErrors::default();
        if description.name.trim().is_empty() {
            errors.add("name", "is empty");
        }
        let bases = BaseUrls::parse(&description.base_url, &mut errors);
        let policy = description.retry_policy.resolve();
        policy::check(&description.retry_policy, &policy, "retry_policy", &mut errors);
        let routes = Routes::new(&description.routes, &description.retry_policy, &mut errors);
        check(&description, &mut errors);
        let bases = errors.below(&format!("services.{}.", description.name)).finish(bases)?;
        Ok(Service::new(description, hooks, bases, policy, routes))
    }

    /// The description of a service that ships with the crate; a test builds each.
    pub(crate) fn shipped(self) -> Service {
        match self.build() {
            Ok(service) => service,
            Err(error) => unreachable!("a shipped description is wrong: {error}"),
        }
    }
}

/// What can be checked without building anything.
fn check(description: &Description, errors: &mut FieldErrors) {
    idempotency_check::check(description, errors);
    description.error_format.check(errors);
    description.rate_limiting.check(errors);
    response_rule::check(&description.responses, "responses", errors);
    let paths = description.routes.iter().map(|route| &*route.path);
    limit_key::check(&description.limit_key_from, "limit_key_from", paths, errors);
    journal_check::check(description, errors);
    policy::check_statuses(&description.retryable, "retryable", errors);
    policy::check_budget(description.retry_budget, &description.retry_costs, errors);
    if let Some(signal) = &description.retry_signal {
        signal.check("retry_signal", errors);
    }
    let has_keys = |keys: &Idempotency| keys.kind != KeyKind::Unsupported;
    let of_routes = description.routes.iter().filter_map(|route| route.idempotency.as_deref());
    if description.refuse_reused_keys && !of_routes.chain([&description.idempotency]).any(has_keys) {
        errors.add("refuse_reused_keys", "does not apply: the service takes no keys");
    }
    if description.concurrency_limit == ConcurrencyLimit::Fixed(0) {
        errors.add("concurrency_limit", "is 0: no attempt could ever be sent");
    }
}

impl fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder")
            .field("name", &self.description.name)
            .field("kind", &self.description.idempotency.kind)
            .field("retry_policy", &self.description.retry_policy)
            .field("routes", &self.description.routes.len())
            .finish_non_exhaustive()
    }
}
