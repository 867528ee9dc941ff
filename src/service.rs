//! A service: a name and a base URL with its description, its policy and its budget.

use std::{borrow::Cow, cmp::Reverse, fmt, sync::Arc};

use http::Method;
use reqwest::Url;

use crate::{
    budget::Budget,
    config_error::{ConfigError, Mistakes},
    error_format::ErrorFormat,
    gates::Gates,
    hint::RateLimiting,
    idempotency::Idempotency,
    policy::{RetryPolicy, StatusSet},
    request::Claim,
    route::{Effect, Guard, Route, Routes, by_length},
    signal::Signal,
    source::Source,
    telemetry::Meters,
    verify::Verifier,
    window::Window,
};

/// A named base URL with what the service behind it documents, how often calls to it are repeated, and its budget.
///
/// Start from a shipped description or from [`Service::builder`]. Clones share budget and window.
///
/// Give the layer a client that follows no redirects: a redirect to another origin takes the key and the body along, and
/// reqwest does not tell which hop has failed, so that a write whose redirect leads nowhere looks as if it had never been
/// sent. And one attempt is one request only where reqwest's own protocol retries are off:
///
/// ```
/// use reqwest_middleware::ClientBuilder;
/// use reqwest_safe_retry::{SafeRetry, Service};
///
/// let http = reqwest::Client::builder()
///     .redirect(reqwest::redirect::Policy::none())
///     .retry(reqwest::retry::never())
///     .build()?;
/// let client = ClientBuilder::new(http).with(SafeRetry::new([Service::metronome()])).build();
/// # Ok::<_, reqwest::Error>(())
/// ```
///
/// A service of your own:
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, Idempotency, KeyKind, Service};
///
/// let billing = Service::builder("billing")
///     .base_url("https://billing.internal/api")
///     .idempotency(Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess))
///     .route(Method::POST, "/search", Effect::Read)
///     .build()?;
/// assert_eq!(billing.name(), "billing");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
    verifier: Option<Arc<dyn Verifier>>,
}

/// What all clones of a service share.
struct Shared {
    description: ServiceBuilder,
    url: Url,
    /// Of the URL.
    host: Option<Box<str>>,
    /// The URL without slashes at its end.
    prefix: Box<str>,
    /// Its path, without them.
    path: Box<str>,
    routes: Routes,
    budget: Budget,
    gates: Option<Gates>,
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    meters: Meters,
}

/// Draws the customer from a request.
pub(crate) type CustomerOf = Arc<dyn Fn(&RequestFacts<'_>) -> Option<String> + Send + Sync>;

/// A request, as far as the function that draws its customer may see it.
#[derive(Clone, Copy)]
pub struct RequestFacts<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// Where it was in memory; a request without a body has an empty one.
    pub(crate) body: Option<&'a [u8]>,
}

/// What a call ends in whose last answer is a 4xx or 5xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinalStatus {
    /// A typed [`Error`](crate::Error).
    #[default]
    Error,
    /// The response, for code that looks at statuses itself: its head as it came, and of its body what was read (see
    /// [`max_error_body`](RetryPolicy::max_error_body)). Whether the write took effect, and why there was no
    /// further attempt, is in its extensions, as [`Applied`](crate::Applied) and [`Stop`](crate::Stop), beside the account. A call without an answer ends in an error all the same.
    Response,
}

/// How a service is doing, by what its calls have met; for a status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The tokens in the retry budget.
    pub budget: u32,
    /// How many it holds at most.
    pub budget_capacity: u32,
    /// How many attempts may be in flight; `None` where any number may.
    pub window: Option<usize>,
    /// How many are in flight; 0 where there is no window.
    pub in_flight: usize,
    /// How many calls wait for a place.
    pub waiting: usize,
    /// How many customers have a window of their own.
    pub customers_limited: usize,
}

