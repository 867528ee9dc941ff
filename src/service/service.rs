//! A service: its description, and the retry budget and concurrency limit that all its calls share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::{
    base_urls::BaseUrls,
    boolean_header::BooleanHeader,
    config_error::{ConfigError, FieldErrors},
    description::{Description, ErrorStatusHandling},
    error_format::{ErrorFormat, ErrorReader},
    health::Health,
    hooks::Hooks,
    idempotency::Idempotency,
    limit_key::LimitKeySource,
    rate_limiting::RateLimiting,
    response_rule::ResponseRule,
    route::Route,
    routes::Routes,
    seen_keys::SeenKeys,
    source::Source,
};
use crate::{
    decide::{
        policy::{ResolvedPolicy, RetryPolicy},
        rules::RetryCosts,
        status_set::StatusSet,
    },
    durable::settings::JournalSettings,
    hooks::RequestFacts,
    limit::{
        budget::Budget,
        concurrency_limit::ConcurrencyLimit,
        fleet::Fleet,
        hosts::{HostLimits, Hosts},
        limiters::Limiters,
    },
    telemetry::instruments::{Instruments, Levels},
};

/// A named base URL with what the service behind it documents, how often calls to it are repeated, and its retry budget.
///
/// Start from a shipped description or from [`Service::builder`]. Clones share retry budget and concurrency limit. A
/// service with several hosts has these for each host.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, Idempotency, KeyKind, Service};
///
/// let billing = Service::builder("billing", "https://billing.internal/api")
///     .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess))
///     .route(Method::POST, "/search", Effect::Read)
///     .build()?;
/// assert_eq!(billing.name(), "billing");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Service {
    pub(super) shared: Arc<Shared>,
    pub(super) hooks: Hooks,
}

/// What all clones of a service share.
pub(super) struct Shared {
    pub(super) description: Description,
    pub(super) bases: BaseUrls,
    policy: ResolvedPolicy,
    pub(super) error_reader: ErrorReader,
    pub(super) routes: Routes,
    /// Of the only host; or of all hosts that are not among `hosts`.
    pub(super) limits: HostLimits,
    /// None if all requests go to one host.
    pub(super) hosts: Option<Hosts>,
    /// Whether requests may have limit keys.
    has_limit_keys: bool,
    /// None unless keys that were used for another request are refused.
    seen_keys: Option<SeenKeys>,
    instruments: Instruments,
    /// Whether a redirect of a write was followed.
    redirected: AtomicBool,
}

impl Service {
    pub(super) fn new(
        description: Description,
        hooks: Hooks,
        bases: BaseUrls,
        policy: ResolvedPolicy,
        routes: Routes,
    ) -> Self {
        let limits = Self::new_limits(&description, &routes);
        let hosts = (!bases.are_one_host()).then(Hosts::new);
        let instruments = Instruments::new(description.name.clone());
        let redirected = AtomicBool::new(false);
        let of_routes = description.routes.iter().filter_map(|route| route.limit_key_from.as_deref());
        let has_limit_keys =
            hooks.limit_key.is_some() || of_routes.chain([&*description.limit_key_from]).flatten().next().is_some();
        let seen_keys = description.refuse_reused_keys.then(SeenKeys::default);
        let shared = Shared {
            error_reader: description.error_format.reader(),
            description,
            bases,
            policy,
            routes,
            limits,
            hosts,
            has_limit_keys,
            seen_keys,
            instruments,
            redirected,
        };
        Self { shared: Arc::new(shared), hooks }
    }

    /// Of a host that had no call yet.
    pub(super) fn new_limits(description: &Description, routes: &Routes) -> HostLimits {
        HostLimits {
            budget: Budget::new(description.retry_budget),
            limiters: Limiters::new(&description.concurrency_limit, routes.groups().len()),
        }
    }

    pub(super) fn into_parts(self) -> (Description, Hooks) {
        (self.shared.description.clone(), self.hooks)
    }

    /// Shares the concurrency limit with the other processes of a fleet that use this service, by its
    /// [name](Self::name). It counts for all clones.
    ///
    /// ```
    /// use reqwest_safe_retry::{Fleet, InMemorySharedLimit, Service};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let fleet = Fleet::join(InMemorySharedLimit::default());
    /// let service = Service::metronome().share_limit(&fleet)?;
    /// assert!(service.share_limit(&fleet).is_err(), "it is shared already");
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// Its limit groups are shared too, each as `service/group`; the limits of limit keys are not.
    ///
    /// # Errors
    ///
    /// If the limit is not [`Adaptive`](ConcurrencyLimit::Adaptive), or is shared already; or if the service has several
    /// hosts, each of which has a limit of its own.
    pub fn share_limit(self, fleet: &Fleet) -> Result<Self, ConfigError> {
        let mut errors = FieldErrors::default();
        let groups = self.route_table().groups().iter().map(AsRef::as_ref);
        if self.shared.hosts.is_some() {
            let message = "the limit of a service with several hosts cannot be shared: make each host a service";
            errors.add("concurrency_limit", message);
        } else if !self.limiters().is_some_and(|limiters| limiters.share(fleet, self.name(), groups)) {
            errors.add("concurrency_limit", "only an adaptive limit can be shared, and only once");
        }
        errors.finish(Some(self))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.shared.description.name
    }

    /// The base URL, or the first of [several](Self::base_urls); `*` if the service covers every host.
    pub fn base_url(&self) -> &str {
        self.base_urls().next().unwrap_or_default()
    }

    /// How the service handles idempotency keys.
    pub fn idempotency(&self) -> &Idempotency {
        &self.shared.description.idempotency
    }

