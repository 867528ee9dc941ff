//! What is settled before a call begins: effect, key rules, policy and verifier.

use std::time::Duration;

use http::{Extensions, Method, StatusCode};

use crate::{
    decide::{
        effect::Effect,
        key::{KeyPlace, Meaning},
        policy::{ResolvedPolicy, RetryPolicy},
        rules::Rules,
    },
    limit::{arrival::Priority, concurrency_limit::ConcurrencyLimit, limiters::Group},
    request::{Deadline, RequestVerifier},
    service::{
        config_error::{ConfigError, FieldErrors},
        idempotency::Idempotency,
        journal_check, policy,
        response_rule::{self, ResponseRule, Said},
        routes::KnownRoute,
        service::Service,
    },
    verify::Verifier,
    wire::json,
};

/// What is settled before a call begins. Of what is given twice, the request counts before the route, and the route
/// before the service.
pub(crate) struct Plan<'a> {
    pub(crate) service: &'a Service,
    route: Option<&'a KnownRoute>,
    /// Without looking at the body, see [`deduplicated_by`](Self::deduplicated_by).
    pub(crate) effect: Effect,
    effect_is_documented: bool,
    pub(crate) keyed: bool,
    /// In a box, since few requests change anything.
    overrides: Option<Box<Overrides>>,
}

/// What the request changes.
struct Overrides {
    policy: Option<ResolvedPolicy>,
    /// What is wrong with the policy.
    invalid: Option<ConfigError>,
    verifier: Option<RequestVerifier>,
}

impl<'a> Plan<'a> {
    /// `path` is the part after the service's base URL.
    pub(crate) fn resolve(service: &'a Service, method: &Method, path: &str, extensions: &Extensions) -> Self {
        let mut plan = Self::of_service(service, method, path);
        if !extensions.is_empty() {
            plan.apply(method, extensions);
        }
        plan
    }

    /// The plan of a request that changes nothing.
    pub(crate) fn of_service(service: &'a Service, method: &Method, path: &str) -> Self {
        let routes = service.route_table();
        let route = if routes.say_nothing_of(method) { None } else { routes.find(method, path) };
        let effect = route.map_or_else(|| Effect::of_method(method), |known| known.route.effect);
        let plan = Self { service, route, effect, effect_is_documented: true, keyed: false, overrides: None };
        Self { keyed: plan.sends_keys(method), ..plan }
    }

    fn sends_keys(&self, method: &Method) -> bool {
        let by_route = self.route.and_then(|known| known.route.is_keyed());
        self.effect != Effect::Read && by_route.unwrap_or_else(|| self.service.idempotency().keys(method))
    }

    fn apply(&mut self, method: &Method, extensions: &Extensions) {
        if let Some(effect) = extensions.get::<Effect>() {
            self.effect = *effect;
            self.effect_is_documented = false;
            self.keyed = self.sends_keys(method);
        }
        let verifier = extensions.get::<RequestVerifier>().cloned();
        let policy = self.request_policy(extensions);
        if verifier.is_none() && policy.is_none() {
            return;
        }
        let (policy, invalid) = match policy {
            Some((policy, invalid)) => (Some(policy), invalid),
            None => (None, None),
        };
        self.overrides = Some(Box::new(Overrides { policy, invalid, verifier }));
    }

    /// The policy of a request that changes it, and what is wrong with it.
    fn request_policy(&self, extensions: &Extensions) -> Option<(ResolvedPolicy, Option<ConfigError>)> {
        let deadline = extensions.get::<Deadline>();
        let given = match (extensions.get::<RetryPolicy>(), deadline) {
            (None, None) => return None,
            (given, None) => given.cloned().unwrap_or_default(),
            (given, Some(Deadline(deadline))) => given.cloned().unwrap_or_default().deadline(*deadline),
        };
        let service = self.service.retry_policy();
        let base = match self.route.and_then(|known| known.route.retry_policy.as_ref()) {
            Some(route) => route.over(service),
            None => service.clone(),
        };
        let resolved = given.over(&base).resolve();
        let mut errors = FieldErrors::default();
        // No time at all is a call that ends at its deadline, not a contradiction.
        if !resolved.deadline.is_zero() {
            policy::check(&given, &resolved, "request.retry_policy", &mut errors);
            let (deadline, path) = (resolved.deadline, "request.retry_policy.deadline");
            self.idempotency().check_deadline(deadline, path, &mut errors);
            journal_check::check_lease(self.service.journal_settings(), deadline, path, &mut errors);
        }
        Some((resolved, errors.finish(Some(())).err()))
    }

    pub(crate) fn policy(&self) -> &ResolvedPolicy {
        let of_request = self.overrides.as_ref().and_then(|overrides| overrides.policy.as_ref());
        let of_route = || self.route.and_then(|known| known.policy.as_ref());
        of_request.or_else(of_route).unwrap_or_else(|| self.service.resolved_policy())
    }