/// Describes a service; made by [`Service::builder`] or [`Service::into_builder`].
#[derive(Clone)]
pub struct ServiceBuilder {
    pub(crate) name: Cow<'static, str>,
    pub(crate) base_url: Cow<'static, str>,
    pub(crate) idempotency: Idempotency,
    pub(crate) error_format: ErrorFormat,
    pub(crate) rate_limiting: RateLimiting,
    retry_signal: Option<Signal>,
    retryable: StatusSet,
    pub(crate) routes: Vec<Route>,
    sources: Vec<Source>,
    pub(crate) policy: RetryPolicy,
    window: Window,
    pub(crate) final_status: FinalStatus,
    pub(crate) customer: Option<CustomerOf>,
    pub(crate) verifier: Option<Arc<dyn Verifier>>,
}

/// What is known of an operation before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) effect: Effect,
    route: Option<&'a Route>,
    /// Where the body decides, the pointer to what makes the write [`Effect::Deduplicated`].
    pub(crate) guard: Option<&'a Guard>,
    pub(crate) keyed: bool,
    pub(crate) claim: Claim,
}

impl<'a> Operation<'a> {
    pub(crate) fn policy(&self, service: &'a Service) -> &'a RetryPolicy {
        self.route.and_then(|route| route.policy.as_ref()).unwrap_or_else(|| service.retry_policy())
    }

    /// The same operation with the effect that its request claims.
    pub(crate) fn claimed(self, effect: Effect, method: &Method, service: &Service) -> Self {
        let keyed = effect != Effect::Read && service.idempotency().keys(method);
        Self { effect, guard: None, keyed, claim: Claim::Claimed, ..self }
    }
}

impl Service {
    /// A service of your own. Unless set: no base URL, which is refused; no keys; the usual error bodies and hints.
    pub fn builder(name: impl Into<Cow<'static, str>>) -> ServiceBuilder {
        ServiceBuilder {
            name: name.into(),
            base_url: Cow::Borrowed(""),
            idempotency: Idempotency::none(),
            error_format: ErrorFormat::new(),
            rate_limiting: RateLimiting::new(),
            retry_signal: None,
            retryable: StatusSet::DEFAULT,
            routes: Vec::new(),
            sources: Vec::new(),
            policy: RetryPolicy::new(),
            window: Window::Adaptive,
            final_status: FinalStatus::Error,
            customer: None,
            verifier: None,
        }
    }