    /// Where error responses have their message, code, type and request id.
    pub fn error_format(&self) -> &ErrorFormat {
        &self.shared.description.error_format
    }

    /// How the service says that callers should slow down.
    pub fn rate_limiting(&self) -> &RateLimiting {
        &self.shared.description.rate_limiting
    }

    /// Where the limit key of a request is, unless a function extracts it or its route says otherwise.
    pub fn limit_key_from(&self) -> &[LimitKeySource] {
        &self.shared.description.limit_key_from
    }

    /// What error responses mean, in the order in which the rules are tried, those of a route before them.
    pub fn responses(&self) -> &[ResponseRule] {
        &self.shared.description.responses
    }

    /// The header in which the service says whether to send a request again.
    pub fn retry_signal(&self) -> Option<&BooleanHeader> {
        self.shared.description.retry_signal.as_ref()
    }

    /// The statuses that the service documents as retryable.
    pub fn retryable(&self) -> StatusSet {
        self.shared.description.retryable
    }

    /// What is documented of its endpoints.
    pub fn routes(&self) -> &[Route] {
        &self.shared.description.routes
    }

    /// The pages that the description comes from.
    pub fn sources(&self) -> &[Source] {
        &self.shared.description.sources
    }

    /// The retry policy as it was set; what was not set is `None`.
    pub fn retry_policy(&self) -> &RetryPolicy {
        &self.shared.description.retry_policy
    }

    /// How many tokens the retry budget holds.
    pub fn retry_budget(&self) -> u32 {
        self.shared.description.retry_budget
    }

    /// What a repeat takes out of the retry budget.
    pub fn retry_costs(&self) -> &RetryCosts {
        &self.shared.description.retry_costs
    }

    /// How many attempts may be in flight at once.
    pub fn concurrency_limit(&self) -> &ConcurrencyLimit {
        &self.shared.description.concurrency_limit
    }

    /// How a final 4xx or 5xx is surfaced.
    pub fn error_statuses(&self) -> ErrorStatusHandling {
        self.shared.description.error_statuses
    }

    /// How the service is doing.
    ///
    /// ```
    /// use reqwest_safe_retry::Service;
    ///
    /// let health = Service::metronome().health();
    /// assert_eq!((health.retry_budget, health.concurrency_limit, health.in_flight), (500, Some(16), 0));
    /// ```
    ///
    /// Ask [`SafeRetry::services`](crate::SafeRetry::services), or keep a clone of the service that the layer was given:
    /// clones share retry budget and concurrency limit.
    pub fn health(&self) -> Health {
        let groups = self.route_table().groups();
        let of_limits = |limits: &HostLimits| Health::new(limits, self.retry_budget(), groups);
        match &self.shared.hosts {
            Some(hosts) => Health::of_hosts(hosts, &self.shared.limits, of_limits),
            None => of_limits(&self.shared.limits),
        }
    }

    pub(crate) fn error_reader(&self) -> &ErrorReader {
        &self.shared.error_reader
    }

    pub(crate) fn requires_operation(&self) -> bool {
        self.shared.description.require_operation
    }

    pub(crate) fn seen_keys(&self) -> Option<&SeenKeys> {
        self.shared.seen_keys.as_ref()
    }

    pub(crate) fn journal_settings(&self) -> &JournalSettings {
        &self.shared.description.journal_settings
    }

    pub(crate) fn bases(&self) -> &BaseUrls {
        &self.shared.bases
    }

    pub(crate) fn resolved_policy(&self) -> &ResolvedPolicy {
        &self.shared.policy
    }

    pub(crate) fn route_table(&self) -> &Routes {
        &self.shared.routes
    }

    fn limiters(&self) -> Option<&Limiters> {
        self.shared.limits.limiters.as_ref()
    }

    /// Whether requests may have limit keys.
    pub(crate) fn has_limit_keys(&self) -> bool {
        self.shared.has_limit_keys
    }

    /// The limit key of a request, if it has one.
    pub(crate) fn limit_key(&self, request: &RequestFacts<'_>) -> Option<String> {
        if let Some(extract) = &self.hooks.limit_key {
            return extract(request);
        }
        let routes = &self.shared.routes;
        let (_, path) = self.shared.bases.locate(request.url)?;
        let of_route = routes.find(request.method, path).and_then(|known| known.route.limit_key_from.as_deref());
        let sources = of_route.unwrap_or(&self.shared.description.limit_key_from);
        sources.iter().find_map(|source| source.read(request, |name| routes.parameter(request.method, path, name)))
    }

    /// What the gauges show: nothing where each host has its own.
    pub(crate) fn levels(&self) -> Levels {
        if self.shared.hosts.is_some() {
            return Levels { retry_budget: None, concurrency_limit: None };
        }
        let concurrency_limit = self.limiters().map(Limiters::last_limit);
        Levels { retry_budget: Some(self.shared.limits.budget.tokens()), concurrency_limit }
    }

    pub(crate) fn instruments(&self) -> &Instruments {
        &self.shared.instruments
    }

    /// Whether this is the first redirect of a write that the client has followed.
    pub(crate) fn is_first_redirect(&self) -> bool {
        !self.shared.redirected.swap(true, Relaxed)
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name())
            .field("base_url", &self.base_url())
            .field("kind", &self.idempotency().kind)
            .field("verifier", &self.hooks.verifier.is_some())
            .field("journal", &self.hooks.journal.is_some())
            .field("retry_budget", &self.shared.limits.budget)
            .finish_non_exhaustive()
    }
}