    /// What is wrong with the policy that the request gives.
    pub(super) fn invalid_policy(&self) -> Option<&ConfigError> {
        self.overrides.as_ref()?.invalid.as_ref()
    }

    pub(crate) fn verifier(&self) -> Option<&dyn Verifier> {
        let of_request = self.overrides.as_ref().and_then(|overrides| overrides.verifier.as_ref());
        let of_service = || self.service.hooks().verifier.as_deref();
        of_request.map(|RequestVerifier(verifier)| &**verifier).or_else(of_service)
    }

    pub(crate) fn idempotency(&self) -> &'a Idempotency {
        let of_route = self.route.and_then(|known| known.route.idempotency.as_deref());
        of_route.unwrap_or_else(|| self.service.idempotency())
    }

    /// The member of the body that makes the request [`Effect::Deduplicated`].
    pub(crate) fn deduplicated_by(&self) -> Option<&'a json::Pointer> {
        self.route?.deduplicated_by.as_ref().filter(|_| self.effect_is_documented)
    }

    /// The same as it is written.
    pub(crate) fn deduplicated_by_text(&self) -> Option<&'a str> {
        self.deduplicated_by()?;
        self.route?.route.deduplicated_by.as_deref()
    }

    /// What an error response means for a request with its key in this place, by the service's description.
    pub(crate) fn meaning(&self, said: &Said<'_>, key: KeyPlace) -> Option<Meaning> {
        response_rule::meaning(self.response_rules(), said, |meaning| self.applies(meaning, key))
    }

    /// Those of the route come first.
    fn response_rules(&self) -> impl Iterator<Item = &'a ResponseRule> + Clone {
        let of_route = self.route.map_or(&[][..], |known| &*known.route.responses);
        of_route.iter().chain(self.service.responses())
    }

    /// Whether only the whole of a response with this status tells what it means for the limit.
    pub(super) fn judges_load_by_body(&self, status: StatusCode) -> bool {
        self.service.hooks().classifier.is_some()
            || self.response_rules().any(|rule| rule.status == status.as_u16() && rule.meaning.is_about_load())
    }

    /// A response about a key means nothing for a request without one, and one that asks for a new key nothing where that
    /// would double the write. The exception is "in progress": it also holds for a request that may be repeated without a
    /// key.
    pub(super) fn applies(&self, meaning: Meaning, key: KeyPlace) -> bool {
        let has_key = key != KeyPlace::Absent;
        match meaning {
            Meaning::AlreadyExists | Meaning::Throttled | Meaning::Unavailable | Meaning::Final => true,
            Meaning::InProgress => has_key || self.effect != Effect::Write,
            Meaning::PayloadMismatch => has_key,
            Meaning::KeyInvalidated | Meaning::NotApplied => has_key && self.idempotency().kind.may_be_rotated(),
        }
    }

    /// The limit group of the request, if its route is in one.
    pub(super) fn limit_group(&self) -> Option<Group> {
        self.route?.group
    }

    pub(super) fn limit_group_name(&self) -> Option<&'a str> {
        self.route?.route.limit_group.as_deref()
    }

    pub(super) fn priority(&self) -> Priority {
        if self.effect == Effect::Read { Priority::Read } else { Priority::Write }
    }

    /// The rules of the call, for the effect that its body gives it.
    pub(crate) fn rules(&self, effect: Effect, key: KeyPlace, body_replayable: bool) -> Rules<'_> {
        let (service, policy) = (self.service, self.policy());
        let (idempotency, verifier) = (self.idempotency(), self.verifier());
        let mut rules = Rules::new(effect, key, idempotency.kind, policy);
        rules.effect_is_documented = self.effect_is_documented;
        rules.probe = idempotency.probe.unwrap_or_default();
        rules.in_progress_needs_signal = idempotency.in_progress_needs_signal;
        rules.in_progress_for = idempotency.in_progress_for;
        rules.concurrent_requests = idempotency.concurrent_requests;
        rules.longest_execution = idempotency.longest_execution;
        rules.verifier_lag = verifier.map_or(Duration::ZERO, Verifier::lag);
        rules.key_lifetime = if key == KeyPlace::Absent { None } else { idempotency.key_lifetime() };
        rules.retryable = policy.retry_on.unwrap_or(service.retryable());
        rules.costs = service.retry_costs().clone();
        rules.limiter_precedes_execution = !service.rate_limiting().limiter_follows_execution;
        rules.body_replayable = body_replayable;
        rules.has_verifier = verifier.is_some();
        rules.adaptive_limit = *service.concurrency_limit() == ConcurrencyLimit::Adaptive;
        rules
    }
}