    /// Asks this verifier whether a write in doubt took effect, and so allows a write to be sent once more under a new
    /// key where it provably did not. See [`Verifier`].
    pub fn verifier(mut self, verifier: impl Verifier) -> Self {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// The description again, to change something about it: another base URL, another policy. What is built from it has
    /// a budget of its own.
    ///
    /// ```
    /// use reqwest_safe_retry::{RetryPolicy, Service};
    ///
    /// let metronome = Service::metronome().into_builder().retry(RetryPolicy::new().max_attempts(5)).build()?;
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    pub fn into_builder(self) -> ServiceBuilder {
        ServiceBuilder { verifier: self.verifier, ..self.shared.description.clone() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.shared.description.name
    }

    /// The base URL.
    pub fn base_url(&self) -> &str {
        self.shared.url.as_str()
    }

    /// The policy.
    pub fn retry_policy(&self) -> &RetryPolicy {
        &self.shared.description.policy
    }

    /// How the service handles idempotency keys.
    pub fn idempotency(&self) -> &Idempotency {
        &self.shared.description.idempotency
    }

    /// Where the parts of an error stand in the service's answers.
    pub fn error_format(&self) -> &ErrorFormat {
        &self.shared.description.error_format
    }

    /// How the service says that callers should slow down.
    pub fn rate_limiting(&self) -> &RateLimiting {
        &self.shared.description.rate_limiting
    }

    /// The header in which the service says whether to send a request again.
    pub fn retry_signal(&self) -> Option<&Signal> {
        self.shared.description.retry_signal.as_ref()
    }

    /// What is documented of its operations.
    pub fn routes(&self) -> &[Route] {
        &self.shared.description.routes
    }

    /// How many attempts may be in flight at once.
    pub fn window(&self) -> Window {
        self.shared.description.window
    }

    /// The pages that the description comes from.
    pub fn sources(&self) -> &[Source] {
        &self.shared.description.sources
    }

    /// How the service is doing.
    ///
    /// ```
    /// use reqwest_safe_retry::Service;
    ///
    /// let metronome = Service::metronome();
    /// let health = metronome.health();
    /// assert_eq!((health.budget, health.window, health.in_flight), (500, Some(32), 0));
    /// ```
    ///
    /// Keep a clone of the service that the layer was given: clones share budget and window.
    pub fn health(&self) -> Health {
        let reading = self.gates().map(Gates::read);
        Health {
            budget: self.budget().tokens(),
            budget_capacity: self.retry_policy().budget,
            window: reading.map(|reading| reading.limit),
            in_flight: reading.map_or(0, |reading| reading.in_flight),
            waiting: reading.map_or(0, |reading| reading.waiting),
            customers_limited: self.gates().map_or(0, Gates::customers_limited),
        }
    }

    /// What the paths of all its requests begin with.
    pub(crate) fn base_path(&self) -> &str {
        &self.shared.path
    }

    pub(crate) fn gates(&self) -> Option<&Gates> {
        self.shared.gates.as_ref()
    }

    pub(crate) fn customer_of(&self, request: &RequestFacts<'_>) -> Option<String> {
        self.shared.description.customer.as_ref()?(request)
    }

    pub(crate) fn final_status(&self) -> FinalStatus {
        self.shared.description.final_status
    }

    pub(crate) fn tells_customers(&self) -> bool {
        self.shared.description.customer.is_some()
    }

    pub(crate) fn shared_name(&self) -> Cow<'static, str> {
        self.shared.description.name.clone()
    }

    pub(crate) fn retryable(&self) -> StatusSet {
        self.shared.description.retryable
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    pub(crate) fn the_verifier(&self) -> Option<&dyn Verifier> {
        self.verifier.as_deref()
    }

    /// What services are looked up by.
    fn host(&self) -> (usize, &str) {
        by_length(self.shared.host.as_deref().unwrap_or_default())
    }

    /// The part of a path after the base URL, if the URL is this service's.
    fn relative_path<'u>(&self, url: &'u Url) -> Option<&'u str> {
        let base = &self.shared.url;
        // Nearly always the text tells: a URL without user information begins as the base URL does.
        if let Some(rest) = url.as_str().strip_prefix(&*self.shared.prefix) {
            if rest.starts_with('/') {
                return url.path().get(self.shared.path.len()..);
            }
        }
        let same_origin = url.host_str() == base.host_str()
            && url.port_or_known_default() == base.port_or_known_default()
            && url.scheme() == base.scheme();
        if !same_origin {
            return None;
        }
        let rest = url.path().strip_prefix(&*self.shared.path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    pub(crate) fn operation(&self, method: &Method, url: &Url) -> Operation<'_> {
        self.operation_at(method, self.relative_path(url).unwrap_or_default())
    }

    /// The path of the route of a request.
    pub(crate) fn template(&self, method: &Method, url: &Url) -> Option<&str> {
        Some(&*self.shared.routes.find(method, self.relative_path(url)?)?.path)
    }

    /// The operation at a path after the base URL.
    pub(crate) fn operation_at(&self, method: &Method, path: &str) -> Operation<'_> {
        let routes = &self.shared.routes;
        let route = if routes.tell_nothing_of(method) { None } else { routes.find(method, path) };
        let effect = route.map_or_else(|| Effect::of_method(method), |route| route.effect);
        let keyed_route = route.is_none_or(|route| route.keyed);
        Operation {
            effect,
            route,
            guard: route.and_then(|route| route.guard.as_ref()),
            keyed: keyed_route && effect != Effect::Read && self.idempotency().keys(method),
            claim: Claim::Described,
        }
    }
}

/// The services of a layer, found by URL.
#[derive(Clone, Debug)]
pub(crate) struct Services(Arc<[Service]>);

impl Services {
    pub(crate) fn new(services: impl IntoIterator<Item = Service>) -> Result<Self, ConfigError> {
        let mut services: Vec<Service> = services.into_iter().collect();
        let mut mistakes = Mistakes::default();
        let places: Vec<_> = services.iter().map(|service| (service.name(), service.base_url())).collect();
        refuse_shared_base_urls(&places, &mut mistakes);
        // Of one host the longest path first, so that the first match is the closest.
        services.sort_by(|one, other| {
            let order = |service: &Service| Reverse(service.shared.path.len());
            one.host().cmp(&other.host()).then_with(|| order(one).cmp(&order(other)))
        });
        mistakes.finish(Some(Self(services.into())))
    }

