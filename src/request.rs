//! What a single request changes: its key, policy, deadline, effect or verifier.

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, Method};
use reqwest_middleware::RequestBuilder;

use crate::{
    config_error::{ConfigError, Mistakes},
    key::IdempotencyKey,
    policy::RetryPolicy,
    route::Effect,
    service::{Operation, Service},
    verify::Verifier,
};

/// What a single request may change, as methods of its builder.
///
/// | | request | route | service | default |
/// |---|---|---|---|---|
/// | key | [`idempotency_key`](Self::idempotency_key), or the header itself | | | a UUIDv4 where the service keys it |
/// | policy | [`retry_policy`](Self::retry_policy) | [`Route::retry`](crate::Route::retry) | [`retry`](crate::ServiceBuilder::retry) | [`RetryPolicy::new`] |
/// | deadline | [`deadline`](Self::deadline) | its policy's | its policy's | 120 s |
/// | effect | [`effect`](Self::effect) | [`Route::new`](crate::Route::new) | | by the method |
/// | verifier | [`verifier`](Self::verifier) | | [`verifier`](crate::Service::verifier) | none |
///
/// The leftmost that is given counts. A request can never switch the rotation of keys on without a verifier: an effect
/// that it claims allows repeats under the same key only.
///
/// ```
/// use std::time::Duration;
/// use reqwest_safe_retry::RequestBuilderExt;
///
/// # async fn example(client: reqwest_middleware::ClientWithMiddleware) -> reqwest_middleware::Result<()> {
/// client
///     .post("https://api.metronome.com/v1/contracts/create")
///     .idempotency_key("contract-of-customer-12")
///     .deadline(Duration::from_secs(10))
///     .send()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// A policy or deadline that makes no sense, or that is longer than the service keeps its keys, ends the call with a
/// [`ConfigError`] before anything is sent.
///
/// Each is an extension of the request, which a request that is executed without a builder can be given as such:
/// [`IdempotencyKey`], [`RetryPolicy`], [`Deadline`], [`Effect`], [`RequestVerifier`].
pub trait RequestBuilderExt: Sized {
    /// Sends this key, in the service's header and format.
    fn idempotency_key(self, key: impl Into<Arc<str>>) -> Self;
    /// Follows this policy, in place of the service's. Its budget is the service's all the same.
    fn retry_policy(self, policy: RetryPolicy) -> Self;
    /// Sends the request once; its error is typed all the same.
    fn no_retries(self) -> Self {
        self.retry_policy(RetryPolicy::never())
    }
    /// Takes no longer than this, attempts and waits together.
    fn deadline(self, deadline: Duration) -> Self;
    /// Says what sending this request again does, where the service's description does not know it.
    fn effect(self, effect: Effect) -> Self;
    /// Asks this verifier about this request.
    fn verifier(self, verifier: impl Verifier) -> Self;
}

impl RequestBuilderExt for RequestBuilder {
    fn idempotency_key(self, key: impl Into<Arc<str>>) -> Self {
        self.with_extension(IdempotencyKey::new(key))
    }

    fn retry_policy(self, policy: RetryPolicy) -> Self {
        self.with_extension(policy)
    }

    fn deadline(self, deadline: Duration) -> Self {
        self.with_extension(Deadline(deadline))
    }

    fn effect(self, effect: Effect) -> Self {
        self.with_extension(effect)
    }

    fn verifier(self, verifier: impl Verifier) -> Self {
        self.with_extension(RequestVerifier::new(verifier))
    }
}

/// The time for one call, as an extension of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Duration);

/// The verifier of one call, as an extension of its request.
#[derive(Clone)]
pub struct RequestVerifier(Arc<dyn Verifier>);

impl RequestVerifier {
    /// Asks `verifier` about the request.
    pub fn new(verifier: impl Verifier) -> Self {
        Self(Arc::new(verifier))
    }
}

impl fmt::Debug for RequestVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestVerifier").finish_non_exhaustive()
    }
}

/// What a request has changed. In a box, since few requests change anything and every call has this.
#[derive(Default)]
pub(crate) struct Overrides(Option<Box<Given>>);

struct Given {
    policy: Option<RetryPolicy>,
    effect: Option<Effect>,
    verifier: Option<RequestVerifier>,
}

/// Whether a repeat under a new key is known to do nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// By the service's description.
    Described,
    /// By the request alone.
    Claimed,
}

impl Overrides {
    /// # Errors
    ///
    /// If the policy or the deadline that the request gives makes no sense.
    pub(crate) fn of(
        extensions: &Extensions,
        service: &Service,
        operation: &Operation<'_>,
    ) -> Result<Self, ConfigError> {
        if extensions.is_empty() {
            return Ok(Self::default());
        }
        let mut policy = extensions.get::<RetryPolicy>().cloned();
        if let Some(Deadline(deadline)) = extensions.get() {
            let base = policy.unwrap_or_else(|| operation.policy(service).clone());
            policy = Some(base.deadline(*deadline));
        }
        let mut mistakes = Mistakes::default();
        if let Some(policy) = &policy {
            policy.check("request.retry", &mut mistakes);
            service.idempotency().check_deadline(policy.deadline, "idempotency.retention", &mut mistakes);
        }
        let (effect, verifier) = (extensions.get().copied(), extensions.get().cloned());
        if policy.is_none() && effect.is_none() && verifier.is_none() {
            // The extensions are others'.
            return Ok(Self::default());
        }
        mistakes.finish(Some(Self(Some(Box::new(Given { policy, effect, verifier })))))
    }

    pub(crate) fn policy<'a>(&'a self, service: &'a Service, operation: &Operation<'a>) -> &'a RetryPolicy {
        let given = self.0.as_ref().and_then(|given| given.policy.as_ref());
        given.unwrap_or_else(|| operation.policy(service))
    }

    pub(crate) fn verifier<'a>(&'a self, service: &'a Service) -> Option<&'a dyn Verifier> {
        let given = self.0.as_ref().and_then(|given| given.verifier.as_ref());
        given.map(|verifier| &*verifier.0).or_else(|| service.the_verifier())
    }

    /// The operation with the effect that its request claims, if it claims one.
    pub(crate) fn claim<'a>(&self, operation: Operation<'a>, method: &Method, service: &Service) -> Operation<'a> {
        match self.0.as_ref().and_then(|given| given.effect) {
            Some(effect) => operation.claimed(effect, method, service),
            None => operation,
        }
    }
}