    /// The service of a URL, and the part of its path after the service's own.
    pub(crate) fn find<'u>(&self, url: &'u Url) -> Option<(&Service, &'u str)> {
        let host = by_length(url.host_str().unwrap_or_default());
        let first = self.0.partition_point(|service| service.host() < host);
        let mut there = self.0[first..].iter().take_while(|service| service.host() == host);
        there.find_map(|service| Some((service, service.relative_path(url)?)))
    }
}

/// `places` are names and base URLs as [`Url`] writes them.
pub(crate) fn refuse_shared_base_urls(places: &[(&str, &str)], mistakes: &mut Mistakes) {
    for (index, (name, url)) in places.iter().enumerate() {
        for (other, _) in places[..index].iter().filter(|(_, taken)| same_place(taken, url)) {
            mistakes.add(
                format!("services.{name}.base_url"),
                format!("is also the base URL of {other}: requests could belong to either"),
            );
        }
    }
}

fn same_place(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

impl ServiceBuilder {
    /// Where the service is: scheme, host, port and a path that all its requests have in common.
    pub fn base_url(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.base_url = url.into();
        self
    }

    /// How the service handles idempotency keys.
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// Changes how the service handles idempotency keys.
    pub fn map_idempotency(mut self, change: impl FnOnce(Idempotency) -> Idempotency) -> Self {
        self.idempotency = change(self.idempotency);
        self
    }

    /// Where the parts of an error stand in the service's answers.
    pub fn error_format(mut self, format: ErrorFormat) -> Self {
        self.error_format = format;
        self
    }

    /// How the service says that callers should slow down.
    pub fn rate_limiting(mut self, limits: RateLimiting) -> Self {
        self.rate_limiting = limits;
        self
    }

    /// The header in which the service says `true` or `false` to sending the request again. `false` always ends the
    /// call; `true` repeats it with the same key, but never a write without a key that may have been executed.
    pub fn retry_signal(mut self, signal: impl Into<Signal>) -> Self {
        self.retry_signal = Some(signal.into());
        self
    }

    /// The statuses that the service documents as worth another attempt; [`StatusSet::DEFAULT`] unless set.
    pub const fn retryable(mut self, statuses: StatusSet) -> Self {
        self.retryable = statuses;
        self
    }

    /// What repeating an operation does, where its method does not tell.
    pub fn route(self, method: Method, path: impl Into<Cow<'static, str>>, effect: Effect) -> Self {
        self.routes([Route::new(method, path, effect)])
    }

    /// Several routes at once.
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.routes.extend(routes);
        self
    }

    /// The pages that the description comes from.
    pub fn sources(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// How often and how long.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How many attempts may be in flight at once; [`Window::Adaptive`] unless set.
    pub const fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// What a call ends in whose last answer is a 4xx or 5xx; [`FinalStatus::Error`] unless set.
    pub const fn final_status(mut self, final_status: FinalStatus) -> Self {
        self.final_status = final_status;
        self
    }

    /// Draws the customer from a request, for a service that limits each customer by itself and says so in its
    /// [scope header](RateLimiting::scope_header): a customer who meets its own limit gets a window of its own and
    /// keeps nobody else waiting. It is asked only while some customer has one.
    pub fn customer(mut self, of: impl Fn(&RequestFacts<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.customer = Some(Arc::new(of));
        self
    }

    /// As [`Service::verifier`].
    pub fn verifier(mut self, verifier: impl Verifier) -> Self {
        self.verifier = Some(Arc::new(verifier));
        self
    }

    /// Checks the description.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that lists every mistake with its field: a base URL that is none or has no host, a header name
    /// that is none, a wait whose base is above its cap, no attempts, a route that does not parse or is given twice, a
    /// retention below the deadline, a kind of keys that lacks what it needs.
    pub fn build(mut self) -> Result<Service, ConfigError> {
        let mut mistakes = Mistakes::default();
        if self.name.trim().is_empty() {
            mistakes.add("name", "is empty");
        }
        let url = parse_base_url(&self.base_url, &mut mistakes);
        self.policy.check("retry", &mut mistakes);
        self.idempotency.check(self.policy.deadline, &mut mistakes);
        for policy in self.routes.iter().filter_map(|route| route.policy.as_ref()) {
            self.idempotency.check_deadline(policy.deadline, "idempotency.retention", &mut mistakes);
        }
        self.error_format.check(&mut mistakes);
        self.rate_limiting.check(&mut mistakes);
        if let Some(signal) = &self.retry_signal {
            signal.check("retry_signal", &mut mistakes);
        }
        if self.window == Window::Fixed(0) {
            mistakes.add("window", "is fixed at 0: no attempt could ever be sent");
        }
        let routes = Routes::new(self.routes.clone(), &mut mistakes);
        let url = mistakes.under(&format!("services.{}.", self.name)).finish(url)?;
        let budget = Budget::new(self.policy.budget);
        let gates = Gates::new(self.window);
        let host = url.host_str().map(Into::into);
        let prefix = url.as_str().trim_end_matches('/').into();
        let path = url.path().trim_end_matches('/').into();
        let meters = Meters::new(self.name.clone());
        let verifier = self.verifier.take();
        Ok(Service {
            shared: Arc::new(Shared { description: self, host, prefix, path, url, routes, budget, gates, meters }),
            verifier,
        })
    }

    /// The base URL as it is compared with others, if it is one.
    #[cfg(feature = "serde")]
    pub(crate) fn parsed_url(&self) -> Option<Url> {
        parse_base_url(&self.base_url, &mut Mistakes::default())
    }

    /// The description of a service that ships with the crate; a test builds each.
    pub(crate) fn shipped(self) -> Service {
        match self.build() {
            Ok(service) => service,
            Err(error) => unreachable!("a shipped description is wrong: {error}"),
        }
    }
}

fn parse_base_url(text: &str, mistakes: &mut Mistakes) -> Option<Url> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            // The text itself may have secrets in it.
            mistakes.add("base_url", format!("is no URL: {error}"));
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        mistakes.add("base_url", format!("has the scheme {}: only http and https can be sent to", url.scheme()));
    } else if url.host_str().is_none() {
        mistakes.add("base_url", "has no host");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        mistakes.add("base_url", "has a query, a fragment or user information: give scheme, host, port and path only");
    }
    Some(url)
}

impl fmt::Debug for RequestFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFacts")
            .field("method", self.method)
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

impl<'a> RequestFacts<'a> {
    /// The method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// The segments of the URL's path.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.url.path().split('/').skip(1)
    }

    /// Text or number at a pointer (RFC 6901) into the JSON body, where that is in memory.
    pub fn json(&self, pointer: &str) -> Option<String> {
        crate::json::member(self.body?, pointer)?.into_text()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name())
            .field("base_url", &self.base_url())
            .field("kind", &self.idempotency().kind())
            .field("verifier", &self.verifier.is_some())
            .field("budget", &self.shared.budget)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder")
            .field("name", &self.name)
            .field("kind", &self.idempotency.kind())
            .field("policy", &self.policy)
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}
